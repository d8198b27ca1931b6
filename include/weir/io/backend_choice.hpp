// Which source of events a loop uses, decided while the program runs.
//
//     weir::run(talk(), {.backend = weir::backend_kind::epoll});       // that, or an error that says why not
//     server.run({.port = 9001, .backend = my_backend::make});         // one of the program's own
//
// io_uring is there for programs that include <weir/io/uring.hpp>, in one of their files, and link liburing. `automatic` is
// then io_uring where the system lets us, and epoll otherwise; the loop says which and why (`loop::backend_name`,
// `loop::backend_reason`). The environment variable WEIR_BACKEND, "epoll", "io_uring" or "io_uring-completion", takes the place of
// `automatic`; what it asks for and cannot be had is an error too, never silently the other one.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/io/epoll.hpp>

#include <cstdlib>

namespace weir::inline v0 {

enum class backend_kind : unsigned char {
    automatic, // the best that this program and this system have
    epoll,
    io_uring,
    io_uring_completion, // its other mode: the kernel receives and sends by itself (io/uring_completion.hpp)
};

// A kind, or a function that makes a backend. Trivially copyable.
class backend_choice {
public:
    using maker = result<owned<io::backend>> (*)();

    constexpr backend_choice(backend_kind kind = backend_kind::automatic) noexcept : x_kind(kind) {}
    template <std::convertible_to<maker> Own> // a lambda without captures, too
    constexpr backend_choice(Own own) noexcept : x_make(own) {}

    constexpr backend_kind kind() const noexcept { return x_kind; }
    constexpr maker make() const noexcept { return x_make; } // null: by kind

private:
    backend_kind x_kind = backend_kind::automatic;
    maker x_make = nullptr;
};
static_assert(__is_trivially_copyable(backend_choice));

namespace detail {

// What makes io_uring's backend: set, before main, by the units that include its header. `insists`: not only where the
// kernel's is good enough to be better than epoll.
using uring_maker_function = result<owned<io::backend>> (*)(bool insists);
inline atomic<uring_maker_function> uring_maker{nullptr};
inline atomic<backend_choice::maker> uring_completion_maker{nullptr};

[[gnu::cold]] inline result<owned<io::backend>> explained(result<owned<io::backend>>&& made, std::string_view why) {
    if (made) {
        (*made)->set_reason(std::string(why));
        return std::move(made);
    }
    return error(made.error().code(), concat({why, made.error().context().empty() ? "" : ": ", made.error().context()}));
}

[[gnu::cold]] inline result<owned<io::backend>> make_uring(backend_kind kind) {
    if (kind == backend_kind::io_uring_completion) {
        if (const backend_choice::maker make = uring_completion_maker.load()) return make();
    } else if (const uring_maker_function make = uring_maker.load()) {
        return make(kind == backend_kind::io_uring);
    }
    return error(errc::unsupported, "io_uring: no file of this program includes <weir/io/uring.hpp>, or defines "
                                    "WEIR_WITH_LIBURING before the single header");
}

} // namespace detail

namespace io {

// The backend that was chosen, or why there is none.
[[gnu::cold]] inline result<owned<backend>> make_backend(backend_choice choice = {}) {
    if (choice.make()) return weir::detail::explained(choice.make()(), "the program's own backend");
    backend_kind kind = choice.kind();
    std::string_view asked = "asked for by the program";
    const char* const variable = std::getenv("WEIR_BACKEND");
    if (kind == backend_kind::automatic && variable && *variable) {
        const std::string_view wish = variable;
        asked = "asked for by WEIR_BACKEND";
        if (wish == "epoll")
            kind = backend_kind::epoll;
        else if (wish == "io_uring")
            kind = backend_kind::io_uring;
        else if (wish == "io_uring-completion")
            kind = backend_kind::io_uring_completion;
        else if (wish != "automatic")
            return error(errc::unsupported,
                concat({"WEIR_BACKEND=", wish, ": neither epoll nor io_uring nor io_uring-completion nor automatic"}));
    }
    if (kind == backend_kind::epoll) return weir::detail::explained(epoll::make(), asked);
    if (kind != backend_kind::automatic) return weir::detail::explained(weir::detail::make_uring(kind), asked);
    if (!weir::detail::uring_maker.load()) return weir::detail::explained(epoll::make(), "automatic");
    result<owned<backend>> best = weir::detail::make_uring(kind);
    if (best) return weir::detail::explained(std::move(best), "automatic");
    return weir::detail::explained(epoll::make(), concat({"automatic, since ", best.error().message()}));
}

} // namespace io

} // namespace weir::inline v0
