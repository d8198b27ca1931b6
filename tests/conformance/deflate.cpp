#include "deflate.hpp"

#include "wire.hpp"

#if defined(WEIR_WITH_ZLIB)
#include <zlib.h>
#endif

namespace conformance {

namespace {

std::string_view without_spaces(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

} // namespace

std::optional<deflate_parameters> read_parameters(std::string_view element, bool is_offer) {
    deflate_parameters made;
    std::string seen = ";";
    for (bool is_name = true; !element.empty(); is_name = false) {
        const std::string_view part = element.substr(0, element.find(';'));
        element.remove_prefix(part.size() < element.size() ? part.size() + 1 : part.size());
        const std::size_t equal = part.find('=');
        const std::string name(without_spaces(part.substr(0, equal)));
        std::string_view value = equal == part.npos ? std::string_view() : without_spaces(part.substr(equal + 1));
        if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        if (is_name) {
            if (name != "permessage-deflate" || equal != part.npos) return {};
            continue;
        }
        if (seen.find(";" + name + ";") != seen.npos) return {};
        seen += name + ";";
        if (name == "server_no_context_takeover" || name == "client_no_context_takeover") {
            if (equal != part.npos) return {};
            (name[0] == 's' ? made.server_no_context_takeover : made.client_no_context_takeover) = true;
        } else if (name == "server_max_window_bits" || name == "client_max_window_bits") {
            int bits = 0;
            for (int each = 8; each <= 15; ++each)
                if (value == std::to_string(each)) bits = each;
            const bool bare = name[0] == 'c' && is_offer && equal == part.npos;
            if (!bits && !bare) return {};
            if (bare) made.any_client_bits = true;
            else (name[0] == 's' ? made.server_max_window_bits : made.client_max_window_bits) = bits;
        } else {
            return {};
        }
    }
    return made;
}

std::string judge_answer(const deflate_parameters& offer, const deflate_parameters& answer) {
    if (offer.server_no_context_takeover && !answer.server_no_context_takeover) return "lacks server_no_context_takeover";
    if (offer.server_max_window_bits && answer.server_max_window_bits.value_or(15) > *offer.server_max_window_bits)
        return "has a larger server_max_window_bits than was asked for";
    if (answer.client_max_window_bits && !offer.any_client_bits && !offer.client_max_window_bits)
        return "has client_max_window_bits, which were not offered";
    if (answer.client_max_window_bits.value_or(0) > offer.client_max_window_bits.value_or(15))
        return "has larger client_max_window_bits than were offered";
    return {};
}

#if defined(WEIR_WITH_ZLIB)

bool has_deflate() { return true; }

struct deflate_codec::state {
    z_stream out{}, in{};
    bool forgets_out, forgets_in;
};

deflate_codec::deflate_codec(const deflate_parameters& agreed, bool we_are_client) : x_state(new state) {
    const int server_bits = agreed.server_max_window_bits.value_or(15), client_bits = agreed.client_max_window_bits.value_or(15);
    const int out_bits = we_are_client ? client_bits : server_bits;
    // zlib has no window of 8 bits for raw data; with 9 it refers back by 250 bytes at the most.
    deflateInit2(&x_state->out, 6, Z_DEFLATED, out_bits == 8 ? -9 : -out_bits, 8, Z_DEFAULT_STRATEGY);
    inflateInit2(&x_state->in, -(we_are_client ? server_bits : client_bits));
    x_state->forgets_out = we_are_client ? agreed.client_no_context_takeover : agreed.server_no_context_takeover;
    x_state->forgets_in = we_are_client ? agreed.server_no_context_takeover : agreed.client_no_context_takeover;
}

deflate_codec::~deflate_codec() {
    deflateEnd(&x_state->out);
    inflateEnd(&x_state->in);
}

std::string deflate_codec::compress(std::string_view message) {
    if (message.empty()) return std::string(1, '\0'); // 7.2.3.6
    z_stream& to = x_state->out;
    std::string made(deflateBound(&to, static_cast<uLong>(message.size())) + 64, '\0');
    to.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
    to.avail_in = static_cast<uInt>(message.size());
    to.next_out = reinterpret_cast<Bytef*>(made.data());
    to.avail_out = static_cast<uInt>(made.size());
    deflate(&to, Z_SYNC_FLUSH);
    made.resize(made.size() - to.avail_out - 4); // 7.2.1: without the four bytes at the end
    if (x_state->forgets_out) deflateReset(&to);
    return made;
}

std::optional<std::string> deflate_codec::inflate(std::string_view message) {
    z_stream& from = x_state->in;
    std::string input(message), made;
    input.append("\0\0\xFF\xFF", 4);
    from.next_in = reinterpret_cast<Bytef*>(input.data());
    from.avail_in = static_cast<uInt>(input.size());
    for (;;) {
        Bytef part[32]; // so little that what refers back further than the window is noticed
        from.next_out = part;
        from.avail_out = sizeof part;
        const int got = ::inflate(&from, Z_SYNC_FLUSH);
        made.append(reinterpret_cast<char*>(part), sizeof part - from.avail_out);
        if (got == Z_STREAM_END) {
            inflateReset(&from); // a last block; others may follow
            if (from.avail_in <= 4) break;
            continue;
        }
        if (got != Z_OK && got != Z_BUF_ERROR) return {};
        if (from.avail_out > 0) break;
    }
    if (x_state->forgets_in) inflateReset(&from);
    return made;
}

#else

bool has_deflate() { return false; }
struct deflate_codec::state {};
deflate_codec::deflate_codec(const deflate_parameters&, bool) {}
deflate_codec::~deflate_codec() = default;
std::string deflate_codec::compress(std::string_view) { return {}; }
std::optional<std::string> deflate_codec::inflate(std::string_view) { return {}; }

#endif

} // namespace conformance
