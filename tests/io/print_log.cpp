// What the hook prints, on stdout, and what not.
#include <weir/io/print_log.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include <unistd.h>

using namespace weir;

namespace {

// What the process writes to stdout during `work`, as another process would see it then: without a flush of ours.
template <class Work>
std::string stdout_of(Work work) {
    std::fflush(stdout);
    char name[] = "/tmp/weir-test-XXXXXX";
    const int file = ::mkstemp(name);
    ::unlink(name);
    const int before = ::dup(1);
    ::dup2(file, 1);
    work();
    char text[4096];
    const ssize_t size = ::pread(file, text, sizeof text, 0);
    std::fflush(stdout);
    ::dup2(before, 1);
    ::close(before);
    ::close(file);
    return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
}

} // namespace

TEST_CASE("print_log: a line an event, with where and why as far as they are known") {
    CHECK(print_log);
    CHECK(stdout_of([] { print_log({log_level::info, "listening"}); }) == "weir: listening\n");
    CHECK(stdout_of([] { print_log({log_level::error, "a handler threw: no", "/echo, 192.0.2.1:5"}); }) ==
          "weir: a handler threw: no [/echo, 192.0.2.1:5]\n");
    CHECK(stdout_of([] { print_log({log_level::warning, "refused", "/echo", errc::origin_refused, 7}); }) ==
          "weir: refused [/echo]: origin not allowed\n");
    CHECK(stdout_of([] { print_log({log_level::warning, "accepting pauses", {}, errc::closed}); }) ==
          "weir: accepting pauses: closed\n");
}

TEST_CASE("print_log: every connection that opens and closes is too much") {
    CHECK(stdout_of([] { print_log({log_level::debug, "connection open"}); }) == "");
    CHECK(stdout_of([] {
              print_log({log_level::info, "one"});
              print_log({log_level::debug, "two"});
              print_log({log_level::info, "three"});
          }) == "weir: one\nweir: three\n");
}

TEST_CASE("without a hook there is silence") {
    CHECK(stdout_of([] {
              const log_hook none;
              CHECK(!none);
              none({log_level::error, "nobody hears it"});
          }) == "");
}
