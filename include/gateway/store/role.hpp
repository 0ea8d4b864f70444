// The roles that `migrate` makes (migration 0009), as far as commands need them.
#pragma once

namespace gateway {

// What a command needs its database user to be a member of.
enum class database_role {
    writer,   // gateway_writer: serve, and whatever works on what it stores
    reader,   // gateway_reader
    source,   // gateway_source
    privacy,  // gateway_privacy
    audience, // gateway_audience
    owner,    // whoever owns the schema, or, before there is one, the database
};

} // namespace gateway
