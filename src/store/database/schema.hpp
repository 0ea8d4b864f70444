// Whether a database's schema is one that this program can use. The writer asks at each connect: a
// schema that is too old or too new is an outage like any other, which the spool bridges and a
// migration ends.
#pragma once

#include <pqxx/pqxx>

namespace gateway {

// One row for refuse_unfit(): whether there is a history to read.
extern const char* const history_exists_query;

// The history itself, as refuse_unfit() reads it. Any member of gateway_writer may ask.
extern const char* const history_query;

// Throws unfit_schema, saying what to do, unless the history is this program's, or one that goes on
// from it with migrations that this program can serve beneath.
void refuse_unfit(const pqxx::result& history);

// All three in one, for whoever needs no deadline.
void expect_schema(pqxx::connection& connection);

} // namespace gateway
