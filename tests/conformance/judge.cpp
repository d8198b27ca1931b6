#include "judge.hpp"

#include <algorithm>

namespace conformance {

namespace {

bool holds(const std::vector<unsigned>& all, unsigned wanted) { return std::find(all.begin(), all.end(), wanted) != all.end(); }

bool same(const frame& a, const frame& b) { return a.opcode == b.opcode && a.payload == b.payload; }

// All values of a field, joined as a list; nothing without one.
std::optional<std::string> field_of(std::string_view head, std::string_view name) {
    std::optional<std::string> found;
    std::size_t at = head.find("\r\n");
    while (at != head.npos && at + 2 < head.size()) {
        const std::size_t end = head.find("\r\n", at + 2);
        const std::string_view line = head.substr(at + 2, end == head.npos ? end : end - at - 2);
        const std::size_t colon = line.find(':');
        if (colon != line.npos && lower(line.substr(0, colon)) == lower(name)) {
            found = found ? *found + ", " : std::string();
            *found += trimmed(line.substr(colon + 1));
        }
        at = end;
    }
    return found;
}

bool has_token(const std::optional<std::string>& list, std::string_view token) {
    std::string_view left = list ? std::string_view(*list) : std::string_view();
    while (!left.empty()) {
        const std::size_t comma = left.find(',');
        if (lower(trimmed(left.substr(0, comma))) == token) return true;
        left = comma == left.npos ? std::string_view() : left.substr(comma + 1);
    }
    return false;
}

bool may_be_sent(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

std::string describe_code(unsigned code) {
    if (code == no_code) return "a close frame without a code";
    if (code == no_frame) return "the end of the stream without a close frame";
    return "close " + std::to_string(code);
}

std::string describe_codes(const std::vector<unsigned>& codes) {
    std::string out;
    for (const unsigned each : codes) out += (out.empty() ? "" : " or ") + describe_code(each);
    return out;
}

} // namespace

std::string describe(const frame& what) {
    const char* const names[] = {"continuation", "text", "binary", "?", "?", "?", "?", "?", "close", "ping", "pong"};
    return std::string(what.opcode <= 10 ? names[what.opcode] : "?") + " of " + std::to_string(what.payload.size()) +
           (what.payload.empty() ? " bytes" : " bytes, " + shown(what.payload));
}

static std::string describe(const std::vector<frame>& all) {
    std::string out;
    for (const frame& each : all) {
        if (out.size() > 200) return out + " and so on";
        out += (out.empty() ? "" : "; ") + describe(each);
    }
    return out;
}

judge::judge(const test_case& of, side role, const surroundings& around)
    : x_case(of), x_role(role), x_around(around), x_random(around.seed * 2 + 1), x_steps(of.large_steps ? of.large_steps() : of.steps) {
    const kind first = x_steps.empty() ? kind::send : x_steps.front().what;
    const kind last = x_steps.empty() ? kind::send : x_steps.back().what;
    if (first != kind::refused && last != kind::fails && last != kind::closes && last != kind::ends && last != kind::waits) {
        x_steps.push_back(send(close(1000)));
        x_steps.push_back(closes(1000).or_else({no_code}));
    }
    if (!we_are_client()) return;
    std::string bytes;
    for (int i = 0; i < 16; ++i) bytes += static_cast<char>(random() & 0xFF);
    x_key = base64(bytes);
    x_output.push_back(filled(opening().bytes()));
    x_key = field_of(x_output.back(), "Sec-WebSocket-Key").value_or(""); // the case may have one of its own
}

const head& judge::opening() const {
    static const head usual[] = {request(), response()};
    if (!we_are_client() && x_case.other_opening) return *x_case.other_opening;
    return x_case.opening ? *x_case.opening : usual[!we_are_client()];
}

std::uint64_t judge::random() {
    x_random = x_random * 6364136223846793005u + 1442695040888963407u;
    return x_random >> 33;
}

mask_key judge::next_key() {
    mask_key key;
    for (unsigned char& each : key) each = static_cast<unsigned char>(random() & 0xFF);
    return key;
}

std::string judge::filled(std::string text) const {
    const std::pair<std::string_view, std::string> values[] = {
        {"{host}", x_around.host},
        {"{target}", x_around.target},
        {"{key}", x_key},
        {"{accept}", accept_for(x_key)},
        {"{accept-in-lower-case}", lower(accept_for(x_key))},
        {"{accept-without-padding}", accept_for(x_key).substr(0, 27)}};
    for (const auto& [name, value] : values)
        for (std::size_t at = 0; (at = text.find(name, at)) != text.npos; at += value.size()) text.replace(at, name.size(), value);
    return text;
}

std::string judge::take_output() {
    if (x_output.empty()) return {};
    std::string piece = std::move(x_output.front());
    x_output.pop_front();
    return piece;
}

judge::waiting judge::patience() const {
    if (x_stage != stage::steps || x_at == x_steps.size()) return waiting::for_something;
    const kind now = x_steps[x_at].what;
    const bool nothing = now == kind::quiet || now == kind::fails_fast || (now == kind::waits && x_close_came);
    return nothing ? waiting::for_nothing : waiting::for_something;
}

outcome judge::result() const { return x_outcome; }

// --- what has come ---

void judge::received(std::string_view bytes) {
    if (over()) return;
    if (x_stage == stage::handshake) {
        x_head += bytes;
        return read_head();
    }
    x_reader.push(bytes);
    read_frames();
    proceed();
}

void judge::ended() {
    if (over() || std::exchange(x_end_came, true)) return;
    if (x_stage == stage::handshake) {
        const bool refusal = !x_steps.empty() && x_steps[0].what == kind::refused;
        if (refusal && holds(x_steps[0].allowed, no_frame)) return note("a response", "the end of the stream"), finish();
        return fail(we_are_client() ? "a response to the handshake" : "a request", "the end of the stream");
    }
    if (!over() && x_reader.rest() > 0) return fail("whole frames", "a frame cut off by the end of the stream");
    x_seen.push_back({item::kind::end});
    proceed();
}

void judge::broken() {
    if (over() || std::exchange(x_end_came, true)) return;
    if (x_stage == stage::handshake) return ended();
    x_seen.push_back({item::kind::reset});
    proceed();
}

void judge::waited() {
    if (over()) return;
    if (x_stage == stage::handshake) return fail(we_are_client() ? "a response to the handshake" : "a request", "nothing");
    if (x_stage == stage::closing) return fail("the end of the stream after the close frames", "it stays open");
    const step& now = x_steps[x_at];
    switch (now.what) {
    case kind::expect: return fail(describe(x_wanted), "nothing");
    case kind::fails:
    case kind::ends:
    case kind::closes: return fail(describe_codes(now.codes), "nothing");
    case kind::refused: return fail("the client ends the connection", "nothing");
    case kind::fails_fast:
        note(describe_codes(now.codes) + " at the byte that is wrong", "nothing yet");
        break;
    case kind::waits:
        if (!x_close_came) return fail("a close frame", "nothing");
        x_stopped = true;
        x_stage = stage::closing;
        return proceed();
    default: break;
    }
    ++x_at;
    x_began_step = false;
    proceed();
}

// --- steps ---

void judge::proceed() {
    while (take_step()) {}
}

// False when there is nothing to do until something comes.
bool judge::take_step() {
    if (over() || x_stage == stage::handshake) return false;
    if (x_stage == stage::closing) {
        if (x_seen.empty()) return false;
        const item got = std::move(x_seen.front());
        x_seen.pop_front();
        if (got.what != item::kind::end && got.what != item::kind::reset)
            return fail("nothing behind its close frame", describe(got.is)), false;
        if (got.what == item::kind::reset && !x_sent_behind_close) note("a clean end of the stream", "a reset");
        return finish(), false;
    }
    step& now = x_steps[x_at];
    switch (now.what) {
    case kind::send:
        for (frame& each : now.frames) append(std::move(each));
        break;
    case kind::hold: {
        const std::size_t size = header_size(now.frames[0], we_are_client()) + now.bytes;
        x_held = encode(now.frames[0], we_are_client(), next_key());
        append({.payload = x_held.substr(0, size), .is_raw = true});
        x_held.erase(0, size);
        break;
    }
    case kind::release: append({.payload = x_held, .is_raw = true}); break;
    case kind::stop: x_stopped = true; break;
    case kind::expect:
        if (!take_expected(now)) return false;
        break;
    case kind::quiet:
        if (x_seen.empty()) return false;
        fail("nothing", x_seen.front().what == item::kind::end ? "the end of the stream" : describe(x_seen.front().is));
        return false;
    case kind::fails:
    case kind::fails_fast:
    case kind::closes:
    case kind::ends:
    case kind::waits: return take_end(now);
    case kind::refused: return is_refused();
    case kind::declined: break;
    case kind::new_keys:
        for (std::size_t i = 1; i < x_keys.size(); ++i)
            if (x_keys[i] == x_keys[i - 1]) return differs("a new mask for each frame", "the same one twice"), false;
        if (x_keys.size() < 2) return fail("masked frames", "none"), false;
        break;
    }
    ++x_at;
    x_began_step = false;
    return true;
}

bool judge::take_expected(step& now) {
    if (!std::exchange(x_began_step, true)) x_wanted = std::move(now.frames);
    while (!x_wanted.empty()) {
        if (x_seen.empty()) return false;
        const item got = std::move(x_seen.front());
        x_seen.pop_front();
        if (got.what == item::kind::end || got.what == item::kind::reset)
            return differs(describe(x_wanted), got.what == item::kind::end ? "the end of the stream" : "a reset"), false;
        if (got.what == item::kind::pong) {
            // RFC 6455, 5.5.3: only the latest of several pings needs an answer.
            const auto is_pong = [](const frame& each) { return each.opcode == pong_code; };
            const auto found = std::find_if(x_wanted.begin(), x_wanted.end(), [&](const frame& each) { return same(each, got.is); });
            if (found != x_wanted.end()) {
                if (std::any_of(x_wanted.begin(), found, is_pong)) note("a pong for each ping", "one for several");
                const auto behind = x_wanted.erase(std::remove_if(x_wanted.begin(), found, is_pong), found);
                x_wanted.erase(behind);
            } else if (std::any_of(x_wanted.begin(), x_wanted.end(), is_pong)) {
                return fail(describe(x_wanted), describe(got.is)), false;
            } else {
                note("no pong that nobody asked for", describe(got.is));
            }
            continue;
        }
        const auto next = std::find_if(x_wanted.begin(), x_wanted.end(), [](const frame& each) { return each.opcode != pong_code; });
        if (next == x_wanted.end() || !same(*next, got.is)) return fail(describe(x_wanted), describe(got.is)), false;
        x_wanted.erase(next);
    }
    return true;
}

// What may come before the end is in order; pongs and messages each for themselves.
bool judge::take_before(const item& got) {
    for (auto each = x_wanted.begin(); each != x_wanted.end(); ++each) {
        if ((each->opcode == pong_code) != (got.what == item::kind::pong)) continue;
        if (!same(*each, got.is)) return false;
        x_wanted.erase(each);
        return true;
    }
    return false;
}

bool judge::take_end(const step& now) {
    if (!std::exchange(x_began_step, true)) x_wanted = now.before;
    const std::string wanted = now.what == kind::waits ? "a close frame" : describe_codes(now.codes);
    while (!x_seen.empty()) {
        const item got = std::move(x_seen.front());
        x_seen.pop_front();
        const bool end = got.what == item::kind::end || got.what == item::kind::reset;
        if (!end && !(got.what == item::kind::message && got.is.opcode == close_code)) {
            if (take_before(got)) continue;
            return differs(wanted, describe(got.is)), false;
        }
        if (x_close_came && end) { // of `waits`
            note("the end of the stream is left to the server", "it ended first");
            return finish(), false;
        }
        if (!x_wanted.empty()) note("what was sent before is answered: " + describe(x_wanted), "no answer");
        if (end && (now.what == kind::closes || now.what == kind::waits) && !holds(now.allowed, no_frame))
            return fail(wanted, got.what == item::kind::end ? "the end of the stream" : "a reset"), false;
        const unsigned code = end ? no_frame : got.code;
        if (now.what != kind::waits && now.what != kind::ends && !holds(now.codes, code)) {
            if (!holds(now.allowed, code)) return differs(wanted, describe_code(code)), false;
            note(wanted, describe_code(code));
        }
        if (got.what == item::kind::reset) note("a clean end of the stream", "a reset");
        if (end) {
            x_stopped = true;
            return finish(), false;
        }
        if (now.what == kind::waits) continue;
        close_seen(code);
        return true;
    }
    return false;
}

void judge::close_seen(unsigned code) {
    if (!x_close_sent) append(code == no_code ? close_of("") : close(code));
    if (!we_are_client()) x_stopped = true; // RFC 6455, 7.1.1: the server ends first
    x_stage = stage::closing;
}

// By a client, whom the response did not please.
bool judge::is_refused() {
    while (!x_seen.empty()) {
        const item got = std::move(x_seen.front());
        x_seen.pop_front();
        if (got.what == item::kind::message && got.is.opcode != close_code)
            return differs("the client ends the connection", "it goes on: " + describe(got.is)), false;
        if (got.what == item::kind::message) {
            x_stopped = true;
            continue;
        }
        if (got.what != item::kind::pong) return finish(), false;
    }
    return false;
}

// --- the opening handshake ---

void judge::read_head() {
    const std::size_t end = x_head.find("\r\n\r\n");
    if (end == x_head.npos) {
        if (x_head.size() > 65536) fail("a head", "more than 64 KiB of it");
        return;
    }
    const std::string rest = x_head.substr(end + 4);
    x_head.resize(end + 2);
    if (we_are_client())
        read_response(x_head);
    else
        read_request(x_head);
    if (over()) return;
    if (!rest.empty()) x_reader.push(rest);
    read_frames();
    proceed();
}

void judge::read_request(std::string_view got) {
    const std::string_view line = got.substr(0, got.find("\r\n"));
    const std::string key = field_of(got, "Sec-WebSocket-Key").value_or("");
    const auto decoded = unbase64(key);
    if (!line.starts_with("GET ") || !line.ends_with(" HTTP/1.1")) return fail("GET with HTTP/1.1", std::string(line));
    if (!field_of(got, "Host")) return fail("a Host field", "none");
    if (lower(field_of(got, "Upgrade").value_or("")) != "websocket") return fail("Upgrade: websocket", "none");
    if (!has_token(field_of(got, "Connection"), "upgrade")) return fail("Connection: Upgrade", "none");
    if (!decoded || decoded->size() != 16) return fail("a key of 16 bytes", "Sec-WebSocket-Key: " + key);
    if (field_of(got, "Sec-WebSocket-Version") != "13") return fail("Sec-WebSocket-Version: 13", "none");
    x_key = key;
    x_output.push_back(filled(opening().bytes()));
    x_new_piece = !x_case.at_once;
    x_stage = stage::steps;
    const std::string answered = field_of(opening().bytes(), "Sec-WebSocket-Extensions").value_or("");
    const std::string offered = field_of(got, "Sec-WebSocket-Extensions").value_or("");
    if (x_case.needs_deflate && !agree(offered, answered)) return;
    if (!x_steps.empty() && x_steps[0].what == kind::refused) // sends what would show that it was not
        for (std::size_t i = 1; i < x_steps.size(); ++i)
            for (const frame& each : x_steps[i].frames) append(each);
}

void judge::read_response(std::string_view got) {
    const std::string_view line = got.substr(0, got.find("\r\n"));
    const std::string status(line.substr(0, line.find(' ') + 4));
    const unsigned code = line.starts_with("HTTP/1.") && line.size() >= 12 ? static_cast<unsigned>(std::stoul("0" + status.substr(9))) : 0;
    const bool refusal = !x_steps.empty() && x_steps[0].what == kind::refused;
    if (refusal) {
        const step& now = x_steps[0];
        std::string wanted = "HTTP status";
        for (const unsigned each : now.codes) wanted += (each == now.codes[0] ? " " : " or ") + std::to_string(each);
        if (code == 101 && holds(now.allowed, 101)) return note(wanted, std::string(line)), finish();
        if (code == 0 || code == 101) return differs(wanted, std::string(line));
        if (!holds(now.codes, code)) {
            if ((code < 400 || code > 599) && !holds(now.allowed, code)) return differs(wanted, std::string(line));
            note(wanted, std::string(line));
        }
        const std::size_t colon = now.field.find(':');
        if (colon != now.field.npos && !has_token(field_of(got, now.field.substr(0, colon)), trimmed(now.field).substr(colon + 2)))
            return differs("the field " + now.field, "a response without it");
        x_stopped = true;
        return finish();
    }
    const bool declined = !x_steps.empty() && x_steps[0].what == kind::declined;
    if (code == 400 && declined) return note("the handshake without an extension", std::string(line)), finish();
    if (code != 101) return differs("HTTP status 101", std::string(line));
    if (lower(field_of(got, "Upgrade").value_or("")) != "websocket") return fail("Upgrade: websocket", "none");
    if (!has_token(field_of(got, "Connection"), "upgrade")) return fail("Connection: Upgrade", "none");
    const std::string accept = field_of(got, "Sec-WebSocket-Accept").value_or("");
    if (accept != accept_for(x_key)) return fail("Sec-WebSocket-Accept: " + accept_for(x_key), accept.empty() ? "none" : accept);
    const auto chosen = field_of(got, "Sec-WebSocket-Protocol");
    const std::string bytes = opening().bytes();
    if (chosen && !has_token(field_of(bytes, "Sec-WebSocket-Protocol"), lower(*chosen)))
        return fail("no subprotocol that was not offered", "Sec-WebSocket-Protocol: " + *chosen);
    const std::string extensions = field_of(got, "Sec-WebSocket-Extensions").value_or("");
    const std::string offered = field_of(bytes, "Sec-WebSocket-Extensions").value_or("");
    for (std::size_t at = 0; at < extensions.size();) { // their names, without parameters
        const std::size_t comma = std::min(extensions.find(',', at), extensions.size());
        const std::string_view each = std::string_view(extensions).substr(at, comma - at);
        if (offered.find(trimmed(each.substr(0, each.find(';')))) == offered.npos)
            return fail("no extension that was not offered", "Sec-WebSocket-Extensions: " + extensions);
        at = comma + 1;
    }
    x_stage = stage::steps;
    if (x_case.needs_deflate) agree(offered, extensions);
}

// What both sides have said about compression; false when that is the end.
bool judge::agree(const std::string& offered, const std::string& answered) {
    const kind first = x_steps.empty() ? kind::send : x_steps[0].what;
    const auto offer = [&](std::size_t at) {
        return read_parameters(trimmed(std::string_view(offered).substr(at, offered.find(',', at) - at)), true);
    };
    if (!we_are_client() && offered.find("permessage-deflate") == offered.npos)
        return conclude(verdict::allowed, "permessage-deflate is offered", "no such offer"), false;
    if (first == kind::refused) return true;
    if (first == kind::declined) {
        if (!answered.empty()) return differs("no extension, since what was offered is none", answered), false;
        ++x_at;
        return true;
    }
    const auto answer = read_parameters(answered, false);
    if (we_are_client() && answered.empty()) return conclude(verdict::allowed, "permessage-deflate is accepted", "no extension"), false;
    if (!answer) return fail("parameters as RFC 7692 has them", answered), false;
    std::string problem = "answers no offer";
    for (std::size_t at = 0; !problem.empty() && at <= offered.size();) {
        if (const auto each = offer(at)) problem = judge_answer(*each, *answer);
        const std::size_t comma = offered.find(',', at);
        at = comma == offered.npos ? offered.size() + 1 : comma + 1;
    }
    if (!problem.empty() && !we_are_client()) // the case is not for this client
        return conclude(verdict::allowed, "an offer of what this case answers with", offered), false;
    if (!problem.empty()) return fail("an answer that fits the offer " + offered, "it " + problem + ": " + answered), false;
    x_codec.emplace(*answer, we_are_client());
    return true;
}

// --- frames ---

void judge::append(frame what) {
    if (what.compressed && x_codec) {
        if (what.index == 0) x_compressed = x_codec->compress(what.payload);
        const std::size_t from = x_compressed.size() * what.index / what.pieces;
        what.payload = x_compressed.substr(from, x_compressed.size() * (what.index + 1) / what.pieces - from);
        if (what.index == 0) what.bits = 4;
        else what.opcode = continuation_code;
        what.fin = what.index + 1 == what.pieces;
    }
    x_sent_behind_close |= x_close_sent;
    if (what.opcode == close_code && !what.is_raw) x_close_sent = true;
    if (std::exchange(x_new_piece, false) || x_output.empty()) x_output.emplace_back();
    append_frame(x_output.back(), std::move(what), we_are_client(), next_key());
}

void judge::read_frames() {
    while (!over()) {
        std::optional<received_frame> got = x_reader.next();
        if (!x_reader.problem().empty()) return fail("frames as RFC 6455, 5.2, has them", x_reader.problem());
        if (!got) return;
        take_frame(std::move(*got));
    }
}

// Holds it to the rules that are the same for every case.
void judge::take_frame(received_frame got) {
    const frame shape{.opcode = got.opcode, .payload = got.payload.substr(0, 100)};
    const bool is_control = got.opcode >= 8;
    if (x_close_came) return fail("nothing behind its close frame", describe(shape));
    if (got.is_masked && we_are_client()) return fail("frames that are not masked, from a server", "a mask");
    if (!got.is_masked && !we_are_client()) return fail("masked frames, from a client", "no mask");
    if (got.is_masked) x_keys.push_back(got.key);
    const bool may_be_compressed = x_codec && got.bits == 4 && (got.opcode == text_code || got.opcode == binary_code);
    if (got.bits && !may_be_compressed)
        return fail("reserved bits not set", "reserved bits " + std::to_string(got.bits) + " in " + describe(shape));
    if ((got.opcode > 2 && got.opcode < 8) || got.opcode > 10) return fail("no reserved opcode", std::to_string(got.opcode));
    if (is_control && !got.fin) return fail("control frames in one piece", "a fragment of " + describe(shape));
    if (is_control && got.payload.size() > 125) return fail("control frames up to 125 bytes", describe(shape));
    if (got.opcode == ping_code) {
        if (!x_close_sent) append(pong(got.payload));
    } else if (got.opcode == pong_code) {
        x_seen.push_back({item::kind::pong, pong(std::move(got.payload))});
    } else if (got.opcode == close_code) {
        x_close_came = true;
        if (got.payload.size() == 1) return fail("a close frame with a code or without", "a payload of one byte");
        unsigned code = no_code;
        if (!got.payload.empty()) {
            code = static_cast<unsigned char>(got.payload[0]) * 256u + static_cast<unsigned char>(got.payload[1]);
            if (!may_be_sent(code)) return fail("a close code that may be sent", describe_code(code));
            if (!is_utf8(std::string_view(got.payload).substr(2))) return fail("a reason in UTF-8", shown(got.payload.substr(2)));
        }
        x_seen.push_back({item::kind::message, close_of(std::move(got.payload)), code});
    } else if ((got.opcode == continuation_code) != x_in_message) {
        fail(x_in_message ? "a continuation" : "the beginning of a message", describe(shape));
    } else {
        if (!x_in_message) {
            x_message = {.opcode = got.opcode};
            x_is_compressed = got.bits;
        }
        if (x_message.payload.empty()) x_message.payload = std::move(got.payload);
        else x_message.payload += got.payload;
        x_in_message = !got.fin;
        if (got.fin) add_message(std::exchange(x_message, {}));
    }
}

void judge::add_message(frame whole) {
    if (x_is_compressed) {
        std::optional<std::string> inflated = x_codec->inflate(whole.payload);
        if (!inflated) return fail("a message that can be inflated as was agreed upon", describe(whole));
        whole.payload = std::move(*inflated);
    }
    if (whole.opcode == text_code && !is_utf8(whole.payload)) return fail("text in UTF-8", describe(whole));
    x_seen.push_back({item::kind::message, std::move(whole)});
}

// --- the verdict ---

void judge::note(std::string expected, std::string got) {
    if (x_outcome.how == verdict::passed) x_outcome.how = verdict::allowed;
    if (x_outcome.expected.ends_with(expected) && x_outcome.got.ends_with(got)) return; // once more
    x_outcome.expected += (x_outcome.expected.empty() ? "" : "; ") + expected;
    x_outcome.got += (x_outcome.got.empty() ? "" : "; ") + got;
}

void judge::conclude(verdict how, std::string expected, std::string got) {
    if (over()) return;
    note(std::move(expected), std::move(got));
    if (how > x_outcome.how) x_outcome.how = how;
    finish();
}

} // namespace conformance
