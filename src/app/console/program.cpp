#include "app/console/program.hpp"

#include "app/console/did_you_mean.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace gateway {
namespace {

// "spool status"; empty for the program itself.
std::string full_name(const CLI::App* app)
{
    if (app->get_parent() == nullptr)
        return {};
    const std::string before = full_name(app->get_parent());
    return before.empty() ? app->get_name() : before + " " + app->get_name();
}

// CLI11's help, but for usage lines of our own and options without the parser's rules, which the
// descriptions already say in words.
class help_formatter : public CLI::Formatter {
public:
    explicit help_formatter(std::string usage) : usage_(std::move(usage)) { column_width(24); }

    std::string make_usage(const CLI::App*, std::string name) const override
    {
        return "\nUsage:\n  " + name + " " + usage_ + "\n\n";
    }

    std::string make_positionals(const CLI::App*) const override { return {}; } // in the usage

    std::string make_group(std::string group, bool positional,
                           std::vector<const CLI::Option*> options) const override
    {
        return CLI::Formatter::make_group(group, positional, options).substr(1); // one line apart
    }

    std::string make_option_opts(const CLI::Option* option) const override
    {
        const std::string type = option->get_type_name();
        return option->get_type_size() == 0 ? "" : " " + type.substr(0, type.find(':'));
    }

private:
    std::string usage_; // what follows the name
};

void set_up_help(CLI::App& app, const std::string& usage, const std::string& footer)
{
    app.formatter(std::make_shared<help_formatter>(usage)); // shared: CLI11's own demand
    app.footer(footer);
}

constexpr const char* usage_of_groups = "SUBCOMMAND [OPTIONS]";

std::vector<const CLI::App*> subcommands_of(const CLI::App& app)
{
    return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> names_below(const CLI::App& app)
{
    std::vector<std::string> names;
    for (const CLI::App* sub : subcommands_of(app))
        names.push_back(sub->get_name());
    return names;
}

std::string guessed(const std::string& word, const std::vector<std::string>& known)
{
    const std::string guess = nearest(word, known);
    return guess.empty() ? "" : ", did you mean " + guess + "?";
}

std::string unknown_subcommand(const std::string& name, const CLI::App& app)
{
    return "unknown subcommand " + name + guessed(name, names_below(app));
}

std::string unknown_option(const std::string& word, const CLI::App& app)
{
    const std::string name = word.substr(0, word.find('='));
    std::vector<std::string> known;
    for (const CLI::Option* option : app.get_options()) {
        for (const auto& long_name : option->get_lnames())
            known.push_back("--" + long_name);
    }
    return "unknown option " + name + guessed(name, known);
}

// What is wrong, and where to read on. A word that means nothing goes before one that is missing:
// the one is often the other, mistyped.
std::string usage_error(const CLI::App* app, const CLI::Error& e)
{
    std::string name = app->get_name();
    std::string what = e.what();
    while (!app->get_subcommands().empty()) {
        app = app->get_subcommands().front();
        name += " " + app->get_name();
    }
    if (const auto extra = app->remaining(); !extra.empty()) {
        const std::string& first = extra.front();
        if (first.starts_with("-"))
            what = unknown_option(first, *app);
        else if (!subcommands_of(*app).empty())
            what = unknown_subcommand(first, *app);
        else
            what = "unexpected argument " + first;
    }
    return fmt::format("{0}: {1}\nSee {0} --help\n", name, what);
}

// By the name that the help gives the value, and the words to choose from: "MODEL:{a,b}".
void offer_value(const CLI::Option& declared, offered_option& offer)
{
    const std::string type = declared.get_type_name();
    const std::string name = type.substr(0, type.find(':'));
    const auto set = type.find('{');
    if (declared.get_items_expected_max() == 0)
        offer.value = value_kind::none;
    else if (name == "FILE" || name == "DIR")
        offer.value = name == "FILE" ? value_kind::file : value_kind::directory;
    else
        offer.value = set == std::string::npos ? value_kind::free : value_kind::words;
    if (offer.value == value_kind::words)
        offer.words = CLI::detail::split(type.substr(set + 1, type.find('}') - set - 1), ',');
}

void collect(const CLI::App& app, std::vector<offered_command>& into)
{
    offered_command c;
    c.name = full_name(&app);
    c.meaning = app.get_description();
    c.subcommands = names_below(app);
    for (const CLI::Option* declared : app.get_options()) {
        c.takes_file = c.takes_file || declared->get_name(true) == "FILE";
        for (const auto& name : declared->get_lnames()) {
            c.options.push_back({"--" + name, declared->get_description(), {}, {}});
            offer_value(*declared, c.options.back());
        }
    }
    into.push_back(std::move(c));
    for (const CLI::App* sub : subcommands_of(app))
        collect(*sub, into);
}

} // namespace

option option::required() const
{
    option_->required();
    return *this;
}

option option::excludes(const option& other) const
{
    option_->excludes(other.option_);
    return *this;
}

template <class T>
option option::between(T least, T most) const
{
    option_->check(CLI::Range(least, most));
    return *this;
}
template option option::between(std::uint64_t, std::uint64_t) const;
template option option::between(double, double) const;

option option::one_of(const std::vector<std::string>& words) const
{
    option_->check(CLI::IsMember(words));
    return *this;
}

option option::offers(const std::vector<std::string>& words) const
{
    option_->type_name(fmt::format("{}:{{{}}}", option_->get_type_name(), fmt::join(words, ",")));
    return *this;
}

std::string option::name() const
{
    return option_->get_name();
}

option option_list::below_heading(CLI::Option* declared) const
{
    return option{declared->group(heading_)};
}

option option_list::flag(const std::string& name, bool& value, const std::string& meaning)
{
    return below_heading(app_.add_flag(name, value, meaning));
}

template <class T>
option option_list::value(const std::string& name, T& value, const std::string& type,
                          const std::string& meaning)
{
    return below_heading(app_.add_option(name, value, meaning)->type_name(type));
}
template option option_list::value(const std::string&, std::string&, const std::string&,
                                   const std::string&);
template option option_list::value(const std::string&, std::filesystem::path&, const std::string&,
                                   const std::string&);
template option option_list::value(const std::string&, std::optional<std::filesystem::path>&,
                                   const std::string&, const std::string&);
template option option_list::value(const std::string&, std::uint64_t&, const std::string&,
                                   const std::string&);
template option option_list::value(const std::string&, double&, const std::string&,
                                   const std::string&);

option option_list::values(const std::string& name, std::vector<std::string>& values,
                           const std::string& type, const std::string& meaning, char delimiter)
{
    return below_heading(
        app_.add_option(name, values, meaning)->type_name(type)->delimiter(delimiter));
}

option option_list::taken(const std::string& name, std::function<bool(const std::string&)> take,
                          std::string expected, const std::string& type, const std::string& meaning)
{
    const auto checked = [take = std::move(take),
                          expected = std::move(expected)](const std::string& text) {
        if (!take(text))
            throw CLI::ValidationError{expected};
    };
    return below_heading(
        app_.add_option_function<std::string>(name, checked, meaning)->type_name(type));
}

void option_list::need_one_of(const std::vector<option>& choices)
{
    std::string names;
    for (std::size_t i = 0; i < choices.size(); ++i)
        names += (i == 0 ? "" : i + 1 < choices.size() ? ", " : " or ") + choices[i].name();
    app_.parse_complete_callback([this_app = &app_, choices, names] {
        const auto given = [&](const option& o) { return this_app->count(o.name()) > 0; };
        if (std::none_of(choices.begin(), choices.end(), given))
            throw CLI::RequiredError{names};
    });
}

void option_list::explain(const std::string& text)
{
    app_.footer(app_.get_footer() + text);
}

program::program(std::string name, const std::string& meaning, const std::string& version,
                 const std::string& overview)
    : app_(std::make_unique<CLI::App>(meaning, std::move(name)))
{
    set_up_help(*app_, usage_of_groups, overview);
    app_->failure_message(usage_error);
    app_->set_version_flag("--version", version, "Print the version");
    app_->set_help_flag("-h,--help", "Print this help");
    app_->require_subcommand(1);
}

program::~program() = default;

void program::add_group(const std::string& name, const std::string& summary)
{
    CLI::App& group = *app_->add_subcommand(name, summary)->require_subcommand(1);
    set_up_help(group, usage_of_groups,
                fmt::format("Read on: {} {} SUBCOMMAND --help\n", app_->get_name(), name));
}

option_list program::add(const command_text& text, std::function<void()> chosen)
{
    const auto blank = text.name.find(' ');
    const bool grouped = blank != std::string::npos;
    CLI::App* const above = grouped ? app_->get_subcommand(text.name.substr(0, blank)) : app_.get();
    CLI::App& added =
        *above->add_subcommand(grouped ? text.name.substr(blank + 1) : text.name, text.summary);
    set_up_help(added, text.usage, text.examples);
    added.callback(std::move(chosen));
    return {*this, added};
}

std::optional<bool> program::parse(int argc, const char* const* argv)
{
    try {
        app_->parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app_->exit(e) == 0;
    }
    return std::nullopt;
}

result<std::string> program::help(const std::vector<std::string>& words) const
{
    const CLI::App* about = app_.get();
    std::string name = about->get_name();
    for (const std::string& word : words) {
        const auto known = names_below(*about);
        if (std::find(known.begin(), known.end(), word) == known.end())
            return fail(errc::config_invalid, name + ": " + unknown_subcommand(word, *about));
        about = about->get_subcommand(word);
        name += " " + word;
    }
    return about->get_formatter()->make_help(about, name, CLI::AppFormatMode::Normal);
}

std::vector<offered_command> program::offered() const
{
    std::vector<offered_command> all;
    collect(*app_, all);
    return all;
}

} // namespace gateway
