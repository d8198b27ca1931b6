// The language of the cases: what is sent, what must come, and how the connection must end.
//
//     cases.add("fragments/two", "5.4", {send(text("Hel").fragment(), last("lo")), expect(text("Hello"))});
//     cases.add("reserved/rsv1/text", "5.2", {send(text("Hello").rsv(4)), fails(1002)});
//
// The system under test, of either role, echoes text and binary messages. A case is the same for both roles: whether
// frames are masked follows from the role. Steps are taken in order; what is sent without a wait between leaves as one
// piece. A case whose steps do not end the connection is ended by close 1000, its answer, and the end of the stream.
#pragma once

#include "wire.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conformance {

// The role of the system under test.
enum class side : unsigned char { server, client };

// Numbers that never stand in a close frame, for the ends that have none (RFC 6455, section 7.1.5).
constexpr unsigned no_code = 1005;  // a close frame without a code
constexpr unsigned no_frame = 1006; // no close frame, only the end of the stream

// --- frames ---

inline frame text(std::string payload) { return {.opcode = text_code, .payload = std::move(payload)}; }
inline frame binary(std::string payload) { return {.opcode = binary_code, .payload = std::move(payload)}; }
inline frame last(std::string payload) { return {.opcode = continuation_code, .payload = std::move(payload)}; }
inline frame more(std::string payload) { return last(std::move(payload)).fragment(); }
inline frame ping(std::string payload = {}) { return {.opcode = ping_code, .payload = std::move(payload)}; }
inline frame pong(std::string payload = {}) { return {.opcode = pong_code, .payload = std::move(payload)}; }
inline frame close_of(std::string payload) { return {.opcode = close_code, .payload = std::move(payload)}; }
inline frame close(unsigned code, std::string_view reason = {}) {
    std::string payload{static_cast<char>(code >> 8 & 0xFF), static_cast<char>(code & 0xFF)};
    return close_of(payload.append(reason));
}
inline frame of_opcode(unsigned opcode, std::string payload = {}) { return {.opcode = opcode, .payload = std::move(payload)}; }
inline frame raw(std::string_view digits) { return {.payload = from_hex(digits), .is_raw = true}; } // hexadecimal

inline std::string hex(std::string_view digits) { return from_hex(digits); }

// So many letters, no long stretch of them twice.
inline std::string letters(std::size_t count) {
    std::string out(count, 'a');
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
    return out;
}

// So many bytes of every value.
inline std::string octets(std::size_t count) {
    std::string out(count, '\0');
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<char>((i * 31 + i / 251) & 0xFF);
    return out;
}

// --- steps ---

struct step {
    enum class kind : unsigned char {
        send,       // `frames`
        hold,       // the header of `frames[0]` and `bytes` of its payload; the rest is held back
        release,    // what was held back
        expect,     // wait for `frames`: messages in their order, pongs in theirs
        quiet,      // nothing may come for a while
        fails_fast, // the other side fails the connection with one of `codes`; if it is silent, go on: that is allowed
        fails,      // the same, but it must
        closes,     // it answers our close frame with one of `codes`, and the stream ends
        ends,       // it ends the stream; a close frame before it is not asked for
        stop,       // we end our side of the stream, whatever else
        waits,      // a client leaves the end of the stream to us, once both have closed (RFC 6455, 7.1.1)
        new_keys,   // the masks of the frames so far differ
        refused,    // the handshake is refused, by a server with one of the statuses `codes`
        declined,   // the handshake is accepted without an extension; the first step
    };

    kind what = kind::send;
    std::vector<frame> frames = {};
    std::vector<unsigned> codes = {};
    std::vector<unsigned> allowed = {}; // others that leave the case allowed
    std::vector<frame> before = {};     // what may come before the end; a case in which it does not is allowed
    std::size_t bytes = 0;
    std::string field = {};             // that the refusal must have, "Name: value"

    // The connection may also end so, which makes the case 'allowed'.
    step or_else(std::vector<unsigned> others) const {
        step changed = *this;
        changed.allowed.insert(changed.allowed.end(), others.begin(), others.end());
        return changed;
    }
    // This code passes as well.
    step or_also(unsigned code) const {
        step changed = *this;
        changed.codes.push_back(code);
        return changed;
    }
    step but_never(unsigned code) const {
        step changed = *this;
        std::erase(changed.allowed, code);
        return changed;
    }
    template <class... Frames>
    step after(const Frames&... frames_before) const {
        step changed = *this;
        changed.before = {frames_before...};
        return changed;
    }
    step with_field(std::string line) const {
        step changed = *this;
        changed.field = std::move(line);
        return changed;
    }
};

template <class... Frames>
step send(const Frames&... frames) {
    return {.what = step::kind::send, .frames = {frames...}};
}
inline step send_all(std::vector<frame> frames) { return {.what = step::kind::send, .frames = std::move(frames)}; }
inline step hold(frame of, std::size_t bytes) { return {.what = step::kind::hold, .frames = {std::move(of)}, .bytes = bytes}; }
inline step release() { return {.what = step::kind::release}; }
template <class... Frames>
step expect(const Frames&... frames) {
    return {.what = step::kind::expect, .frames = {frames...}};
}
inline step expect_all(std::vector<frame> frames) { return {.what = step::kind::expect, .frames = std::move(frames)}; }
inline step quiet() { return {.what = step::kind::quiet}; }

// Failing says 'an appropriate status code' (RFC 6455, 7.1.7) and 'SHOULD', so that another code that does not say that
// all is well, or only the end of the stream, is allowed.
inline std::vector<unsigned> any_failure() { return {1002, 1003, 1007, 1008, 1009, 1010, 1011, no_code, no_frame}; }
inline step fails(unsigned code) { return {.what = step::kind::fails, .codes = {code}, .allowed = any_failure()}; }
inline step fails_fast(unsigned code) { return {.what = step::kind::fails_fast, .codes = {code}, .allowed = any_failure()}; }

