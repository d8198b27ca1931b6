// The opening handshake, both halves: a request that a client makes is accepted by the server and the answer by the
// client, with the same subprotocol; and what either accepts from a stranger has what RFC 6455 asks for.
#include "support.hpp"

#include <weir/protocol/http/head_parser.hpp>
#include <weir/protocol/http/writer.hpp>
#include <weir/protocol/ws/client_handshake.hpp>
#include <weir/protocol/ws/origin.hpp>
#include <weir/protocol/ws/server_handshake.hpp>

#include <algorithm>
#include <array>

namespace handshake_target {

using namespace weir;

template <class Head>
static bool read(std::string_view text, Head& into) {
    const fuzz::exact copy(text);
    bytes_view rest = copy.bytes();
    http::head_parser<Head> parser;
    if (parser.parse(rest) != http::parse_status::done) return false;
    into = parser.take();
    return true;
}

template <class Head>
static Head sent(const Head& head) {
    std::string text;
    fuzz::require(http::append_head(text, head), "what was made can be written");
    Head back;
    if (text.size() > http::head_limits().head_bytes) return head;
    fuzz::require(read(text, back), "and be read");
    return back;
}

static std::string lower(std::string_view text) {
    std::string all(text);
    for (char& each : all)
        if (each >= 'A' && each <= 'Z') each = static_cast<char>(each + 32);
    return all;
}
// The elements of all fields of that name, in lower case, by a slow way of its own (without quoted strings).
static std::vector<std::string> elements(const http::fields& of, std::string_view name) {
    std::vector<std::string> all;
    for (const http::field each : of) {
        if (lower(each.name) != lower(name)) continue;
        std::string text = lower(each.value) + ",", part;
        for (const char c : text) {
            if (c != ',') {
                part += c;
                continue;
            }
            while (!part.empty() && (part.back() == ' ' || part.back() == '\t')) part.pop_back();
            while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.erase(0, 1);
            if (!part.empty()) all.push_back(part);
            part.clear();
        }
    }
    return all;
}
static bool has(const http::fields& of, std::string_view name, std::string_view element) {
    const auto all = elements(of, name);
    return std::find(all.begin(), all.end(), element) != all.end();
}

// A stranger's request.
static void judge(const http::request_head& request) {
    const ws::handshake_refusal refusal = ws::check_request(request);
    (void)ws::same_origin(request);
    if (refusal) {
        fuzz::require(http::to_number(refusal.status) >= 400 && http::to_number(refusal.status) < 500, "the client's fault");
        fuzz::require(!refusal.sentence.empty(), "a refusal says why");
        (void)sent(refusal.head());
        return;
    }
    fuzz::require(request.method == "GET" && request.version_minor == 1, "GET and HTTP/1.1");
    fuzz::require(has(request.fields, "Upgrade", "websocket") || request.fields.get("Upgrade")->find('"') != std::string_view::npos,
                  "Upgrade: websocket");
    fuzz::require(has(request.fields, "Sec-WebSocket-Version", "13"), "version 13");
    fuzz::require(request.fields.get("Sec-WebSocket-Key").value_or("").size() == 24, "a key");
    const auto offered = ws::offered_subprotocols(request);
    for (const std::string_view each : offered) {
        const auto answer = ws::make_response(request, each);
        fuzz::require(answer.has_value(), "each subprotocol that is offered can be chosen");
        const http::response_head back = sent(*answer);
        fuzz::require(back.fields.get("Sec-WebSocket-Protocol") == each, "and is");
    }
    fuzz::require(!ws::make_response(request, "not-offered-by-anybody"), "no other can");
}

// A stranger's response to our request.
static void judge(const http::request_head& request, const http::response_head& response) {
    const result<std::string_view> agreed = ws::check_response(request, response);
    if (!agreed) return;
    fuzz::require(http::to_number(response.status) == 101, "101");
    fuzz::require(has(response.fields, "Upgrade", "websocket") && elements(response.fields, "Upgrade").size() == 1, "Upgrade");
    fuzz::require(response.fields.get("Sec-WebSocket-Accept") == ws::accept_key(*request.fields.get("Sec-WebSocket-Key")), "the proof");
    if (!agreed->empty())
        fuzz::require(has(request.fields, "Sec-WebSocket-Protocol", lower(*agreed)), "a subprotocol that was offered");
    for (const std::string& each : elements(response.fields, "Sec-WebSocket-Extensions"))
        fuzz::require(request.fields.count("Sec-WebSocket-Extensions") > 0 && !each.empty(), "no extension unasked for");
}

// Both halves of ours.
static void shake_hands(fuzz::input& in) {
    std::array<std::byte, 16> entropy;
    for (std::byte& each : entropy) each = std::byte(in.byte());
    const std::size_t sizes[] = {in.up_to(31), in.up_to(31), in.up_to(15), in.up_to(15), in.up_to(15), in.up_to(31)};
    const std::size_t chosen = in.up_to(3);
    const std::string_view host = in.take(sizes[0]), target = in.take(sizes[1]);
    const std::string_view names[] = {in.take(sizes[2]), in.take(sizes[3])};
    const http::field more[] = {{in.take(sizes[4]), in.take(sizes[5])}};
    ws::client_offer offer{.host = host, .target = target};
    offer.subprotocols = std::span(names).first(in.up_to(2));
    offer.fields = std::span(more).first(in.up_to(1));
    const result<http::request_head> made = ws::make_request(offer, entropy);
    if (!made) {
        const error& why = made.error();
        fuzz::require(why == errc::bad_host || why == errc::bad_url || why == errc::bad_subprotocol ||
                          why == errc::bad_extension || why == errc::bad_field,
                      "a documented error");
        return;
    }
    const http::request_head request = sent(*made);
    fuzz::require(request.target == target, "the target as it was");
    fuzz::require(!ws::check_request(request), "our server accepts our client");
    const auto offered = ws::offered_subprotocols(request);
    fuzz::require(std::equal(offered.begin(), offered.end(), offer.subprotocols.begin(), offer.subprotocols.end()),
                  "the subprotocols as they were");
    const std::string_view choice = chosen < offered.size() ? offered[chosen] : std::string_view();
    const result<http::response_head> answer = ws::make_response(request, choice);
    fuzz::require(answer.has_value(), "what is offered can be chosen");
    const http::response_head received = sent(*answer);
    const result<std::string_view> agreed = ws::check_response(*made, received);
    fuzz::require(agreed && *agreed == choice, "our client accepts our server");
}

} // namespace handshake_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace handshake_target;
    fuzz::input in(data, size);
    const std::uint8_t how = in.byte();
    if (how % 3 == 0) {
        shake_hands(in);
    } else if (how % 3 == 1) {
        http::request_head head;
        if (read(in.take_all(), head)) judge(head);
    } else {
        static const std::string_view names[] = {"chat", "superchat"};
        static const std::byte entropy[16] = {};
        static const http::request_head request =
            *ws::make_request({.host = "a", .subprotocols = names, .extensions = "permessage-deflate; client_max_window_bits"}, entropy);
        http::response_head head;
        if (read(in.take_all(), head)) judge(request, head);
    }
    return 0;
}
