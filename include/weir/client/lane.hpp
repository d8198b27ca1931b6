// One attempt to carry a client's session, and the carrying when it succeeds.
//
// A lane is tried, carries, and is over; it says so once it has come to each, and whoever made it destroys it, never from
// within its own coroutines. Destroying it at any moment loses nothing that the session does not send again. Loop thread only.
#pragma once

#include <weir/client/conversation.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class lane {
public:
    // `place`: in the list of transports.
    lane(conversation<Tag>& of, transport_kind kind, std::size_t place) noexcept : x_of(of), x_kind(kind), x_place(place) {}
    lane(const lane&) = delete;
    lane& operator=(const lane&) = delete;
    virtual ~lane() = default;

    transport_kind kind() const noexcept { return x_kind; }
    std::size_t place() const noexcept { return x_place; }
    bool is_tried() const noexcept { return x_stage == stage::tried; }
    bool is_over() const noexcept { return x_stage == stage::over; }

    // How long it has carried, or had until it was over.
    std::chrono::nanoseconds age() const noexcept { return x_began ? x_of.now() - *x_began : std::chrono::nanoseconds(0); }

    // Of a lane that is over: why; whether it had fallen silent; and whether there is no point in trying others now.
    const error& why() const noexcept { return x_why; }
    bool was_silent() const noexcept { return x_silent; }
    bool is_last() const noexcept { return x_last; }

    // It has had its time.
    void give_up() noexcept { lose(errc::timed_out); }

protected:
    using session_type = basic_session<Tag>;

    session_type& session() noexcept { return x_of.session(); }

    // It carries the session from now on.
    void up() noexcept {
        if (x_stage != stage::tried) return;
        x_stage = stage::carries;
        x_began = x_of.now();
        x_of.changed().set();
    }

    // It is over. Only the first reason counts.
    void lose(error why) noexcept {
        if (is_over()) return;
        x_stage = stage::over;
        x_silent = why == errc::timed_out;
        x_why = std::move(why);
        x_of.changed().set();
    }
    void lose(errc code, std::string_view sentence) { lose(error(make_error_code(code), std::string(sentence))); }

    // The server's answer is an error, numbered as in HTTP, to what was asked with `messages` in it.
    [[gnu::cold]] void refuse(std::uint64_t number, std::string_view sentence) {
        const bool spare = is_tried() && session().is_carried(); // something else carries it
        if (number == 400)
            x_of.end(close_cause::protocol_error, ws::close_code::protocol_error, sentence, errc::bad_record);
        else if (number == 413)
            x_of.end_too_large(sentence);
        else if ((number == 404 || number == 410) && x_of.is_named() && !spare)
            x_of.lose_session(sentence);
        x_last = number == 503;
        lose(errc::session_refused, concat({"the server answered ", number_text(number), sentence.empty() ? "" : " ", sentence}));
    }

    conversation<Tag>& x_of;

private:
    enum class stage : unsigned char { tried, carries, over };

    transport_kind x_kind;
    std::size_t x_place;
    stage x_stage = stage::tried;
    bool x_silent = false;
    bool x_last = false;
    std::optional<std::chrono::nanoseconds> x_began;
    error x_why;
};

} // namespace weir::inline v0::detail
