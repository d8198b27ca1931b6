// Another source of events for weir: poll(2), which every Unix has. An echo server runs on it; the first argument is the
// port.
//
// What a backend owes is written in weir/io/backend.hpp. One that only learns which sockets are ready derives from
// `socket_backend`, which brings connecting, listening, receiving and sending; six functions are left to write. This one
// is for loops with few sockets: each wait hands all of them to the kernel.
#include <weir.hpp>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>

class poll_backend final : public weir::io::socket_backend {
public:
    // What `weir::run` and `server::run` call.
    static weir::result<weir::owned<weir::io::backend>> make() {
        weir::owned<poll_backend> made(new poll_backend);
        if (!made->x_wake) return weir::io::last_error();
        return weir::owned<weir::io::backend>(std::move(made));
    }

    std::string_view name() const noexcept override { return "poll"; }

    // The descriptor at `which.mark` is from now on watched for `which`.
    std::error_code watch(weir::io::watched& which) noexcept override {
        which.mark = static_cast<std::uint32_t>(x_watched.size());
        x_watched.push_back({&which, false});
        x_polled.push_back({which.number(), 0, 0});
        return {};
    }

    // Its place stays until the next wait, since `dispatch` may be walking along.
    void unwatch(weir::io::watched& which) noexcept override {
        x_watched[which.mark].who = nullptr;
        x_polled[which.mark] = {-1, 0, 0};
    }

    bool wait(std::chrono::nanoseconds timeout) noexcept override {
        if (x_next < x_watched.size() && x_found) return true; // `dispatch` has not come to its end
        drop_unwatched();
        for (std::size_t i = 1; i < x_watched.size(); ++i) { // poll says what is, so ask only for what would be news
            const weir::io::watched::interest wants = x_watched[i].who->wants();
            x_polled[i].fd = x_watched[i].broken ? -1 : x_watched[i].who->number();
            x_polled[i].events = static_cast<short>((wants.readable ? POLLIN : 0) | (wants.writable ? POLLOUT : 0) |
                                                    (wants.end ? POLLRDHUP : 0));
            x_polled[i].revents = 0;
        }
        timespec most{};
        if (timeout != forever) {
            const auto seconds = std::chrono::floor<std::chrono::seconds>(timeout);
            most = {seconds.count(), (timeout - seconds).count()};
        }
        const int found = ::ppoll(x_polled.data(), x_polled.size(), timeout == forever ? nullptr : &most, nullptr);
        if (found < 0) // a signal: what poll has not looked at has not happened
            for (pollfd& each : x_polled) each.revents = 0;
        x_next = 1;
        x_found = found > 0;
        if (x_polled[0].revents == 0) return x_found;
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t ignored = ::read(x_wake.get(), &count, sizeof count);
        return true;
    }

    bool dispatch() noexcept override {
        for (int told = 0; x_next < x_watched.size(); ++x_next) {
            const auto what = std::exchange(x_polled[x_next].revents, short{0});
            if (what == 0) continue; // nothing, or unwatched meanwhile
            if (++told > 4) {        // as many as there are warm buffers: the loop first runs who was told
                x_polled[x_next].revents = what;
                return true;
            }
            x_watched[x_next].broken = what & (POLLHUP | POLLERR | POLLNVAL); // told once
            x_watched[x_next].who->on_ready(static_cast<unsigned>(what));
        }
        x_found = false;
        return false;
    }

    void wake() noexcept override { // from any thread or signal handler
        const std::uint64_t one = 1;
        const int saved = errno;
        [[maybe_unused]] const ssize_t ignored = ::write(x_wake.get(), &one, sizeof one);
        errno = saved;
    }

private:
    struct entry {
        weir::io::watched* who; // null: not watched any more, or the eventfd
        bool broken;            // told that it is; poll would say so for ever
    };

    poll_backend() : x_wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        x_watched.push_back({nullptr, false});
        x_polled.push_back({x_wake.get(), POLLIN, 0});
    }

    void drop_unwatched() noexcept {
        for (std::size_t i = 1; i < x_watched.size();) {
            if (x_watched[i].who) {
                ++i;
                continue;
            }
            x_watched[i] = x_watched.back();
            x_watched.pop_back();
            x_polled.pop_back();
            if (i < x_watched.size() && x_watched[i].who) x_watched[i].who->mark = static_cast<std::uint32_t>(i);
        }
    }

    weir::io::unique_descriptor x_wake;
    std::vector<entry> x_watched; // by position in what is polled; the eventfd comes first
    std::vector<pollfd> x_polled;
    std::size_t x_next = 1; // where `dispatch` goes on
    bool x_found = false;   // that the last wait has found something
};

weir::task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

int main(int argc, char** argv) {
    weir::server server;
    server.websocket("/echo", echo);
    return server.run({.port = argc > 1 ? std::atoi(argv[1]) : 9001, .backend = poll_backend::make, .log = weir::print_log});
}
