// `rebuild`, `identity split` and `explain-identity`: read models by hand. All of them work beside
// the running daemon.
#include "gateway/store/read_models.hpp"
#include "app/commands/commands.hpp"
#include "app/console/exit_code.hpp"
#include "app/console/table.hpp"
#include "app/daemon/open_stores.hpp"

#include <cstdio>

namespace gateway {
namespace {

result<query_table> rebuild_as(const rebuild_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(options.database));
    rebuild_settings settings;
    settings.database_url = at.database.url;
    if (!options.model.empty())
        settings.models = {options.model};
    settings.progress = progress_lines("batches");
    return rebuild(settings);
}

result<query_table> split_as(const identity_split_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(options.database));
    return split_identity(at.database.url,
                          {options.company, options.subscriber, options.kind, options.undo});
}

result<query_table> explain_as(const explain_identity_options& options)
{
    BOOST_OUTCOME_TRY(const auto at, connect_to_current_schema(options.database));
    return explain_identity(at.database.url, options.company, options.subscriber);
}

int print(const result<query_table>& table)
{
    if (!table)
        return report_failure(table.error());
    std::fputs(to_text(table.value(), terminal_width()).c_str(), stdout);
    return exit_ok;
}

} // namespace

int run_rebuild(const rebuild_options& options)
{
    return print(rebuild_as(options));
}

int run_identity_split(const identity_split_options& options)
{
    return print(split_as(options));
}

int run_explain_identity(const explain_identity_options& options)
{
    const auto chain = explain_as(options);
    if (chain && chain.value().rows.empty()) {
        std::fprintf(stderr, "attentive-gateway: no subscriber %s of company %s is known\n",
                     to_string(options.subscriber).c_str(), options.company.c_str());
        return exit_failed;
    }
    const int code = print(chain);
    if (chain && chain.value().rows.size() == 1)
        std::printf("nothing joins this subscriber to another\n");
    return code;
}

} // namespace gateway
