// Which backend a program gets: what it asks for, what WEIR_BACKEND asks for, and what the system has.
#include <weir/io/backend_choice.hpp>
#include <weir/io/memory.hpp>
#include <weir/io/run.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace weir;

namespace {

// WEIR_BACKEND, and what makes io_uring's backend in its two modes, as they are to be, and at the end as they were.
struct world {
    explicit world(const char* variable, detail::uring_maker_function uring, backend_choice::maker completing = nullptr)
        : had_maker(detail::uring_maker.exchange(uring)), had_completing(detail::uring_completion_maker.exchange(completing)) {
        if (const char* had = std::getenv("WEIR_BACKEND")) had_variable = had;
        if (variable)
            ::setenv("WEIR_BACKEND", variable, 1);
        else
            ::unsetenv("WEIR_BACKEND");
    }
    ~world() {
        detail::uring_maker.store(had_maker);
        detail::uring_completion_maker.store(had_completing);
        if (had_variable)
            ::setenv("WEIR_BACKEND", had_variable->c_str(), 1);
        else
            ::unsetenv("WEIR_BACKEND");
    }
    detail::uring_maker_function had_maker;
    backend_choice::maker had_completing;
    std::optional<std::string> had_variable;
};

// Stands in for io_uring.
result<owned<io::backend>> another(bool) { return owned<io::backend>(make_owned<io::memory>()); }
result<owned<io::backend>> too_old(bool insists) {
    if (insists) return another(true);
    return error(errc::unsupported, "io_uring (too old for a test)");
}
result<owned<io::backend>> forbidden(bool) {
    return error(std::make_error_code(std::errc::operation_not_permitted), "io_uring (forbidden by a test)");
}

result<owned<io::backend>> own() { return another(true); }
result<owned<io::backend>> own_that_fails() { return forbidden(true); }

std::string chosen(backend_choice choice = {}) {
    const auto made = io::make_backend(choice);
    if (!made) return "error: " + made.error().message();
    return std::string((*made)->name()) + ": " + std::string((*made)->reason());
}

task<> end_at_once() { co_return; }

} // namespace

TEST_CASE("backend_choice: automatic is io_uring where it can be had, else epoll, and says why") {
    {
        const world here(nullptr, another);
        CHECK(chosen() == "memory: automatic");
    }
    {
        const world here(nullptr, forbidden);
        CHECK(chosen() == "epoll: automatic, since io_uring (forbidden by a test): Operation not permitted");
    }
    {
        const world here(nullptr, too_old);
        CHECK(chosen().starts_with("epoll: automatic, since io_uring (too old for a test): "));
        CHECK(chosen(backend_kind::io_uring) == "memory: asked for by the program");
    }
    {
        const world here(nullptr, nullptr);
        CHECK(chosen() == "epoll: automatic");
    }
}

TEST_CASE("backend_choice: io_uring's completion mode is had by those who ask for it, and never replaced by the other mode") {
    {
        const world here(nullptr, forbidden, own);
        CHECK(chosen(backend_kind::io_uring_completion) == "memory: asked for by the program");
        CHECK(chosen().starts_with("epoll: automatic, since"));
    }
    {
        const world here("io_uring-completion", forbidden, own);
        CHECK(chosen() == "memory: asked for by WEIR_BACKEND");
        CHECK(chosen(backend_kind::epoll) == "epoll: asked for by the program");
    }
    {
        const world here("io_uring-completion", another, own_that_fails);
        CHECK(chosen() == "error: asked for by WEIR_BACKEND: io_uring (forbidden by a test): Operation not permitted");
    }
    {
        const world here("io_uring-completion", another);
        CHECK(chosen().starts_with("error: asked for by WEIR_BACKEND: io_uring: no file of this program includes"));
    }
}

TEST_CASE("backend_choice: WEIR_BACKEND takes the place of automatic, and of nothing else") {
    {
        const world here("epoll", another);
        CHECK(chosen() == "epoll: asked for by WEIR_BACKEND");
        CHECK(chosen(backend_kind::io_uring) == "memory: asked for by the program");
    }
    {
        const world here("io_uring", another);
        CHECK(chosen() == "memory: asked for by WEIR_BACKEND");
        CHECK(chosen(backend_kind::epoll) == "epoll: asked for by the program");
        CHECK(chosen(own) == "memory: the program's own backend");
    }
    {
        const world here("", another);
        CHECK(chosen() == "memory: automatic");
    }
    {
        const world here("automatic", another);
        CHECK(chosen() == "memory: automatic");
    }
    {
        const world here("kqueue", another);
        CHECK(chosen().starts_with("error: WEIR_BACKEND=kqueue: neither epoll nor io_uring nor io_uring-completion nor automatic: "));
    }
}

TEST_CASE("backend_choice: what was asked for and cannot be had is an error, not another backend") {
    {
        const world here("io_uring", forbidden);
        CHECK(chosen() == "error: asked for by WEIR_BACKEND: io_uring (forbidden by a test): Operation not permitted");
        CHECK(run(end_at_once()) == 1);
    }
    {
        const world here(nullptr, nullptr);
        CHECK(chosen(backend_kind::io_uring).find("no file of this program includes <weir/io/uring.hpp>") != std::string::npos);
        CHECK(run(end_at_once(), {.backend = backend_kind::io_uring}) == 1);
        CHECK(run(end_at_once(), {.backend = own_that_fails}) == 1);
        CHECK(run(end_at_once(), {.backend = own}) == 0);
        CHECK(run(end_at_once(), {.backend = [] { return own(); }}) == 0);
    }
}
