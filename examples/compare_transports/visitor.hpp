// The clients of the report. Each does what weir.js does, over plain sockets: asks at an interval, asks again as soon as it was
// answered, or acknowledges what it got, after 31 KiB (with 1 KiB more for each message) or 0.9 seconds.
#pragma once

#include "connection.hpp"
#include "traffic.hpp"

#include <weir.hpp>

#include <deque>
#include <limits>
#include <vector>

#include <sys/epoll.h>

namespace compare {

// What Chromium says with each request that weir.js makes, so that these are as long as they are.
inline constexpr char browser_fields[] =
    "Pragma: no-cache\r\nCache-Control: no-cache\r\nsec-ch-ua-platform: \"Linux\"\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n"
    "sec-ch-ua: \"Not:A-Brand\";v=\"8\", \"Chromium\";v=\"156\"\r\nsec-ch-ua-mobile: ?0\r\nAccept: */*\r\n"
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: http://127.0.0.1:8080/\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n";

class visitor;

// What all clients of a run have in common.
struct crowd {
    crowd(weir::transport_kind kind, int port, std::int64_t interval) : kind(kind), port(port), interval(interval) {}
    crowd(const crowd&) = delete;
    ~crowd() { ::close(epoll); }

    weir::transport_kind kind;
    int port;
    std::int64_t interval; // of polling
    int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    std::deque<std::pair<std::int64_t, visitor*>> timers; // each for as long a time, so that the first is due first
    std::uint64_t heard = 0;                              // messages
    std::int64_t from = std::numeric_limits<std::int64_t>::max(), until = 0; // of which events the latency counts
    std::vector<std::int64_t> late;
};

// One client, which does what weir.js does.
class visitor {
public:
    explicit visitor(crowd& in) : x_in(in), x_main(in.port) {
        const bool upgrades = in.kind == weir::transport_kind::websocket;
        ask(upgrades ? "Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
                     : "keep-alive");
        while (x_session.empty()) {
            x_main.receive(0);
            take_in(x_main, 0);
        }
        if (in.kind == weir::transport_kind::event_stream) x_posts.emplace(in.port);
    }

    // From now on it is watched; polls first at `poll_at`.
    void begin(std::int64_t poll_at) {
        watch(x_main, 0);
        if (x_posts) watch(*x_posts, 1);
        if (x_in.kind == weir::transport_kind::long_polling) ask();
        if (x_in.kind == weir::transport_kind::polling) x_in.timers.emplace_back(x_timer = poll_at, this);
    }

    // What epoll has told of.
    static void receive(std::uint64_t told, std::int64_t now) {
        visitor& whose = *reinterpret_cast<visitor*>(static_cast<std::uintptr_t>(told & ~std::uint64_t{1}));
        whose.receive(now, told & 1 ? *whose.x_posts : whose.x_main);
    }

    // Its timer has come, unless that has been put off.
    void awake(std::int64_t at) {
        if (at != x_timer) return;
        x_timer = 0;
        x_in.kind == weir::transport_kind::polling ? ask() : acknowledge();
    }

    std::uint64_t received() const { return x_received; }
    traffic passed() const {
        traffic all = traffic_of(x_main.socket()).value_or(traffic());
        if (x_posts) all += traffic_of(x_posts->socket()).value_or(traffic());
        return all;
    }

private:
    void receive(std::int64_t now, connection& from) {
        from.receive();
        const bool answered = take_in(from, now);
        if (answered && &from != &x_main) x_posting = false;
        if (answered && x_in.kind == weir::transport_kind::polling)
            x_in.timers.emplace_back(x_timer = now + x_in.interval, this);
        else if (answered && x_in.kind == weir::transport_kind::long_polling)
            ask();
        else if (x_owed > 31744)
            acknowledge();
        else if (x_owed && !x_timer)
            x_in.timers.emplace_back(x_timer = now + 900'000'000, this);
    }

    void watch(const connection& which, std::uintptr_t mark) {
        epoll_event events{};
        events.events = EPOLLIN;
        events.data.u64 = reinterpret_cast<std::uintptr_t>(this) | mark;
        if (::epoll_ctl(x_in.epoll, EPOLL_CTL_ADD, which.socket(), &events) != 0) fail("watching a socket");
    }

    std::string request(const char* method, const char* connection_field, std::string_view kind, const std::string& more) const {
        std::string text = std::string(method) + " /events?ack=" + std::to_string(x_received);
        if (!kind.empty()) text += "&transport=" + std::string(kind);
        if (!x_session.empty()) text += "&session=" + x_session;
        return text + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(x_in.port) + "\r\nConnection: " + connection_field +
               "\r\n" + browser_fields + more;
    }

    void ask(const char* connection_field = "keep-alive") {
        const bool upgrades = x_in.kind == weir::transport_kind::websocket;
        x_main.send(request("GET", connection_field, upgrades ? "" : to_text(x_in.kind), "\r\n"));
    }

    void acknowledge() {
        if (x_posting) return; // it goes on when that is answered
        std::string record(1, 'a');
        record += std::to_string(x_received);
        x_owed = 0;
        x_timer = 0;
        if (x_in.kind == weir::transport_kind::websocket) { // masked, with a key of zeros
            const char head[] = {'\x81', static_cast<char>(0x80 | record.size()), 0, 0, 0, 0};
            x_main.send(std::string(head, sizeof head) + record);
        } else {
            x_posting = true;
            x_posts->send(request("POST", "keep-alive", "", "Origin: http://127.0.0.1:" + std::to_string(x_in.port) +
                                  "\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: " +
                                  std::to_string(record.size() + 1) + "\r\n\r\n" + record + "\n"));
        }
    }

    // Whether anything has come as a whole.
    bool take_in(connection& on, std::int64_t now) {
        bool any = false;
        while (const std::optional<std::string_view> piece = on.next()) {
            any = true;
            for (std::string_view rest = *piece; !rest.empty();) {
                const std::string_view line = rest.substr(0, rest.find('\n'));
                rest.remove_prefix(std::min(rest.size(), line.size() + 1));
                take_line(line.starts_with("data: ") ? line.substr(6) : line, now);
            }
        }
        return any;
    }

    void take_line(std::string_view line, std::int64_t now) {
        if (line.starts_with('o')) x_session = line.substr(1, 22);
        if (line.starts_with('e') || line.starts_with('x')) fail("the server says " + std::string(line));
        if (!line.starts_with('t')) return;
        if (number_at<std::uint64_t>(line.substr(1)) != ++x_received)
            fail("message " + std::to_string(x_received) + " was to come, and it is " + std::string(line));
        const std::size_t number = line.find(' ') + 1, time = line.find(' ', number) + 1;
        const std::int64_t due = number_at<std::int64_t>(line.substr(time)) * 1000;
        ++x_in.heard;
        if (due >= x_in.from && due < x_in.until) x_in.late.push_back(now - due);
        if (x_in.kind >= weir::transport_kind::event_stream) x_owed += 1024 + line.size(); // else the next request says it
    }

    crowd& x_in;
    connection x_main;
    std::optional<connection> x_posts; // acknowledgements, of an event stream
    std::string x_session;
    std::uint64_t x_received = 0; // the number of the last message
    std::size_t x_owed = 0;       // as in weir.js: what was not acknowledged yet
    std::int64_t x_timer = 0;     // when it is to go on; 0: when something comes
    bool x_posting = false;
};

} // namespace compare
