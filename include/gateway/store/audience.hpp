// Takes audiences out of the database: who fits a rule of gateway.audience and may be written to.
// What that is, and that each export is recorded, is decided in SQL (store/sql/report/audiences).
#pragma once

#include "gateway/base/result.hpp"
#include "gateway/store/query.hpp"

#include <string>

namespace gateway {

struct audience_request {
    std::string company_id;
    std::string name;    // of a row of report.audiences
    std::string channel; // "sms" or "email"
    std::string hash;    // "meta", "google" or "tiktok"; empty: the addresses themselves
    std::string subscription_type = "MARKETING";
};

// The rules: name, meaning, for which company. Fails with database_unavailable or database_failed.
result<query_table> list_audiences(const std::string& database_url);

// Those who may be written to now, with the proof of it, by address; hashed ones are the digest
// alone. Records the export. Fails with config_invalid when there is no such audience or channel,
// with database_failed while opt-outs that were acknowledged may be missing, or as above.
result<query_table> export_audience(const std::string& database_url,
                                    const audience_request& request);

} // namespace gateway
