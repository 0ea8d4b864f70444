// See run_binary.hpp. Files stand in for pipes, so that neither side can wait for the other.
#include "support/run_binary.hpp"

#include <cstdio>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace gateway {
namespace {

std::string content_of(std::FILE* file)
{
    std::string out;
    std::rewind(file);
    char chunk[4096];
    for (std::size_t n = 0; (n = std::fread(chunk, 1, sizeof chunk, file)) > 0;)
        out.append(chunk, n);
    std::fclose(file);
    return out;
}

} // namespace

run_outcome run_binary(const std::string& binary, const std::vector<std::string>& arguments,
                       const std::string& input)
{
    std::FILE* const in = std::tmpfile();
    std::FILE* const out = std::tmpfile();
    std::FILE* const err = std::tmpfile();
    if (in == nullptr || out == nullptr || err == nullptr)
        throw std::runtime_error{"no temporary file"};
    std::fwrite(input.data(), 1, input.size(), in);
    std::rewind(in);
    std::vector<std::string> words = arguments;
    words.insert(words.begin(), binary);
    std::vector<char*> argv;
    for (std::string& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(::fileno(in), STDIN_FILENO);
        ::dup2(::fileno(out), STDOUT_FILENO);
        ::dup2(::fileno(err), STDERR_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    std::fclose(in);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(out), content_of(err)};
}

} // namespace gateway
