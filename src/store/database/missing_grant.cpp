// A right can be missing in four ways: the user is no member of our role, or is one that does not
// inherit, or the role is not there, or the role itself was never granted what this version needs.
// Each has its own remedy, and the catalogue tells them apart.
#include "store/database/missing_grant.hpp"

#include <chrono>

namespace gateway {

namespace {

constexpr std::chrono::seconds catalogue_timeout{2};

const char* name_of(database_role role)
{
    switch (role) {
    case database_role::writer: return "gateway_writer";
    case database_role::reader: return "gateway_reader";
    case database_role::source: return "gateway_source";
    case database_role::privacy: return "gateway_privacy";
    case database_role::audience: return "gateway_audience";
    case database_role::owner: return "";
    }
    return "";
}

// What the catalogue knows of the user and the role. Everybody may read this.
constexpr const char* membership_query =
    "SELECT '\"' || replace(current_user, '\"', '\"\"') || '\"',"
    " coalesce(pg_has_role(current_user, to_regrole($1)::oid, 'MEMBER'), false),"
    " coalesce(pg_has_role(current_user, to_regrole($1)::oid, 'USAGE'), false),"
    " to_regrole($1) IS NOT NULL,"
    " '\"' || replace(pg_get_userbyid(coalesce("
    "(SELECT nspowner FROM pg_namespace WHERE nspname = 'gateway'),"
    " (SELECT datdba FROM pg_database WHERE datname = current_database()))), '\"', '\"\"') || '\"',"
    " current_setting('server_version_num')::int >= 160000"; // where it is each grant's own

std::string remedy_of(const pqxx::row& known, database_role needed)
{
    const auto user = known[0].as<std::string>();
    const auto owner = known[4].as<std::string>();
    const std::string role = name_of(needed);
    if (needed == database_role::owner)
        return "this takes the owner of the schema, " + owner +
               ": connect as that user, or run "
               "GRANT " +
               owner + " TO " + user + ";";
    if (!known[3].as<bool>())
        return "there is no role " + role + ": as an administrator run CREATE ROLE " + role +
               " NOLOGIN; then migrate as " + owner + ", then GRANT " + role + " TO " + user + ";";
    if (!known[1].as<bool>())
        return "as an administrator of the database run GRANT " + role + " TO " + user +
               "; for its user has not the rights that this takes";
    if (!known[2].as<bool>())
        return user + " is a member of " + role + " that does not inherit its rights: run " +
               (known[5].as<bool>() ? "GRANT " + role + " TO " + user + " WITH INHERIT TRUE;"
                                    : "ALTER ROLE " + user + " INHERIT;");
    return "role " + role + " has lost rights of its own: run `attentive-gateway migrate` as " +
           owner + ", which owns the schema and grants them again";
}

} // namespace

failure with_missing_grant(failure f, const std::string& database_url, database_role needed)
{
    if (f.sqlstate != "42501" || f.kind == failure_kind::refused) // not even let in
        return f;
    try {
        database db{{.url = database_url,
                     .application = "attentive-gateway rights",
                     .statement_timeout = catalogue_timeout,
                     .only_reads = true}};
        pqxx::nontransaction t{db.connection()};
        const std::string role = name_of(needed);
        f.message =
            remedy_of(t.exec_params(membership_query, role.empty() ? "none" : role)[0], needed);
    } catch (...) { // the user may not even ask: the role's name is better than nothing
        const std::string role =
            needed == database_role::owner ? "the schema's owner" : name_of(needed);
        f.message =
            "the database's user has not the rights that this takes: make it a member of " + role;
    }
    return f;
}

error to_error(const failure& f, const std::string& database_url, database_role needed)
{
    return to_error(with_missing_grant(f, database_url, needed));
}

} // namespace gateway
