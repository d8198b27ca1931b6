#include "reference.hpp"

#include <algorithm>

namespace conformance {

namespace {

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char each) {
        return each > ' ' && each < 0x7F && std::string_view("()<>@,;:\\\"/[]?={}").find(each) == std::string_view::npos;
    });
}

// RFC 6455, 9.1: names with parameters, whose values may be in quotes and are tokens all the same.
bool is_extension_list(std::string_view text) {
    while (!text.empty()) {
        std::string_view element = text.substr(0, text.find(','));
        text.remove_prefix(std::min(element.size() + 1, text.size()));
        for (bool is_name = true; !element.empty(); is_name = false) {
            std::string_view part = element.substr(0, element.find(';'));
            element.remove_prefix(std::min(part.size() + 1, element.size()));
            const std::size_t equal = is_name ? part.npos : part.find('=');
            if (!is_token(trimmed(part.substr(0, equal)))) return false;
            if (equal == part.npos) continue;
            std::string_view value = trimmed(part.substr(equal + 1));
            if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
            if (!is_token(value)) return false;
        }
    }
    return true;
}

// UTF-8 by the arithmetic of it, so that each rule can be left out.
bool is_text(std::string_view text, bool complete, defect without) {
    for (std::size_t i = 0; i < text.size();) {
        const unsigned first = static_cast<unsigned char>(text[i++]);
        const unsigned more = first < 0x80 ? 0 : first < 0xC0 ? 9 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF8 ? 3 : 9;
        if (more == 9) return false;
        unsigned point = more == 0 ? first : first & (0x3F >> more);
        unsigned k = 0;
        for (; k < more && i < text.size(); ++k) {
            const unsigned next = static_cast<unsigned char>(text[i]);
            if ((next & 0xC0) != 0x80) return false;
            point = point << 6 | (next & 0x3F);
            ++i;
        }
        // What the bits that are still to come can make of it.
        const unsigned missing = 6 * (more - k);
        const unsigned least = point << missing, most = least | ((1u << missing) - 1);
        const unsigned first_of_length = more == 0 ? 0 : more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
        if (most < first_of_length && without != defect::accepts_overlong) return false;
        if (least >= 0xD800 && most <= 0xDFFF && without != defect::accepts_surrogates) return false;
        if (least > 0x10FFFF && without != defect::accepts_beyond_unicode) return false;
        if (k < more) return !complete;
    }
    return true;
}

} // namespace

reference_peer::reference_peer(side role, defect what, std::uint64_t message_limit, bool deflate)
    : x_role(role), x_defect(what), x_limit(message_limit), x_deflate(deflate) {
    if (is_server()) return;
    x_key = base64("sixteen bytes! !");
    x_output = "GET / HTTP/1.1\r\nHost: suite\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: " + x_key + "\r\n" +
               (x_deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n" : "\r\n");
}

void reference_peer::receive(std::string_view bytes) {
    if (x_over) return;
    x_input += bytes;
    x_seen_one = false;
    if (!x_open) read_head();
    while (x_open && !x_over && read_frame()) {}
}

void reference_peer::peer_ended() {
    x_over = true;
    if (!is(defect::keeps_stream_open)) x_ended = true;
}

// --- the opening handshake ---

unsigned reference_peer::parsed_head::count(std::string_view name) const {
    return static_cast<unsigned>(std::count_if(fields.begin(), fields.end(), [&](const auto& each) { return each.first == name; }));
}

std::string reference_peer::parsed_head::get(std::string_view name) const {
    std::string all;
    for (const auto& [each, value] : fields)
        if (each == name) all += (all.empty() ? "" : ", ") + value;
    return all;
}

bool reference_peer::parsed_head::has_token(std::string_view name, std::string_view token) const {
    const std::string list = lower(get(name));
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t comma = std::min(list.find(',', at), list.size());
        if (trimmed(std::string_view(list).substr(at, comma - at)) == token) return true;
        at = comma + 1;
    }
    return false;
}

