// The envelope of channels: records, settings, lines and queries are read as slow readers of what README.md in
// protocol/channel says read them, whole and at any cuts; what is appended is read as what it was, and on one line.
#include "reference.hpp"
#include "support.hpp"

#include <weir/protocol/channel/lines.hpp>
#include <weir/protocol/channel/record.hpp>
#include <weir/server/carrier_request.hpp>

#include <optional>

namespace envelope_target {

using namespace weir;
using envelope::kind;
using number = std::optional<std::uint64_t>;

// --- the slow readers ---

static number slow_number(std::string_view digits) {
    if (digits.empty() || digits.find_first_not_of("0123456789") != digits.npos) return {};
    while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
    constexpr std::string_view most = "9007199254740991";
    if (digits.size() > most.size() || (digits.size() == most.size() && digits > most)) return {};
    return std::stoull(std::string(digits));
}

struct slow_record {
    number counted;
    std::string_view id, rest;
};

// `head`: between the letter and the first space.
static std::optional<slow_record> slow_parse(std::string_view text) {
    if (text.empty()) return {};
    const std::size_t space = text.find(' ');
    const bool has_rest = space != text.npos;
    const std::string_view head = text.substr(1, has_rest ? space - 1 : text.npos);
    slow_record made;
    made.rest = has_rest ? text.substr(space + 1) : std::string_view();
    const bool counted = slow_number(head).has_value();
    made.counted = slow_number(head);
    switch (text[0]) {
    case 'o':
        made.id = head;
        made.counted = {};
        if (head.empty()) return {};
        return made;
    case 'h':
        if (text != "h") return {};
        return made;
    case 't':
    case 'b':
        if (head.empty() || (counted && *made.counted > 0)) return made;
        return {};
    case 'x':
        if (head.empty() || counted) return made;
        return {};
    case 'e':
        if (counted) return made;
        return {};
    case 'a':
    case 'r':
        if (counted && !has_rest) return made;
        return {};
    default: return {};
    }
}

static std::optional<std::string> slow_unescape(std::string_view text) {
    std::string made;
    bool escaped = false;
    for (const char each : text) {
        if (!escaped && each == '\\') {
            escaped = true;
            continue;
        }
        if (escaped && each != '\\' && each != 'n' && each != 'r') return {};
        made += !escaped || each == '\\' ? each : each == 'n' ? '\n' : '\r';
        escaped = false;
    }
    if (escaped) return {};
    return made;
}

// RFC 4648, section 4: by the bit.
static std::optional<std::string> slow_base64(std::string_view text) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (text.size() % 4) return {};
    std::string_view padded = text;
    while (!padded.empty() && padded.back() == '=' && text.size() - padded.size() < 2) padded.remove_suffix(1);
    std::string bits;
    for (const char each : padded) {
        const std::size_t value = digits.find(each);
        if (value == digits.npos) return {};
        for (int bit = 5; bit >= 0; --bit) bits += (value >> bit & 1) ? '1' : '0';
    }
    std::string made;
    while (bits.size() >= 8) {
        unsigned byte = 0;
        for (const char bit : bits.substr(0, 8)) byte = byte * 2 + (bit == '1');
        made += static_cast<char>(byte);
        bits.erase(0, 8);
    }
    if (bits.find('1') != bits.npos) return {}; // what padding cuts off must be zero
    return made;
}

static std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> all;
    for (;;) {
        const std::size_t end = text.find(at);
        all.push_back(text.substr(0, end));
        if (end == text.npos) return all;
        text.remove_prefix(end + 1);
    }
}

// --- records ---

static void check_payload(const envelope::record& read) {
    const bool is_text = read.what == kind::text;
    const std::optional<std::string> payload = envelope::payload_of_line(read);
    fuzz::require(payload == (is_text ? slow_unescape(read.rest) : slow_base64(read.rest)), "the payload, or none");
    if (!payload) return;
    std::string line;
    envelope::append_message_line(line, read.number.value_or(1), is_text, as_bytes(*payload));
    fuzz::require(line.find_first_of("\r\n") == line.npos, "a message stands on a line");
    if (read.rest.find_first_of("\r\n") == read.rest.npos)
        fuzz::require(envelope::parse(line)->rest == read.rest, "and is written in one way only");
}

