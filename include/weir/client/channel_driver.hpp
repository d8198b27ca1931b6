// Chooses what carries a client's session: the best transport that works, a better one as soon as there is one, and the next when
// one breaks early or falls silent.
//
// One coroutine; at any time at most one lane carries and at most one more is tried. They are made and destroyed here and
// nowhere else. What is tried has to begin in time; when nothing does, the next round waits, longer each time, half of
// it by chance. Ends when the session is over. Loop thread only.
#pragma once

#include <weir/client/http_lane.hpp>
#include <weir/client/websocket_lane.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class channel_driver {
public:
    explicit channel_driver(conversation<Tag>& of) noexcept : x_of(of) {}

    // Whether it has ended, or given up opening; why it could not open.
    bool is_done() const noexcept { return x_done.is_set(); }
    event& done() noexcept { return x_done; }
    error& failure() noexcept { return x_failure; }

    // Set once the session is open, or `done`.
    event& settled() noexcept { return x_settled; }

    void start() { x_work.spawn(drive()); }

private:
    static constexpr std::chrono::nanoseconds early = std::chrono::seconds(5); // who breaks sooner breaks early
    static constexpr unsigned most_patience = 16;

    task<> drive() {
        while (!x_of.is_over()) {
            x_of.changed().reset();
            if (x_lane && x_lane->is_over()) {
                note_loss();
                co_await pause(x_of.backoff(x_failures));
            } else if (!x_lane) {
                co_await try_from(x_first, x_of.transports().size());
                if (x_lane || x_of.is_over()) continue;
                if (!x_of.is_named() && !x_of.options().insist) break;
                x_first = 0;
                co_await pause(x_of.backoff(x_failures++));
            } else {
                const bool is_best = x_lane->place() == 0;
                const result<> told = co_await x_of.changed().wait().within(is_best ? io::loop::forever : probe());
                if (told || told.error() != errc::timed_out) continue;
                co_await try_from(0, x_lane->place());
                x_patience = x_patience * 2 < most_patience ? x_patience * 2 : most_patience;
            }
        }
        x_candidate = nullptr;
        x_lane = nullptr;
        x_settled.set();
        x_done.set();
    }

    std::chrono::nanoseconds probe() const noexcept { return x_of.options().probe * x_patience; }

    // The lane that carried is over.
    void note_loss() noexcept {
        ++x_failures;
        if (x_lane->age() >= early) {
            x_failures = 0;
            x_patience = 1;
        }
        x_first = x_lane->place() + (x_lane->was_silent() || x_failures > 0 ? 1 : 0);
        if (x_lane->is_last() || x_first >= x_of.transports().size()) x_first = 0;
        x_lane = nullptr;
    }

    // Waits, but no longer than until the session is closed: the server is to be told.
    task<> pause(std::chrono::nanoseconds most) {
        const std::chrono::nanoseconds until = x_of.now() + most;
        const bool is_open = x_of.session().is_open();
        while (x_of.session().is_open() == is_open && !x_of.is_over() && x_of.now() < until) {
            x_of.changed().reset();
            const result<> told = co_await x_of.changed().wait().within(until - x_of.now());
            if (!told && told.error() == errc::canceled) co_return;
        }
    }

    // Tries the transports from one place in the list on, before another one, until one carries.
    task<> try_from(std::size_t place, std::size_t end) {
        x_of.undisturbed().reset();
        for (; place < end && !x_of.is_over(); ++place) {
            x_candidate = make(x_of.transports()[place], place);
            co_await decide();
            if (x_of.is_named()) x_settled.set(); // what opened it may be over again already
            if (!x_candidate->is_tried() && !x_candidate->is_over()) {
                x_lane = std::move(x_candidate);
                x_first = 0;
                break;
            }
            const bool is_last = x_candidate->is_last();
            if (!x_of.is_over()) x_failure = error(x_candidate->why().code(), explain(*x_candidate));
            x_candidate = nullptr;
            if (is_last) break;
        }
        x_of.undisturbed().set();
    }

    // Waits until the candidate carries, or has failed or had its time.
    task<> decide() {
        const std::chrono::nanoseconds until = x_of.now() + x_of.slower(x_failures);
        while (x_candidate->is_tried() && !x_of.is_over()) {
            if (x_of.now() >= until) x_candidate->give_up();
            x_of.changed().reset();
            if (x_candidate->is_tried()) (void)co_await x_of.changed().wait().within(until - x_of.now());
        }
    }

    owned<lane<Tag>> make(transport_kind kind, std::size_t place) {
        if (kind == transport_kind::websocket) return owned<lane<Tag>>(new websocket_lane<Tag>(x_of, place));
        return owned<lane<Tag>>(new http_lane<Tag>(x_of, kind, place));
    }

    // "by long-polling: connecting to 127.0.0.1:9"
    static std::string explain(const lane<Tag>& of) {
        const std::string_view what = of.why().context();
        return concat({"by ", to_text(of.kind()), what.empty() ? "" : ": ", what});
    }

    conversation<Tag>& x_of;
    event x_settled, x_done;
    error x_failure;
    owned<lane<Tag>> x_lane;      // that carries, or did until a moment ago
    owned<lane<Tag>> x_candidate; // that is tried
    std::size_t x_first = 0;      // the place to begin with
    unsigned x_failures = 0;      // since something has carried for a while
    unsigned x_patience = 1;      // how many times longer to wait before something better is tried
    scope x_work;
};

} // namespace weir::inline v0::detail