std::optional<reference_peer::parsed_head> reference_peer::parse_head(std::string_view text) {
    parsed_head made;
    made.line = text.substr(0, text.find("\r\n"));
    for (std::size_t at = made.line.size() + 2; at < text.size();) {
        const std::size_t end = text.find("\r\n", at);
        const std::string_view line = text.substr(at, end - at);
        const std::size_t colon = line.find(':');
        if (colon == line.npos || !is_token(line.substr(0, colon))) return {};
        const std::string_view value = trimmed(line.substr(colon + 1));
        for (const char each : value)
            if ((each >= 0 && each < ' ' && each != '\t') || each == 0x7F) return {};
        made.fields.emplace_back(lower(line.substr(0, colon)), value);
        at = end + 2;
    }
    return made;
}

void reference_peer::read_head() {
    const std::size_t end = x_input.find("\r\n\r\n");
    if (end == x_input.npos) {
        if (x_input.size() > 16384 || (!is_server() && x_input.substr(0, 5) != std::string_view("HTTP/").substr(0, x_input.size()))) {
            x_over = true;
            x_ended = true;
        }
        return;
    }
    const std::string head = x_input.substr(0, end + 2);
    x_input.erase(0, end + 4);
    if (is_server())
        judge_request(parse_head(head));
    else
        judge_response(parse_head(head));
    if (is(defect::loses_bytes_behind_head)) x_input.clear();
}

void reference_peer::refuse(const char* status, const char* fields) {
    x_output += std::string("HTTP/1.1 ") + status + "\r\nContent-Length: 0\r\nConnection: close\r\n" + fields + "\r\n";
    x_over = x_ended = true;
}

void reference_peer::judge_request(const std::optional<parsed_head>& got) {
    if (!got) return refuse("400 Bad Request");
    const std::string& line = got->line;
    const std::size_t blank = line.find(' '), last = line.rfind(' ');
    const std::string version = last == line.npos ? "" : line.substr(last + 1);
    if (blank == last || !version.starts_with("HTTP/")) return refuse("400 Bad Request");
    if (version != "HTTP/1.1" && !(version == "HTTP/1.0" && is(defect::takes_http_1_0))) return refuse("505 HTTP Version Not Supported");
    if (line.substr(0, blank) != "GET" && !is(defect::takes_any_method)) return refuse("405 Method Not Allowed", "Allow: GET\r\n");
    if (got->count("host") != 1) return refuse("400 Bad Request");
    if (!got->has_token("upgrade", "websocket")) return refuse("426 Upgrade Required", "Upgrade: websocket\r\n");
    if (!got->has_token("connection", "upgrade")) return refuse("400 Bad Request");
    if (!is_extension_list(got->get("sec-websocket-extensions"))) return refuse("400 Bad Request");
    if (got->count("transfer-encoding")) return refuse("400 Bad Request");
    const bool is_13 = got->count("sec-websocket-version") == 1 && got->get("sec-websocket-version") == "13";
    if (!is_13 && !is(defect::takes_any_version))
        return refuse("426 Upgrade Required", is(defect::answers_426_without_version) ? "" : "Sec-WebSocket-Version: 13\r\n");
    const auto key = unbase64(got->get("sec-websocket-key"));
    const bool is_key = got->count("sec-websocket-key") == 1 && key && key->size() == 16;
    if (!is_key && !is(defect::takes_any_key)) return refuse("400 Bad Request");
    const std::string extension = choose_parameters(got->get("sec-websocket-extensions"));
    x_output += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
                accept_for(got->get("sec-websocket-key") + (is(defect::sends_wrong_accept) ? " " : "")) + "\r\n" +
                (is(defect::invents_subprotocol) ? "Sec-WebSocket-Protocol: invented\r\n" : "") +
                (is(defect::invents_extension) ? "Sec-WebSocket-Extensions: x-invented\r\n" : "") +
                (extension.empty() ? "" : "Sec-WebSocket-Extensions: " + extension + "\r\n") + "\r\n";
    x_open = true;
}

