// The read models by their definition: plain SQL over the whole log, slow and simple, for tests
// that read the views without the projector and for tests that hold the projector against it.
#pragma once

#include <string>

namespace gateway::test {

// Empties company, identifier, identity, consent_decision, consent and message and makes them anew
// from gateway.source_event. Time zones that were set stay. Throws what libpqxx throws.
void derive_read_models(const std::string& url);

} // namespace gateway::test
