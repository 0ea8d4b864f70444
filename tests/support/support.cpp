// Shared by every test binary.