void reference_peer::judge_response(const std::optional<parsed_head>& got) {
    const bool is_101 = got && got->line.starts_with(is(defect::takes_any_status) ? "HTTP/1.1 " : "HTTP/1.1 101 ");
    const bool is_accepted = got && ((got->count("sec-websocket-accept") == 1 && got->get("sec-websocket-accept") == accept_for(x_key)) ||
                                     is(defect::takes_any_accept));
    x_open = is_101 && is_accepted && lower(got->get("upgrade")) == "websocket" && got->has_token("connection", "upgrade") &&
             (!got->count("sec-websocket-protocol") || is(defect::takes_any_subprotocol)) &&
             (accept_parameters(got->get("sec-websocket-extensions")) || is(defect::takes_any_extension));
    x_over = x_ended = !x_open;
}

// The answer to the first offer that can be accepted.
std::string reference_peer::choose_parameters(const std::string& offers) {
    if (!x_deflate) return {};
    for (std::size_t at = 0; at < offers.size();) {
        const std::size_t comma = std::min(offers.find(',', at), offers.size());
        std::optional<deflate_parameters> offer = read_parameters(trimmed(std::string_view(offers).substr(at, comma - at)), true);
        if (!offer && is(defect::takes_any_parameters)) offer.emplace();
        at = comma + 1;
        if (!offer) continue;
        std::string answer = "permessage-deflate";
        if (offer->server_no_context_takeover && !is(defect::forgets_to_answer_no_context)) answer += "; server_no_context_takeover";
        if (offer->client_no_context_takeover) answer += "; client_no_context_takeover";
        if (offer->server_max_window_bits) answer += "; server_max_window_bits=" + std::to_string(*offer->server_max_window_bits);
        if (offer->client_max_window_bits) answer += "; client_max_window_bits=" + std::to_string(*offer->client_max_window_bits);
        agree(*offer);
        return answer;
    }
    return {};
}

// What the server chose of "permessage-deflate; client_max_window_bits".
bool reference_peer::accept_parameters(const std::string& answer) {
    if (answer.empty()) return true;
    if (!x_deflate) return false;
    std::optional<deflate_parameters> chosen = read_parameters(answer, false);
    if (!chosen && is(defect::takes_any_parameters)) chosen.emplace();
    if (chosen) agree(*chosen);
    return chosen.has_value();
}

void reference_peer::agree(deflate_parameters all) {
    std::optional<int>& own = is_server() ? all.server_max_window_bits : all.client_max_window_bits;
    std::optional<int>& other = is_server() ? all.client_max_window_bits : all.server_max_window_bits;
    if (is(defect::compresses_with_more_window)) own = 15;
    if (is(defect::inflates_with_less_window)) other = 8;
    if (is(defect::keeps_context)) (is_server() ? all.server_no_context_takeover : all.client_no_context_takeover) = false;
    if (is(defect::forgets_context)) (is_server() ? all.client_no_context_takeover : all.server_no_context_takeover) = true;
    x_codec.emplace(all, !is_server());
}

// --- frames in ---

// Everything about the first two bytes that can be wrong, as soon as they are there.
bool reference_peer::check_start() {
    const unsigned first = static_cast<unsigned char>(x_input[0]);
    const unsigned code = first & 15;
    const bool fin = first & 0x80;
    const bool is_control = code >= 8, in_message = x_message_type != continuation_code;
    const bool compresses = x_codec && (first & 0x70) == 0x40 &&
                            (code == text_code || code == binary_code ||
                             (code == continuation_code && is(defect::accepts_bits_on_continuations)));
    if ((first & 0x70) && !compresses && !is(defect::accepts_reserved_bits) && !is(defect::echoes_reserved_bits)) return false;
    if (((code > 2 && code < 8) || code > 10)) {
        if (!is(defect::accepts_reserved_opcodes)) return false;
    } else if (is_control) {
        if (!fin && !is(defect::accepts_fragmented_control)) return false;
    } else if (code == continuation_code) {
        if (!in_message && !is(defect::accepts_stray_continuations)) return false;
    } else if (in_message && !is(defect::accepts_message_in_message)) {
        return false;
    }
    if (x_input.size() < 2) return true;
    const unsigned second = static_cast<unsigned char>(x_input[1]);
    if (is_control && (second & 0x7F) > 125 && !is(defect::accepts_long_control) && !is(defect::accepts_long_lengths)) return false;
    return ((second & 0x80) != 0) == is_server() || is(defect::accepts_wrong_masking);
}

