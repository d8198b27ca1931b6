// RFC 7692 negotiation: what our client offers our server can answer and our client takes the answer; what is written
// reads back; a stranger's parameters are taken exactly when a slow reader takes them, and never beyond what was offered.
#include "support.hpp"

#include <weir/protocol/ws/deflate_parameters.hpp>

namespace extension_target {

using namespace weir;
using parameters = ws::deflate_parameters;

static std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.erase(0, 1);
    return text;
}
static std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> all(1);
    for (const char c : text) {
        if (c == at) all.emplace_back();
        else all.back() += c;
    }
    for (std::string& each : all) each = trimmed(each);
    return all;
}
static bool token(const std::string& text) {
    for (const char c : text)
        if (c <= 32 || c >= 127 || std::strchr("()<>@,;:\\\"/[]?={}", c)) return false; // above ASCII: negative
    return !text.empty();
}

// One element without quotes; false for what RFC 7692 section 7.1 has declined.
static bool read_slowly(const std::string& element, bool in_offer, parameters& into) {
    const std::vector<std::string> parts = split(element, ';');
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const std::size_t equals = parts[i].find('=');
        const std::string name = trimmed(parts[i].substr(0, equals));
        const bool has_value = equals != std::string::npos;
        const std::string value = has_value ? trimmed(parts[i].substr(equals + 1)) : std::string();
        if (!token(name) || (has_value && !token(value))) return false;
        if (name == "server_no_context_takeover" || name == "client_no_context_takeover") {
            bool& flag = name[0] == 's' ? into.server_no_context_takeover : into.client_no_context_takeover;
            if (flag || has_value) return false;
            flag = true;
        } else if (name == "server_max_window_bits" || name == "client_max_window_bits") {
            std::optional<int>& bits = name[0] == 's' ? into.server_max_window_bits : into.client_max_window_bits;
            if (bits || (!has_value && (name[0] == 's' || !in_offer))) return false;
            bits = 15;
            if (!has_value) continue;
            bool found = false;
            for (int number = 8; number <= 15; ++number) {
                if (value != std::to_string(number)) continue;
                bits = number;
                found = true;
            }
            if (!found) return false;
        } else {
            return false;
        }
    }
    return true;
}

static compression_options options_from(fuzz::input& in) {
    compression_options how;
    how.window_bits = static_cast<int>(8 + in.byte() % 8);
    how.peer_window_bits = static_cast<int>(8 + in.byte() % 8);
    const std::uint8_t flags = in.byte();
    how.context_takeover = flags & 1;
    how.peer_context_takeover = flags & 2;
    return how;
}

static void check_bits(std::optional<int> bits) { fuzz::require(!bits || (*bits >= 8 && *bits <= 15), "8 to 15"); }

// `agreed` is an answer to `offer` that RFC 7692 allows.
static void check_answer(const parameters& offer, const parameters& agreed) {
    check_bits(agreed.server_max_window_bits);
    check_bits(agreed.client_max_window_bits);
    fuzz::require(!offer.server_no_context_takeover || agreed.server_no_context_takeover, "7.1.1.1");
    fuzz::require(!offer.server_max_window_bits || agreed.server_max_window_bits.value_or(15) <= *offer.server_max_window_bits, "7.1.2.1");
    fuzz::require(!agreed.client_max_window_bits ||
                      (offer.client_max_window_bits && *agreed.client_max_window_bits <= *offer.client_max_window_bits), "7.1.2.2");
}

static void ours(fuzz::input& in) {
    const compression_options client = options_from(in), server = options_from(in);
    const parameters offer = ws::offer_deflate(client);
    http::fields request;
    fuzz::require(request.add("Sec-WebSocket-Extensions", ws::to_text(offer, true)), "an offer can be sent");
    const auto read = ws::parse_deflate(ws::to_text(offer, true), true);
    fuzz::require(read && *read == offer, "an offer reads back");
    const auto answer = ws::accept_deflate(request, server);
    fuzz::require(answer.has_value(), "our server takes our client's offer");
    check_answer(offer, *answer);
    const auto back = ws::parse_deflate(ws::to_text(*answer, false), false);
    fuzz::require(back && *back == *answer, "an answer reads back");
    http::fields response;
    fuzz::require(response.add("Sec-WebSocket-Extensions", ws::to_text(*answer, false)), "an answer can be sent");
    const auto agreed = ws::confirm_deflate(response, offer);
    fuzz::require(agreed && *agreed && **agreed == *answer, "our client takes our server's answer");
}

static void strangers(fuzz::input& in) {
    const compression_options own = options_from(in);
    const bool is_offer = in.flag();
    const std::string value(in.take_all());
    http::fields fields;
    std::vector<std::string> elements;
    for (const std::string& line : split(value, '\n')) {
        if (!fields.add("Sec-WebSocket-Extensions", line)) return;
        for (const std::string& each : split(line, ','))
            if (!each.empty()) elements.push_back(each);
    }
    (void)ws::extensions_well_formed(fields);
    const bool quotes = value.find('"') != std::string::npos;

    std::optional<parameters> expected;
    bool wrong = false;
    const parameters offer = ws::offer_deflate(own);
    for (const std::string& each : elements) {
        const std::string name = split(each, ';')[0];
        parameters read;
        const bool reads = read_slowly(each, is_offer, read);
        if (is_offer) {
            if (name == parameters::name && reads && !expected) expected = ws::answer_deflate(read, own);
        } else {
            const int most = offer.server_max_window_bits.value_or(15);
            const bool fits = (!offer.server_no_context_takeover || read.server_no_context_takeover) &&
                              read.server_max_window_bits.value_or(15) <= most &&
                              read.client_max_window_bits.value_or(0) <= offer.client_max_window_bits.value_or(0);
            wrong = wrong || name != parameters::name || !reads || expected || !fits;
            expected = read;
        }
    }
    if (is_offer) {
        const auto answer = ws::accept_deflate(fields, own);
        if (!quotes) fuzz::require(answer == expected, "takes the first offer that it can");
        if (answer) {
            check_bits(answer->server_max_window_bits);
            check_bits(answer->client_max_window_bits);
        }
        return;
    }
    const auto agreed = ws::confirm_deflate(fields, offer);
    if (agreed && *agreed) check_answer(offer, **agreed);
    if (!agreed)
        fuzz::require((agreed.error() == errc::bad_extension || agreed.error() == errc::bad_extension_parameters) &&
                          !agreed.error().context().empty(), "a documented error, explained");
    if (quotes) return;
    fuzz::require(agreed.has_value() == !wrong, "takes exactly the answers that fit");
    if (agreed) fuzz::require(*agreed == expected, "as they were");
}

} // namespace extension_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    if (in.flag()) extension_target::ours(in);
    else extension_target::strangers(in);
    return 0;
}
