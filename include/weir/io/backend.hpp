// What a loop needs of a source of events: the seam between weir and epoll, io_uring, poll, or a simulation.
//
// A backend makes streams and acceptors, waits for something to happen to them, and tells their observers. One that is
// told which descriptors are ready derives from `socket_backend` (io/socket_backend.hpp), gets streams and acceptors from
// there, and is done in a hundred lines: examples/custom_backend.cpp. `loop(std::move(backend))` runs on it, and so do
// `weir::run` and `server::run`, which take a function that makes one (io/backend_choice.hpp).
//
// What a backend owes; tests/io/ holds every backend to it:
//
//   threads    Everything happens on the thread that first waits, but making it, and what is set up before that: those
//              may be another's, which is done by then. Only `wake` may be called from other threads, and from signal
//              handlers: it takes no lock and keeps errno.
//   wake       Every `wake` ends the wait that is under way or, if there is none, the next one; several may count as one.
//   telling    Observers are told from `dispatch` and nowhere else: never from `wait`, and never from within an operation
//              of a stream or an acceptor. A `blocked` is a debt: it is paid by telling once, when trying again makes
//              sense. What happens before the `blocked`, or while nobody observes, is not lost by that: the next try
//              finds it. To tell without need is no fault, to tell for ever without need is one.
//   ends       That the peer has ended or broken a stream is told unasked, so that who does not read hears of it.
//   destroying Streams and acceptors may be destroyed, closed and reset at any time on the loop's thread: with operations
//              in flight, from within `dispatch`, from within the telling of another one, with events found that
//              `dispatch` has yet to tell. They are told nothing after that, and neither is whoever gets their memory or
//              their descriptor next. A closed socket is closed for the world when the call returns: its port is free
//              and its peer told. Nothing that the kernel may still write to is freed before it has written the last time.
//   memory     Leases come from `blocks()`; a stream that waits owns none. The backend outlives its streams and acceptors.
//   errors     Peers and the system are values. The functions that are noexcept neither throw nor give up: a wait that
//              a signal interrupts, or that fails, just ends.
//   clock      `now` never goes back and advances while `wait` waits. A wait that ends for its timeout's sake ends no
//              earlier than that: rounded up to the clock's grain.
//
// Streams and acceptors say in io/stream.hpp and io/acceptor.hpp what each of their operations owes. Addresses are the
// bytes of a socket address, which a backend passes on or compares but need not understand.
#pragma once

#include <weir/core/owned.hpp>
#include <weir/core/result.hpp>
#include <weir/coro/duration.hpp>
#include <weir/io/acceptor.hpp>
#include <weir/io/stream.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0::io {

class lone_turns; // io/lone_turns.hpp

// How `backend::take_lone_turns` came to its end: the last event has been told, and the rest of its turn is owed; or the last
// wait has found more than one event, or none.
enum class lone_end : unsigned char { told, found, nothing };

// Trivially copyable.
struct listen_options {
    int backlog = 1024;          // connections that the kernel queues until they are accepted
    bool reuse_port = false;     // several loops, or programs, share one port and the kernel spreads connections
    bool only_ipv6 = false;      // an IPv6 address does not serve IPv4 as well
};

class backend {
public:
    static constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

    backend() noexcept = default;
    backend(const backend&) = delete;
    backend& operator=(const backend&) = delete;
    virtual ~backend() = default;

    // "epoll", "io_uring", "memory". Of static duration.
    virtual std::string_view name() const noexcept = 0;

    // Why it was this one: "automatic", "asked for by WEIR_BACKEND". Empty when nobody chose.
    std::string_view reason() const noexcept { return x_reason; }
    void set_reason(std::string why) { x_reason = std::move(why); }

    // Starts connecting to `address`. The stream's `connected()` is `blocked` until that has come to an end.
    virtual result<owned<stream>> connect(bytes_view address) = 0;

    // Listens on `address`.
    virtual result<owned<acceptor>> listen(bytes_view address, const listen_options& options) = 0;

    // Takes over a connected socket, or a socket that listens already. The descriptor is closed with the object, and
    // also when this fails.
    virtual result<owned<stream>> adopt_stream(int descriptor) = 0;
    virtual result<owned<acceptor>> adopt_acceptor(int descriptor) = 0;

    // Waits until something has happened, somebody called `wake`, or `timeout` has passed; not at all if it is zero.
    // False when there is nothing to tell and nobody woke it. What an earlier wait has found and `dispatch` has not told
    // yet is not lost by waiting again: that wait is over at once.
    virtual bool wait(std::chrono::nanoseconds timeout) noexcept = 0;

    // Tells observers of some of what `wait` has found: a few, so that what one stream has received can be used up
    // while it is warm, before the next one receives. True when there is more to tell.
    [[nodiscard]] virtual bool dispatch() noexcept = 0;

    // Whether the last `wait` has found one event and no more: then what is answered to it can leave at once, since there is
    // nothing to gather. A backend that does not say so is as right.
    bool found_one() const noexcept { return x_found_one; }

    // Waits and tells, turn after turn, as long as each has one event and `of` may go on. `most` bounds each wait. For backends
    // that say so (`x_takes_lone_turns`); done by `lone_turns::take`.
    virtual lone_end take_lone_turns(lone_turns& of, std::chrono::nanoseconds most) noexcept {
        (void)of;
        return wait(most) ? lone_end::found : lone_end::nothing;
    }
    bool takes_lone_turns() const noexcept { return x_takes_lone_turns; }

    // Ends a `wait` that is under way, or the next one. From any thread; async-signal-safe.
    virtual void wake() noexcept = 0;

    // Time since an arbitrary start, never going back.
    virtual std::chrono::nanoseconds now() noexcept = 0;

    // Whether time passes only while it waits, so that looking again and again would never end.
    virtual bool is_simulated() const noexcept { return false; }

    // A descriptor that is readable, from now on, when `wait` would not have to wait; -1 where there is none.
    virtual int descriptor() noexcept { return -1; }

    // Names that are this backend's own, as in a simulation with hosts of its own. True: it decides about them, and
    // `address` is what `name` stands for, as the bytes of a socket address whose port means nothing; empty: there is
    // no such name. Valid until the loop's next turn. False: names are the system's business.
    virtual bool look_up([[maybe_unused]] std::string_view name, [[maybe_unused]] bytes_view& address) noexcept {
        return false;
    }

    // The pool that leases come from. The loop lends it to the streams' users for buffers of their own.
    block_pool& blocks() noexcept { return x_blocks; }

protected:
    bool x_found_one = false;
    bool x_takes_lone_turns = false;

private:
    block_pool x_blocks;
    std::string x_reason;
};

} // namespace weir::inline v0::io