bool reference_peer::read_frame() {
    if (x_in_frame) return read_payload();
    if (x_input.empty()) return false;
    if (is(defect::drops_second_message) && x_seen_one && (x_input[0] & 15) <= 2) {
        x_input.clear();
        return false;
    }
    if (!check_start()) return fail(1002), false;
    const auto byte = [&](std::size_t at) { return static_cast<std::uint64_t>(static_cast<unsigned char>(x_input[at])); };
    if (x_input.size() < 2) return false;
    const std::size_t more = (byte(1) & 0x7F) == 126 ? 2 : (byte(1) & 0x7F) == 127 ? 8 : 0;
    if (x_input.size() < 2 + more) return false;
    x_left = byte(1) & 0x7F;
    if (more) x_left = 0;
    for (std::size_t i = 0; i < more; ++i) x_left = x_left << 8 | byte(2 + i);
    const bool is_control = (byte(0) & 15) >= 8;
    if (!more) x_left = byte(1) & 0x7F;
    if (((more == 2 && x_left < 126) || (more == 8 && x_left < 65536)) && !is(defect::accepts_long_lengths)) return fail(1002), false;
    if (is_control && x_left > 125 && !is(defect::accepts_long_control)) return fail(1002), false;
    if (x_left >> 63) {
        if (!is(defect::accepts_64_bit_lengths)) return fail(1002), false;
        x_left &= ~0ull >> 1;
    }
    if (!is_control && !is(defect::has_no_limit) && x_left > x_limit - x_message.size()) return fail(1009), false;
    x_is_masked = byte(1) & 0x80;
    const std::size_t size = 2 + more + (x_is_masked ? 4 : 0);
    if (x_input.size() < size) return false;
    for (std::size_t i = 0; x_is_masked && i < 4; ++i) x_mask[i] = static_cast<unsigned char>(x_input[2 + more + i]);
    x_opcode = byte(0) & 15;
    x_bits = byte(0) >> 4 & 7;
    x_fin = byte(0) & 0x80;
    x_turned = 0;
    x_control.clear();
    x_input.erase(0, size);
    x_in_frame = true;
    if (x_opcode == text_code || x_opcode == binary_code) {
        if (x_message_type == continuation_code) x_message_type = x_opcode, x_is_compressed = x_codec && x_bits == 4;
    } else if (x_opcode == continuation_code && x_message_type == continuation_code) {
        x_message_type = text_code;
    }
    return true;
}

bool reference_peer::read_payload() {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(x_left, x_input.size()));
    if (size == 0 && x_left > 0) return false;
    std::string part = x_input.substr(0, size);
    x_input.erase(0, size);
    if (x_is_masked) part = masked(std::move(part), x_mask, x_turned);
    x_turned += size;
    x_left -= size;
    const bool is_data = x_opcode <= 2;
    (is_data ? x_message : x_control) += part;
    if (is_data && x_message_type == text_code && !is_right_text(x_left == 0 && (x_fin || is(defect::checks_utf8_by_frames))))
        return fail(1007), false;
    if (x_left > 0) return false;
    x_in_frame = false;
    finish_frame();
    return true;
}

bool reference_peer::is_right_text(bool complete) {
    if (x_is_compressed) return true; // that is seen when it is inflated
    if (is(defect::checks_no_utf8) || (is(defect::checks_utf8_at_the_end) && !complete)) return true;
    const std::string_view rest = std::string_view(x_message).substr(x_checked);
    if (!is_text(rest, complete, x_defect)) return false;
    for (std::size_t cut = 0; cut < 4 && cut <= rest.size(); ++cut)
        if (is_text(rest.substr(0, rest.size() - cut), true, x_defect)) {
            x_checked += rest.size() - cut;
            break;
        }
    return true;
}

