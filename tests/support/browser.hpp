// A real headless Chromium, driven through chromedriver by the W3C WebDriver protocol: what a test
// reads is what a person would see. Ends with the object; its profile lies in a directory of its
// own.
#pragma once

#include "support/process.hpp"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gateway::test {

// Whether chromium and chromedriver are installed.
bool has_browser();

// Not thread-safe. Throws std::runtime_error, with what chromedriver says, when a command fails.
class browser {
public:
    browser();
    ~browser();
    browser(const browser&) = delete;
    browser& operator=(const browser&) = delete;

    void open(const std::string& url);

    // What the function body `script` returns.
    nlohmann::json run(const std::string& script);

    // The text of the first element that `css` finds, as it is rendered; empty when there is none.
    std::string text(const std::string& css);

    // The cells of a table's body, row by row, white space as one blank.
    std::vector<std::vector<std::string>> table(const std::string& css);

    // Until `script` returns true.
    bool wait_for(const std::string& script,
                  std::chrono::milliseconds time = std::chrono::seconds{60});

    // Keys to whatever has the focus; WebDriver's code points for special ones: "\uE004" is Tab.
    void press(const std::string& keys);

    // A width of 500 or less counts as a phone. `scheme` is "light" or "dark".
    void show_as(int width, const std::string& scheme);

    // Of the whole page, as PNG.
    void screenshot(const std::filesystem::path& file);

    // What stands in the browser's console since the last call: errors, refusals of the
    // Content-Security-Policy, failed requests.
    std::vector<std::string> console();

private:
    nlohmann::json call(const std::string& method, const std::string& path,
                        const nlohmann::json& body);
    nlohmann::json devtools(const std::string& command, const nlohmann::json& parameters);

    temporary_directory directory_;
    std::unique_ptr<process> driver_;
    std::string base_;
    std::string session_;
};

} // namespace gateway::test