static void check_settings(std::string_view rest) {
    envelope::settings slow;
    for (const std::string_view each : split(rest, ' ')) {
        const std::size_t equals = each.find('=');
        if (equals == each.npos) continue;
        const std::uint64_t value = slow_number(each.substr(equals + 1)).value_or(0);
        if (each.substr(0, equals) == "heartbeat") slow.heartbeat_ms = value;
        if (each.substr(0, equals) == "keep") slow.keep_ms = value;
        if (each.substr(0, equals) == "limit") slow.limit_bytes = value;
    }
    const envelope::settings read = envelope::parse_settings(rest);
    fuzz::require(read.heartbeat_ms == slow.heartbeat_ms && read.keep_ms == slow.keep_ms && read.limit_bytes == slow.limit_bytes,
                  "settings in any order, the last one counts");
    std::string made;
    envelope::append_opened(made, "id", read);
    const result<envelope::record> again = envelope::parse(made);
    fuzz::require(again && again->what == kind::opened && again->id == "id", "an opening comes back");
    const envelope::settings same = envelope::parse_settings(again->rest);
    fuzz::require(same.heartbeat_ms == read.heartbeat_ms && same.keep_ms == read.keep_ms && same.limit_bytes == read.limit_bytes,
                  "and so do its settings");
}