void reference_peer::finish_frame() {
    if (x_opcode >= 8) return finish_control();
    if (x_opcode > 2) return; // reserved, accepted
    if (!x_fin || (x_turned == 0 && is(defect::ignores_empty_frames))) return;
    std::string message = std::exchange(x_message, {});
    x_checked = 0;
    unsigned bits = is(defect::echoes_reserved_bits) ? x_bits : 0;
    if (x_is_compressed && !is(defect::takes_compressed_for_plain)) {
        std::optional<std::string> inflated = x_codec->inflate(message);
        if (!inflated && is(defect::accepts_bad_compressed_data)) inflated.emplace();
        if (!inflated) return fail(1007);
        if (inflated->size() > x_limit && !is(defect::has_no_limit)) return fail(1009);
        const bool right = x_message_type != text_code || is_text(*inflated, true, x_defect);
        if (!right && !is(defect::checks_no_inflated_text) && !is(defect::checks_no_utf8)) return fail(1007);
        message = std::move(*inflated);
    }
    if (x_codec && !is(defect::takes_compressed_for_plain)) {
        message = x_codec->compress(message);
        bits = 4;
    }
    send(x_message_type, std::move(message), bits);
    x_message_type = continuation_code;
    x_seen_one = true;
    for (std::string& each : x_late_pongs) send(pong_code, std::move(each));
    x_late_pongs.clear();
}

void reference_peer::finish_control() {
    if (x_opcode == close_code) return finish_close();
    if (x_opcode == pong_code && is(defect::answers_pongs)) return send(pong_code, x_control);
    if (x_opcode != ping_code || is(defect::answers_no_ping)) return;
    if (is(defect::answers_with_another_payload)) x_control += '?';
    if (is(defect::answers_ping_behind_message) && x_message_type != continuation_code)
        x_late_pongs.push_back(x_control);
    else
        send(pong_code, x_control.substr(0, 125),
             is(defect::echoes_reserved_bits) ? x_bits : x_codec && is(defect::sends_bits_of_compression_on_pongs) ? 4 : 0);
}

void reference_peer::finish_close() {
    unsigned code = no_code;
    if (x_control.size() == 1 && !is(defect::accepts_one_byte_close)) return fail(1002);
    if (x_control.size() >= 2) {
        code = static_cast<unsigned char>(x_control[0]) * 256u + static_cast<unsigned char>(x_control[1]);
        const bool right = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        if (!right && !is(defect::accepts_bad_close_codes)) return fail(1002);
        if (!right) code = 1000;
        if (!is(defect::checks_no_reason) && !is_text(x_control.substr(2), true, defect::none)) return fail(1007);
    }
    if (!is(defect::answers_no_close)) send_close(is(defect::closes_with_1000) ? 1000 : code);
    if (is(defect::sends_behind_close)) send(text_code, "one more thing");
    if (is(defect::reads_behind_close)) {
        if (x_input.empty()) x_over = true;
    } else {
        x_over = true;
    }
    if (is(defect::answers_no_close) || ((is_server() || is(defect::ends_stream_first)) && !is(defect::keeps_stream_open))) x_ended = true;
}

// --- frames out ---

void reference_peer::send(unsigned opcode, std::string payload, unsigned bits) {
    frame made{.opcode = opcode, .payload = std::move(payload), .bits = bits};
    made.mask_wrong = is(defect::sends_wrong_masking);
    if (is(defect::takes_65535_for_more) && made.payload.size() == 65535) made.length_bytes = 8;
    mask_key key{1, 2, 3, 4};
    if (!is(defect::masks_with_one_key))
        for (unsigned char& each : key) each = static_cast<unsigned char>((x_random = x_random * 1664525 + 1013904223) >> 24);
    append_frame(x_output, std::move(made), !is_server(), key);
}

void reference_peer::send_close(unsigned code) { send(close_code, code == no_code ? std::string() : close(code).payload); }

void reference_peer::fail(unsigned code) {
    if (!is(defect::fails_without_close_frame)) send_close(is(defect::fails_with_1000) ? 1000 : code);
    if (is(defect::sends_behind_close)) send(text_code, "one more thing");
    x_over = true;
    x_ended = !is(defect::keeps_stream_open);
}

} // namespace conformance
