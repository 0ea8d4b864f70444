// Ctrl-C and SIGTERM for commands that end where it does no harm: the first asks, the second ends
// at once, whatever the server does.
#pragma once

namespace gateway {

enum class system_calls { cut, restarted };

// From now on the first signal is only noted; a system call under way is cut by it or goes on. One
// thread, before others are started.
void catch_interrupts(system_calls under_way);

bool was_interrupted();

} // namespace gateway