static void check_sentence(const envelope::record& read) {
    std::string made;
    envelope::append_sentence(made, read.what, read.number.value_or(1000), read.rest);
    fuzz::require(made.find_first_of("\r\n") == made.npos, "a sentence stands on a line");
    const result<envelope::record> again = envelope::parse(made);
    fuzz::require(again && again->what == read.what && again->number == read.number.value_or(1000), "a sentence comes back");
    std::string rest(read.rest);
    for (char& each : rest)
        if (each == '\n' || each == '\r') each = ' ';
    fuzz::require(again->rest == rest, "in the same words");
    if (read.what != kind::closed) return;
    const std::uint64_t code = read.number.value_or(1000);
    const bool fine = (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
    const std::optional<ws::close_code> seen = envelope::close_code_of(read);
    fuzz::require(seen.has_value() == fine && (!fine || static_cast<std::uint64_t>(*seen) == code), "a code that may be sent");
}

static void check_record(std::string_view text) {
    const std::optional<slow_record> slow = slow_parse(text);
    const result<envelope::record> read = envelope::parse(text);
    if (text.find(' ') == text.npos ? text.size() > 60 : text.find(' ') > 60) {
        if (!read || !slow) return; // numbers and ids are not that long; what is done with them is not said
        fuzz::require(read->what == kind::opened || !slow->counted || read->number == slow->counted, "a number is that number");
        return;
    }
    fuzz::require(read.has_value() == slow.has_value(), "a record when it is one");
    if (!read) {
        fuzz::require(read.error() == errc::bad_record && !read.error().context().empty(), "and said why it is not");
        return;
    }
    fuzz::require(static_cast<char>(read->what) == text[0], "of its kind");
    fuzz::require(read->number == slow->counted && read->id == slow->id, "with its number or id");
    fuzz::require(read->what == kind::heartbeat || read->rest == slow->rest, "and what follows");
    std::string made;
    switch (read->what) {
    case kind::text:
    case kind::binary: {
        check_payload(*read);
        if (!read->number) break;
        envelope::append_message(made, *read->number, read->what == kind::text, as_bytes(read->rest));
        const result<envelope::record> again = envelope::parse(made);
        fuzz::require(again && again->what == read->what && again->number == read->number && again->rest == read->rest,
                      "a message comes back");
        break;
    }
    case kind::acknowledged:
    case kind::resumed: {
        envelope::append_number(made, read->what, *read->number);
        const result<envelope::record> again = envelope::parse(made);
        fuzz::require(again && again->what == read->what && again->number == read->number, "a number comes back");
        break;
    }
    case kind::closed:
    case kind::failed: check_sentence(*read); break;
    case kind::opened: check_settings(read->rest); break;
    case kind::heartbeat: break;
    }
}

static void check_writing(std::string_view payload, std::uint64_t count) {
    for (const bool is_text : {false, true}) {
        std::string line;
        envelope::append_message_line(line, count, is_text, as_bytes(payload));
        fuzz::require(line.find_first_of("\r\n") == line.npos, "a message stands on a line");
        const result<envelope::record> read = envelope::parse(line);
        fuzz::require(read && read->number == count && read->what == (is_text ? kind::text : kind::binary), "it is read");
        fuzz::require(envelope::payload_of_line(*read) == payload, "and comes back, byte by byte");
    }
}

// --- lines ---

struct lines {
    std::vector<std::string> all;
    bool too_long = false;
    bool operator==(const lines&) const = default;
};

static lines read_lines(std::string_view text, std::size_t limit, std::optional<std::uint8_t> cuts) {
    envelope::line_reader reader(limit);
    lines found;
    const auto use = [&](std::string_view piece) {
        const fuzz::exact copy(piece);
        bytes_view rest = copy.bytes();
        while (reader.next(rest)) found.all.emplace_back(reader.line());
        found.too_long = reader.too_long();
        fuzz::require(found.too_long || rest.empty(), "all is used up");
        fuzz::require(!found.too_long || !reader.next(rest), "what was too long stays so");
        return !found.too_long;
    };
    if (text.empty() || !cuts) use(text);
    else fuzz::cut_up(text, *cuts, use);
    return found;
}

static lines slow_lines(std::string_view text, std::size_t limit) {
    lines found;
    std::string line;
    for (const char each : text) {
        if (each == '\n') {
            if (!line.empty() && line.back() == '\r') line.pop_back();
            found.all.push_back(line);
            line.clear();
        } else if ((line += each).size() > limit) {
            found.too_long = true;
            break;
        }
    }
    return found;
}

// --- queries ---

static void check_query(std::string_view query, std::string_view last_event_id) {
    const detail::carrier_request<> read(query, last_event_id);
    std::string session;
    number ack;
    std::optional<transport_kind> transport;
    bool wrong = false, named = false;
    for (const std::string_view each : split(query, '&')) {
        const std::size_t equals = each.find('=');
        const std::string_view name = each.substr(0, equals), value = equals == each.npos ? std::string_view() : each.substr(equals + 1);
        if (name == "session") {
            session = value;
            named = !value.empty();
            wrong = wrong || value.empty();
        }
        if (name == "ack") {
            ack = slow_number(value);
            wrong = wrong || !ack;
        }
        if (name == "transport") {
            if (value == "polling") transport = transport_kind::polling;
            else if (value == "long-polling") transport = transport_kind::long_polling;
            else if (value == "event-stream") transport = transport_kind::event_stream;
            else if (value == "websocket") transport = transport_kind::websocket;
            else if (!transport) wrong = true;
        }
    }
    if (!last_event_id.empty()) { // "ID.17", or "17"
        const std::size_t dot = last_event_id.rfind('.');
        if (dot != last_event_id.npos) session = last_event_id.substr(0, dot);
        ack = slow_number(dot == last_event_id.npos ? last_event_id : last_event_id.substr(dot + 1));
        wrong = wrong || !ack;
    }
    wrong = wrong || (ack.value_or(0) > 0 && session.empty());
    fuzz::require(read.wrong.empty() == !wrong, "wrong when it is");
    if (wrong) return;
    fuzz::require(read.session == session && read.ack == ack && read.transport == transport, "what the query says");
    fuzz::require(read.names_session == named, "and whether it names the session");
}

} // namespace envelope_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace envelope_target;
    fuzz::input in(data, size);
    const std::uint8_t cuts = in.byte();
    const std::uint8_t bound = in.byte();
    const std::size_t limit = bound & 1 ? bound / 2u : 1024 * 1024;
    const std::uint64_t count = 1 + in.number<std::uint64_t>() % envelope::greatest_number;
    const fuzz::exact copy(in.take_all());
    const std::string_view text = as_text(copy.bytes());

    const lines whole = read_lines(text, limit, {});
    fuzz::require(whole == slow_lines(text, limit), "lines are those of the slow reader");
    fuzz::require(read_lines(text, limit, cuts) == whole, "at any cuts");
    check_record(text);
    for (const std::string& each : whole.all) check_record(each);
    check_writing(text, count);
    check_settings(text);
    const std::size_t line = text.find('\n');
    check_query(text.substr(0, line), line == text.npos ? std::string_view() : text.substr(line + 1));
    fuzz::require(envelope::parse_number(text) == slow_number(text), "a number when it is one");
    return 0;
}
