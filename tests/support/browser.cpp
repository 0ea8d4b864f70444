// The protocol: https://www.w3.org/TR/webdriver2/, and chromedriver's own extensions below
// /goog/cdp and /se/log.
#include "support/browser.hpp"

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include <csignal>
#include <fstream>
#include <regex>
#include <stdexcept>
#include <thread>

namespace gateway::test {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::chrono::seconds start_timeout{60};

json capabilities(const std::filesystem::path& profile)
{
    json arguments = {"--headless=new",
                      "--no-sandbox",
                      "--disable-gpu",
                      "--no-first-run",
                      "--disable-dev-shm-usage",
                      "--window-size=1300,1000",
                      "--lang=en-US",
                      "--user-data-dir=" + profile.string()};
    return {{"capabilities",
             {{"alwaysMatch",
               {{"browserName", "chrome"},
                {"goog:loggingPrefs", {{"browser", "ALL"}}},
                {"goog:chromeOptions", {{"args", arguments}}}}}}}};
}

// Bytes of base64 without line breaks.
std::string decoded(const std::string& text)
{
    std::string out(text.size() / 4 * 3, '\0');
    EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                    reinterpret_cast<const unsigned char*>(text.data()),
                    static_cast<int>(text.size()));
    return out.substr(0, out.size() - (text.size() - text.find_last_not_of('=') - 1));
}

} // namespace

bool has_browser()
{
    return test::run({"sh", "-c", "command -v chromium && command -v chromedriver"}).exit_code == 0;
}

browser::browser()
{
    // Zone and language of the tests' reader; LANGUAGE would win over --lang.
    const process_options environment{"",
                                      {"TZ=UTC", "LANGUAGE=en_US",
                                       "HOME=" + directory_.path().string(),
                                       "TMPDIR=" + directory_.path().string()}};
    driver_ = std::make_unique<process>(std::vector<std::string>{"chromedriver", "--port=0"},
                                        environment);
    if (!driver_->wait_for_output("started successfully on port", start_timeout))
        throw std::runtime_error{"chromedriver does not start: " + driver_->errors()};
    const std::string said = driver_->output();
    std::smatch port;
    if (!std::regex_search(said, port, std::regex{"successfully on port ([0-9]+)"}))
        throw std::runtime_error{"chromedriver names no port: " + said};
    base_ = "http://127.0.0.1:" + port[1].str() + "/session";
    session_ =
        "/" +
        call("POST", "", capabilities(directory_ / "profile")).at("sessionId").get<std::string>();
}

browser::~browser()
{
    try {
        call("DELETE", session_, nullptr);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "the browser did not end: %s\n", e.what());
    }
    driver_->signal(SIGTERM);
    driver_->wait(std::chrono::seconds{10});
}

json browser::call(const std::string& method, const std::string& path, const json& body)
{
    std::vector<std::string> words = {"curl", "-sS", "-m", "120", "-X", method, base_ + path};
    if (method == "POST")
        words.insert(words.end(), {"-H", "Content-Type: application/json", "--data-binary", "@-"});
    const auto said = test::run(words, {body.dump(), {}}, std::chrono::seconds{130});
    const json answer = json::parse(said.output, nullptr, false);
    if (!answer.is_object() || !answer.contains("value"))
        throw std::runtime_error{method + path + ": " + said.errors + said.output};
    const json& value = answer["value"];
    if (value.is_object() && value.contains("error"))
        throw std::runtime_error{method + path + ": " + value.dump()};
    return value;
}

json browser::devtools(const std::string& command, const json& parameters)
{
    return call("POST", session_ + "/goog/cdp/execute", {{"cmd", command}, {"params", parameters}});
}

void browser::open(const std::string& url)
{
    call("POST", session_ + "/url", {{"url", url}});
}

json browser::run(const std::string& script)
{
    return call("POST", session_ + "/execute/sync", {{"script", script}, {"args", json::array()}});
}

std::string browser::text(const std::string& css)
{
    return run("const e = document.querySelector(" + json(css).dump() +
               "); return e ? e.innerText.replace(/\\s+/g, ' ').trim() : ''")
        .get<std::string>();
}

std::vector<std::vector<std::string>> browser::table(const std::string& css)
{
    return run("return [...document.querySelectorAll(" + json(css + " tbody tr").dump() +
               ")].map((r) => [...r.cells].map("
               "(c) => c.innerText.replace(/\\s+/g, ' ').trim()))")
        .get<std::vector<std::vector<std::string>>>();
}

bool browser::wait_for(const std::string& script, std::chrono::milliseconds time)
{
    const auto deadline = steady_clock::now() + time;
    while (steady_clock::now() < deadline) {
        if (run(script) == true)
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds{200});
    }
    return false;
}

void browser::press(const std::string& keys)
{
    json actions = json::array();
    actions.push_back({{"type", "keyDown"}, {"value", keys}});
    actions.push_back({{"type", "keyUp"}, {"value", keys}});
    const json keyboard = {{"type", "key"}, {"id", "keyboard"}, {"actions", actions}};
    call("POST", session_ + "/actions", {{"actions", json::array({keyboard})}});
}

void browser::show_as(int width, const std::string& scheme)
{
    const json preference = {{"name", "prefers-color-scheme"}, {"value", scheme}};
    devtools("Emulation.setEmulatedMedia", {{"features", json::array({preference})}});
    devtools(
        "Emulation.setDeviceMetricsOverride",
        {{"width", width}, {"height", 900}, {"deviceScaleFactor", 1}, {"mobile", width <= 500}});
}

void browser::screenshot(const std::filesystem::path& file)
{
    const json size = run("return [innerWidth, document.documentElement.scrollHeight]");
    const json clip = {{"x", 0}, {"y", 0}, {"width", size[0]}, {"height", size[1]}, {"scale", 1}};
    const json shot =
        devtools("Page.captureScreenshot", {{"captureBeyondViewport", true}, {"clip", clip}});
    std::ofstream{file, std::ios::binary} << decoded(shot.at("data").get<std::string>());
}

std::vector<std::string> browser::console()
{
    std::vector<std::string> lines;
    for (const auto& entry : call("POST", session_ + "/se/log", {{"type", "browser"}}))
        lines.push_back(entry.at("message").get<std::string>());
    return lines;
}

} // namespace gateway::test
