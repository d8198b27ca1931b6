// Carries a client's session over plain requests: polling, long polling, or an event stream.
//
// One coroutine fetches, request after request or from an answer that does not end; another one sends, one request at a time,
// what the session has, what is to be acknowledged, and its end. A request that sends and is not answered is sent again:
// the server drops what it has. Both go on, each over a connection of its own, until the lane is over.
#pragma once

#include <weir/client/http_caller.hpp>
#include <weir/client/lane.hpp>
#include <weir/core/utf8.hpp>
#include <weir/coro/member_timer.hpp>
#include <weir/coro/scope.hpp>
#include <weir/io/sleep.hpp>
#include <weir/protocol/channel/lines.hpp>
#include <weir/protocol/http/event_stream.hpp>
#include <weir/transport/closed_record.hpp>
#include <weir/transport/session_room.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class http_lane final : public lane<Tag>, private carrier {
    using base = lane<Tag>;
    using base::session;
    using base::x_of;
    using event_parser = http::basic_event_stream_parser<Tag>;

public:
    http_lane(conversation<Tag>& of, transport_kind kind, std::size_t place)
        : base(of, kind, place), x_fetching(of.server(), of.options(), x_limits),
          x_sending(of.server(), of.options(), x_limits), x_ack_due(*this) {
        x_work.spawn(fetch_all());
    }
    ~http_lane() { session().detach(*this); }

