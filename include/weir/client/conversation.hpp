// A client's end of a session: what it knows of the server, what it asks for, and what becomes of it.
//
// The session itself is the one that servers have (transport/session.hpp): numbers, what is not acknowledged, what is not read.
// Lanes carry it; whoever chooses them waits for `changed`. Everything that ends it comes through here, once. Loop thread
// only.
#pragma once

#include <weir/client/backoff.hpp>
#include <weir/client/open_options.hpp>
#include <weir/coro/event.hpp>
#include <weir/coro/member_timer.hpp>
#include <weir/io/loop.hpp>
#include <weir/protocol/channel/record.hpp>
#include <weir/protocol/http/url.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/transport/session.hpp>

namespace weir::inline v0::detail {

template <class Tag = void>
class conversation final : private session_owner<Tag> {
public:
    // What `options` names is copied.
    conversation(io::loop& on, http::url to, const open_options& options)
        : x_on(on), x_to(std::move(to)), x_proxy(options.proxy.setting()), x_options(options), x_settings(settings_of(options)),
          x_session(on, x_settings, static_cast<session_owner<Tag>&>(*this), std::string()), x_bound(*this) {
        (void)x_session.resume(0); // from now on what is sent is kept until it is acknowledged
        for (const http::field& each : options.headers) {
            x_valid = x_valid && !is_ours(each.name) && x_fields.add(each.name, each.value);
            x_texts.push_back(each);
        }
        for (std::size_t i = 0; i < x_texts.size() && x_valid; ++i) x_texts[i] = x_fields[i];
        for (const transport_kind each : options.transports) x_transports.push_back(each);
        x_options.headers = {};
        x_options.transports = {};
        x_options.proxy = proxy_choice(options.proxy.by(), x_proxy);
    }
    ~conversation() { x_session.disown(); }

    io::loop& loop() const noexcept { return x_on; }
    basic_session<Tag>& session() noexcept { return x_session; }
    const http::url& server() const noexcept { return x_to; }
    const open_options& options() const noexcept { return x_options; }
    const sequence<transport_kind>& transports() const noexcept { return x_transports; }
    bool has_valid_fields() const noexcept { return x_valid; }

    // Something has happened that concerns the choice of lanes.
    event& changed() noexcept { return x_changed; }

    // Set while no better lane is tried: what only asks and waits holds back its next request meanwhile, since of two that carry a
    // session the second one takes over.
    event& undisturbed() noexcept { return x_undisturbed; }

    // --- its beginning ---

    bool is_named() const noexcept { return !x_session.id().empty(); }

    // The server's first record. False where there has been one, or the id is none: it is going to stand in our requests.
    bool opened(const envelope::record& as) {
        if (is_named() || as.id.size() > most_id_bytes || !id_characters.has_all(as.id)) return false;
        const envelope::settings said = envelope::parse_settings(as.rest);
        x_session.named(as.id);
        if (said.heartbeat_ms >= least_heartbeat_ms && said.heartbeat_ms <= most_heartbeat_ms)
            x_settings.heartbeat = std::chrono::milliseconds(said.heartbeat_ms);
        if (said.limit_bytes) x_limit = said.limit_bytes;
        x_batch = x_limit < most_batch_bytes ? x_limit : most_batch_bytes;
        return true;
    }

    // The first record of a carrier that goes on: the server has our messages up to `number`. False where it cannot have.
    bool resumed(std::uint64_t number) noexcept { return is_named() && x_session.resume(number) == errc{}; }

    // For a carrier that is not told so: whatever is not acknowledged goes out again.
    void resume() noexcept { (void)x_session.resume(x_session.acknowledged()); }

    // --- what is sent ---

    // Whether a message is longer than the server takes, in the longest form that it may have to go out in.
    bool is_too_long(const message& sent) const noexcept {
        std::uint64_t bytes = sent.is_text() ? sent.size() : base64_size(sent.size());
        if (sent.is_text() && bytes + head_bytes <= x_limit && 2 * bytes + head_bytes > x_limit)
            for (const char each : sent.text()) bytes += each == '\\' || each == '\n' || each == '\r';
        return bytes + head_bytes > x_limit;
    }

    // The most bytes of one request's body; less after the server has said that it was too much.
    std::uint64_t batch() const noexcept { return x_batch; }
    void shrink_batch(std::size_t refused) noexcept { x_batch = refused / 2; }

    // The target of a request that fetches, or of a handshake; of one that sends.
    std::string target_of(transport_kind kind) {
        std::string made = target();
        made.append("ack=").append(number_text(x_session.received())).append("&transport=").append(to_text(kind));
        return is_named() ? made.append("&session=").append(x_session.id()) : made;
    }
    std::string target_of_post() { return target().append("session=").append(x_session.id()); }

    std::string websocket_url(std::string target) const {
        return std::string(x_to.secure() ? "wss://" : "ws://").append(x_to.host_field()).append(target);
    }

