// The main function of every test executable: doctest's own, after a look at whether the backend that the tests are to run
// on can be had. Where the system forbids io_uring they are skipped, which is exit code 77; never do they pass silently.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "events.hpp"

#include <weir.hpp>

#define main main_of_the_example
#define echo echo_of_the_example
#include "../../examples/custom_backend.cpp"
#undef echo
#undef main

#if defined(WEIR_WITH_LIBURING)
#include <weir/io/uring.hpp>
#endif

namespace tests {

weir::result<weir::owned<weir::io::backend>> make_events() {
    const char* const variable = std::getenv("WEIR_TEST_BACKEND");
    const std::string_view wish = variable ? variable : "";
    if (wish.empty()) return weir::io::make_backend();
    if (wish == "poll") return poll_backend::make();
#if defined(WEIR_WITH_LIBURING)
    if (wish == "io_uring-old")
        return weir::io::uring::make({.deferred_task_work = false,
                                      .cooperative_task_work = false,
                                      .submit_all = false,
                                      .skip_success = false});
    if (wish == "io_uring-completion-tiny")
        return weir::io::uring_completion::make({.submissions = 4,
                                                 .completions = 16,
                                                 .buffers = 4,
                                                 .buffer_bytes = 4000,
                                                 .send_bytes = 20'000,
                                                 .receive_bytes = 6000});
    if (wish == "io_uring-completion-old")
        return weir::io::uring_completion::make({.deferred_task_work = false,
                                                 .cooperative_task_work = false,
                                                 .submit_all = false,
                                                 .skip_success = false,
                                                 .multishot_receive = false,
                                                 .multishot_accept = false});
    if (wish == "io_uring-tiny") return weir::io::uring::make({.submissions = 4, .completions = 16});
#endif
    return weir::error(weir::errc::unsupported, "WEIR_TEST_BACKEND=" + std::string(wish));
}

} // namespace tests

int main(int count, char** arguments) {
    if (const auto made = tests::make_events(); !made) {
        std::printf("skipped: %s\n", made.error().message().c_str());
        return 77;
    }
    return doctest::Context(count, arguments).run();
}