private:
    static constexpr unsigned ack_messages = 32;
    static constexpr std::size_t ack_bytes = 31 * 1024;
    static constexpr std::chrono::nanoseconds ack_delay = std::chrono::milliseconds(900);

    // What came of a request.
    enum class outcome : unsigned char { done, refused, failed };

    // --- fetching ---

    bool is_stream() const noexcept { return base::kind() == transport_kind::event_stream; }

    task<> fetch_all() {
        for (bool goes_on = true; goes_on;) {
            // A held request says nothing of whether it works: what takes a session up asks once, and is answered at once.
            const bool first = base::is_tried();
            const bool asks = first && x_of.is_named() && base::kind() == transport_kind::long_polling;
            goes_on = co_await fetch(asks ? transport_kind::polling : base::kind());
            if (!goes_on || (!first && !session().is_open())) break; // what would come is not taken any more
            if (!first && base::kind() == transport_kind::polling) (void)co_await sleep(x_of.options().interval);
            (void)co_await x_of.undisturbed().wait();
        }
    }

    // One request. Whether there should be another one.
    task<bool> fetch(transport_kind as) {
        const std::chrono::nanoseconds bound = as == transport_kind::polling ? x_of.slower(0) : x_of.patience();
        std::string text = x_of.request("GET", x_of.target_of(as), {});
        const result<http::response_head> head = co_await x_fetching.ask(std::move(text), "GET").within(bound);
        if (!head) {
            base::lose(head.error());
            co_return false;
        }
        const bool fine = head->status == http::status::ok;
        const bool is_events = fine && head->fields.get("Content-Type").value_or("").starts_with("text/event-stream");
        if (fine && is_events != is_stream()) {
            base::lose(errc::session_refused, "the answer is no channel's");
            co_return false;
        }
        if (fine && base::is_tried() && x_of.is_named() && !is_events) begin(true);
        event_parser events(line_bytes());
        const outcome came = co_await read_records(x_fetching, is_events ? &events : nullptr, fine, bound);
        if (came == outcome::done && !fine) base::refuse(http::to_number(head->status), head->reason);
        if (came == outcome::done && is_events) base::lose(errc::end_of_stream);
        if (came == outcome::done && base::is_tried()) base::lose(errc::session_refused, "the answer is no channel's");
        co_return !base::is_over() && !x_of.is_over();
    }

    // Reads the answer to its end, and takes its records: those of `events`, or lines where that is null. What is in an answer
    // that is not fine may be anybody's, and need not be records.
    task<outcome> read_records(http_caller<Tag>& from, event_parser* events, bool fine, std::chrono::nanoseconds bound) {
        envelope::basic_line_reader<Tag> lines(line_bytes());
        for (;;) {
            const result<bytes_view> piece = co_await from.read().within(bound);
            if (!piece) {
                if (&from == &x_fetching) base::lose(piece.error());
                co_return outcome::failed;
            }
            if (piece->empty()) co_return outcome::done;
            session().heard();
            bytes_view rest = *piece;
            for (;;) {
                const bool found = events ? events->parse(rest) == http::parse_status::done : lines.next(rest);
                if (!found) break;
                const std::string_view record = events ? events->data() : lines.line();
                while (!take(record, fine, &from == &x_sending)) {
                    const result<> told = co_await room_for_more(session());
                    if (!told && told.error() == errc::canceled) co_return outcome::failed;
                }
                if (exchanged(x_refused, false)) co_return outcome::refused;
                if (base::is_over() || x_of.is_over()) co_return outcome::refused;
            }
            if (events ? !events->error() : !lines.too_long()) continue;
            if (events && events->error() == errc::bad_utf8)
                x_of.end_not_utf8();
            else
                x_of.end_too_large("a record that is longer than it may be");
            co_return outcome::refused;
        }
    }

    std::size_t line_bytes() const noexcept { return 2 * x_of.options().message_bytes + 64; }

    // --- records ---

    // False when there is no room for the message yet. `answers`: to what we have sent.
    bool take(std::string_view text, bool fine, bool answers) {
        if (text.empty()) return true;
        const result<envelope::record> read = envelope::parse(text);
        if (!fine && (!read || !belongs_to_refusals(read->what))) return true;
        if (!read) return violated(read.error().context());
        switch (read->what) {
        case envelope::kind::opened:
            if (!x_of.opened(*read)) return violated("a session that goes on was opened again");
            begin(false);
            return true;
        case envelope::kind::resumed:
            if (!base::is_tried() || !is_stream()) return violated("a session that goes on was resumed again");
            if (x_of.resumed(*read->number))
                begin(false);
            else
                x_of.lose_session("the server says that it has other messages than we have sent");
            return true;
        case envelope::kind::acknowledged:
            if (session().acknowledge(*read->number) != errc{}) violated("what is acknowledged was never sent");
            return true;
        case envelope::kind::text:
        case envelope::kind::binary: return take_message(*read, text.size());
        case envelope::kind::heartbeat: return owe(0), true;
        case envelope::kind::closed: return take_end(*read), true;
        case envelope::kind::failed: return take_refusal(*read, answers), true;
        }
        return violated("a record of an unknown kind");
    }

    static bool belongs_to_refusals(envelope::kind what) noexcept {
        return what == envelope::kind::acknowledged || what == envelope::kind::failed || what == envelope::kind::closed;
    }

    bool violated(std::string_view sentence) { return base::lose(errc::bad_record, sentence), true; }

    bool take_message(const envelope::record& read, std::size_t bytes) {
        std::optional<std::string> payload = envelope::payload_of_line(read);
        if (!payload || !read.number) return violated("a message that is not written as it should be");
        const bool is_text = read.what == envelope::kind::text;
        if (payload->size() > x_of.options().message_bytes) return x_of.end_too_large("a message that is longer than it may be"), true;
        if (is_text && !is_utf8(as_bytes(*payload))) return x_of.end_not_utf8(), true;
        switch (session().receive(read.number, std::move(*payload), is_text)) {
        case reception::no_room: return false;
        case reception::gap: return violated("a message is missing before this one");
        case reception::taken:
        case reception::known:
        case reception::closed: break;
        }
        return owe(bytes), true;
    }

    [[gnu::cold]] void take_end(const envelope::record& read) {
        const std::uint64_t number = read.number.value_or(1000);
        x_of.closed_by_server(number > 4999 ? ws::close_code::normal : static_cast<ws::close_code>(number), read.rest);
    }

    [[gnu::cold]] void take_refusal(const envelope::record& read, bool answers) {
        x_refused = true;
        const bool smaller = *read.number == 413 && x_sent > 1;
        if (answers && smaller) x_of.shrink_batch(x_sent_bytes);
        if (answers && (smaller || *read.number == 409 || *read.number == 503)) return; // it is sent again
        base::refuse(*read.number, read.rest);
    }

    // Where nothing else says it, what came is acknowledged by a request of its own.
    void owe(std::size_t bytes) noexcept {
        if (!is_stream()) return;
        x_unacked_bytes += bytes;
        if (++x_unacked >= ack_messages || x_unacked_bytes >= ack_bytes)
            acknowledge();
        else if (!x_ack_due.armed())
            x_of.loop().arm(x_ack_due, ack_delay);
    }
    void acknowledge() noexcept {
        x_ack_due.disarm();
        x_acknowledges = true;
        x_news.set();
    }

    // --- sending ---

    // Carries the session from now on. `again`: the server has not said what it has.
    void begin(bool again) {
        if (again) x_of.resume();
        session().attach(*this, base::kind());
        base::up();
        x_work.spawn(send_all());
    }

    void wake() noexcept override { x_news.set(); }
    void superseded() noexcept override { x_news.set(); }

    bool has_news() noexcept { return x_acknowledges || session().has_next() || !session().is_open(); }

    task<> send_all() {
        for (unsigned failures = 0; session().carried_by(*this) && !base::is_over() && !x_of.is_over();) {
            x_news.reset();
            if (!has_news()) {
                (void)co_await x_news.wait();
                continue;
            }
            const bool sent = co_await send(failures);
            if (sent && x_says_end) x_of.end(); // it was the last that had to be told
            if (sent) {
                failures = 0;
                continue;
            }
            if (session().carried_by(*this)) x_of.resume();
            x_acknowledges = x_acknowledges || x_says_ack;
            (void)co_await sleep(x_of.backoff(failures++));
        }
    }

    // One request. Whether the server has taken all of it.
    task<bool> send(unsigned failures) {
        std::string text = x_of.request("POST", x_of.target_of_post(), compose());
        const std::chrono::nanoseconds bound = x_of.slower(failures);
        const result<http::response_head> head = co_await x_sending.ask(std::move(text), "POST").within(bound);
        if (!head) co_return false;
        const bool fine = head->status == http::status::ok;
        const outcome came = co_await read_records(x_sending, nullptr, fine, bound);
        if (came == outcome::done && head->status == http::status::content_too_large) refused_whole();
        co_return came == outcome::done && fine;
    }

    // By something that speaks no records.
    void refused_whole() {
        if (x_sent > 1)
            x_of.shrink_batch(x_sent_bytes);
        else
            base::refuse(413, {});
    }

    // As much as goes into one request, and at least one message.
    std::string compose() {
        std::string lines;
        x_sent = x_sent_bytes = 0;
        x_says_ack = exchanged(x_acknowledges, false);
        if (x_says_ack) {
            x_ack_due.disarm();
            x_unacked = 0;
            x_unacked_bytes = 0;
            envelope::append_number(lines, envelope::kind::acknowledged, session().received());
            lines += '\n';
        }
        while (session().has_next()) {
            const owned_message& next = session().next();
            const std::size_t before = lines.size();
            envelope::append_message_line(lines, session().next_number(), next.is_text, as_bytes(next.data));
            lines += '\n';
            if (x_sent > 0 && lines.size() > x_of.batch()) {
                lines.resize(before);
                break;
            }
            session().hand_out();
            ++x_sent;
            x_sent_bytes = lines.size();
        }
        session().handed_out();
        x_says_end = !session().has_next() && !session().is_open();
        if (x_says_end) {
            x_of.end_soon();
            append_closed(lines, session());
        }
        return lines;
    }

    http::head_limits x_limits;
    http_caller<Tag> x_fetching;
    http_caller<Tag> x_sending;
    event x_news;
    member_timer<http_lane, &http_lane::acknowledge> x_ack_due;
    std::size_t x_unacked_bytes = 0; // received, since we acknowledged
    unsigned x_unacked = 0;
    std::size_t x_sent = 0; // messages in the request that is under way
    std::size_t x_sent_bytes = 0;
    bool x_acknowledges = false; // the next request that sends does so
    bool x_says_ack = false;     // the one that is under way does so
    bool x_says_end = false;     // and says how the session ended
    bool x_refused = false;      // by a record of the answer that is being read
    scope x_work;
};

} // namespace weir::inline v0::detail