    // A whole request.
    std::string request(std::string_view method, std::string_view target, std::string_view body) const {
        std::string text;
        text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(x_to.host_field()).append("\r\n");
        text.append(x_fields.lines());
        if (method == "POST")
            text.append("Content-Type: text/plain; charset=utf-8\r\nContent-Length: ").append(number_text(body.size())).append("\r\n");
        return text.append("\r\n").append(body);
    }
    std::span<const http::field> headers() const noexcept { return {x_texts.data(), x_texts.size()}; }

    // --- time ---

    std::chrono::nanoseconds now() const noexcept { return x_on.now(); }

    // After which silence a carrier is given up.
    std::chrono::nanoseconds patience() const noexcept { return 2 * x_settings.heartbeat; }

    // How long an attempt, or a request that is not held, may take after so many failures; how long to wait before the next.
    std::chrono::nanoseconds slower(unsigned failures) const noexcept { return x_options.attempt * (1 << (failures < 3 ? failures : 3)); }
    std::chrono::nanoseconds backoff(unsigned failures) noexcept {
        const std::chrono::nanoseconds most = most_backoff(x_options.retry, 2, x_options.retry * 32, failures + 1);
        return any_between(most / 2, most, x_on.random());
    }

    // --- its end ---

    // Whether the server knows that it has ended, or cannot be told: nothing remains to be done.
    bool is_over() const noexcept { return x_over.is_set(); }
    event& over() noexcept { return x_over; }

    // Ends it: what was sent goes out first, within the close timeout.
    void close(ws::close_code code, std::string_view reason) noexcept {
        if (!x_session.is_open()) return;
        x_session.close(close_cause::local, code, reason);
        end_soon();
        x_changed.set(); // whoever waits before another attempt makes it now
    }

    // The session has closed, and the server is about to be told.
    void end_soon() noexcept {
        if (!x_bound.armed() && !is_over()) x_on.arm(x_bound, x_options.close_timeout);
    }

    // Nobody need be told any more.
    void end() noexcept { x_session.client_knows(); }
    void end(close_cause cause, ws::close_code code, std::string_view reason, errc why) noexcept {
        x_over.set();
        x_session.close(cause, code, reason, make_error_code(why));
        end();
    }

    [[gnu::cold]] void end_too_large(std::string_view sentence) noexcept {
        end(close_cause::limit, ws::close_code::message_too_big, sentence, errc::message_too_large);
    }
    [[gnu::cold]] void end_not_utf8() noexcept { // it would come again, whatever carries it
        end(close_cause::protocol_error, ws::close_code::invalid_payload, "text that is not UTF-8", errc::bad_utf8);
    }

    // The server has ended it.
    void closed_by_server(ws::close_code code, std::string_view reason) noexcept {
        x_over.set();
        x_session.close(close_cause::peer, code, reason);
        end();
    }

    // The server does not know it any more; which is what we want of one that we have closed.
    void lose_session(std::string_view sentence) noexcept {
        if (!x_session.is_open()) return end();
        end(close_cause::lost, ws::close_code::abnormal, sentence, errc::session_lost);
    }

private:
    static constexpr http::detail::character_set id_characters = http::detail::join(http::detail::letters_and_digits, "-_");
    static constexpr std::size_t most_id_bytes = 64;
    static constexpr std::uint64_t least_heartbeat_ms = 100, most_heartbeat_ms = 3'600'000; // what else is said is not heeded
    static constexpr std::uint64_t most_batch_bytes = 60'000;
    static constexpr std::size_t head_bytes = 40; // more than the letter, the number and the line's end

    // Whether a field is one that a request has from us.
    static bool is_ours(std::string_view name) noexcept {
        for (const std::string_view each : {"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Upgrade"})
            if (http::equal_ignoring_case(name, each)) return true;
        return false;
    }

    static session_options settings_of(const open_options& from) noexcept {
        session_options made;
        made.keep = from.give_up;
        made.high_water_bytes = from.high_water_bytes;
        made.queue_bytes = from.queue_bytes;
        made.overflow = from.overflow;
        made.read_ahead_bytes = from.read_ahead_bytes;
        return made;
    }

    std::string target() const {
        std::string made(x_to.target());
        return made += x_to.target().find('?') == std::string_view::npos ? '?' : '&';
    }

    void strike(basic_session<Tag>&) noexcept override {
        x_bound.disarm();
        x_over.set();
        x_changed.set();
    }

    io::loop& x_on;
    http::url x_to;
    std::string x_proxy;    // the setting of the options' proxy
    open_options x_options; // without its spans
    http::fields x_fields;
    sequence<http::field> x_texts; // views into x_fields
    sequence<transport_kind> x_transports;
    session_options x_settings;
    basic_session<Tag> x_session;
    event x_changed, x_undisturbed, x_over;
    member_timer<conversation, &conversation::end> x_bound;
    std::uint64_t x_limit = UINT64_MAX / 4; // the longest record that the server takes
    std::uint64_t x_batch = most_batch_bytes;
    bool x_valid = true;
};

} // namespace weir::inline v0::detail