// An endpoint 'typically echos the status code it received' (5.5.1): others that say no more than that are allowed.
inline step closes(unsigned code) { return {.what = step::kind::closes, .codes = {code}, .allowed = {no_code, 1000}}; }
inline step ends() { return {.what = step::kind::ends, .codes = {no_frame}}; }
inline step stop() { return {.what = step::kind::stop}; }
inline step waits() { return {.what = step::kind::waits}; }
inline step declined() { return {.what = step::kind::declined}; }
inline step new_keys() { return {.what = step::kind::new_keys}; }
inline step refused(std::vector<unsigned> statuses = {400}) {
    return {.what = step::kind::refused, .codes = std::move(statuses)};
}

// --- the opening handshake ---

// A request or response head. {host}, {target}, {key} and {accept} stand for what they have to be.
struct head {
    std::string line;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string raw = {}; // in place of all of it

    head with_line(std::string changed) const {
        head copy = *this;
        copy.line = std::move(changed);
        return copy;
    }
    head without(std::string_view name) const {
        head copy = *this;
        std::erase_if(copy.fields, [&](const auto& each) { return each.first == name; });
        return copy;
    }
    // Changes a field where it stands, or adds one.
    head with(std::string_view name, std::string_view value) const {
        head copy = *this;
        for (auto& each : copy.fields)
            if (each.first == name) return each.second = value, copy;
        return copy.plus(name, value);
    }
    head plus(std::string_view name, std::string_view value) const {
        head copy = *this;
        copy.fields.emplace_back(name, value);
        return copy;
    }
    std::string bytes() const {
        if (!raw.empty()) return raw;
        std::string out = line + "\r\n";
        for (const auto& [name, value] : fields) out += name + ": " + value + "\r\n";
        return out + "\r\n";
    }
};

inline head request() {
    return {"GET {target} HTTP/1.1",
            {{"Host", "{host}"},
             {"Upgrade", "websocket"},
             {"Connection", "Upgrade"},
             {"Sec-WebSocket-Key", "{key}"},
             {"Sec-WebSocket-Version", "13"}}};
}
inline head response() {
    return {"HTTP/1.1 101 Switching Protocols",
            {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", "{accept}"}}};
}

// --- cases ---

struct test_case {
    std::string name; // "category/of/it"
    std::string rfc;  // the sections it stands on; of RFC 6455 unless it says another
    std::vector<step> steps = {};
    std::function<std::vector<step>()> large_steps = {}; // in place of `steps`: made only when they are played
    bool for_server = true; // roles of the system under test
    bool for_client = true;
    bool is_should = false; // the RFC recommends: other orderly ways are allowed, and anything out of order is not
    bool is_table = false;  // one of a table, not counted among those that have a name of their own
    bool at_once = false;   // the first frames leave in one piece with the head of our handshake
    std::size_t step_bytes = 0; // it says itself in which pieces it is sent; 0: whatever the run says
    bool needs_deflate = false;     // it is about compression
    std::optional<head> opening = {};       // our half of the handshake
    std::optional<head> other_opening = {}; // the same as a server, for cases of both roles

    bool is_for(side role) const { return role == side::server ? for_server : for_client; }
    bool may_be_cut() const { return !large_steps && !step_bytes; }
    std::string category() const { return name.substr(0, name.find('/')); }

    test_case& should() { return is_should = true, *this; }
    test_case& server_only() { return for_client = false, *this; }
    test_case& client_only() { return for_server = false, *this; }
    test_case& with_opening(head ours) { return opening = std::move(ours), *this; }
    test_case& with_other_opening(head ours) { return other_opening = std::move(ours), *this; }
    test_case& with_deflate() { return needs_deflate = true, *this; }
    test_case& in_one_piece() { return at_once = true, *this; }
    test_case& in_pieces_of(std::size_t bytes) { return step_bytes = bytes, *this; }
};

class case_list {
public:
    test_case& add(std::string name, std::string rfc, std::vector<step> steps) {
        x_all.push_back({.name = std::move(name), .rfc = std::move(rfc), .steps = std::move(steps)});
        return x_all.back();
    }

    // One that takes so much memory that its steps are made when it is played. It is never cut but as it says itself.
    test_case& add_large(std::string name, std::string rfc, std::function<std::vector<step>()> steps) {
        x_all.push_back({.name = std::move(name), .rfc = std::move(rfc), .large_steps = std::move(steps)});
        return x_all.back();
    }
    std::vector<test_case> take() { return std::move(x_all); }

private:
    std::vector<test_case> x_all;
};

// `message_limit`: the largest message that the system under test takes; 0, for one that is not known, leaves out the cases
// about it. `largest`: the largest message of the table of sizes. `deflate`: the system under test has permessage-deflate.
std::vector<test_case> all_cases(std::uint64_t message_limit, std::uint64_t largest, bool deflate = false);

// Cases of a table that multiplies.
std::vector<test_case> size_table(std::uint64_t largest);

// One for each file of cases/.
void add_framing(case_list& cases);
void add_control(case_list& cases);
void add_reserved(case_list& cases);
void add_fragments(case_list& cases);
void add_utf8(case_list& cases);
void add_close(case_list& cases);
void add_masking(case_list& cases);
void add_server_handshake(case_list& cases);
void add_client_handshake(case_list& cases);
void add_compression(case_list& cases);
void add_limits(case_list& cases, std::uint64_t message_limit);

} // namespace conformance
