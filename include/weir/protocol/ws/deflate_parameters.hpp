// The parameters of permessage-deflate and how the two sides agree on them (RFC 7692, section 7.1). Needs no zlib.
#pragma once

#include <weir/core/result.hpp>
#include <weir/protocol/ws/compression_options.hpp>
#include <weir/protocol/ws/extension.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace weir::inline v0::ws {

// Of an offer, or of the answer to one. Window bits that are absent leave the window at 15.
struct deflate_parameters {
    static constexpr std::string_view name = "permessage-deflate";

    bool server_no_context_takeover = false;
    bool client_no_context_takeover = false;
    std::optional<int> server_max_window_bits = {}; // 8 to 15
    std::optional<int> client_max_window_bits = {}; // an offer without a value is one with 15

    friend bool operator==(const deflate_parameters&, const deflate_parameters&) noexcept = default;
};

// As it is sent. `client_max_window_bits` of 15 is written without its value, as an offer has it, if `in_offer`.
[[gnu::cold]] inline std::string to_text(const deflate_parameters& all, bool in_offer) {
    std::string text(deflate_parameters::name);
    if (all.server_no_context_takeover) text += "; server_no_context_takeover";
    if (all.client_no_context_takeover) text += "; client_no_context_takeover";
    if (all.server_max_window_bits)
        text.append("; server_max_window_bits=").append(std::to_string(*all.server_max_window_bits));
    if (all.client_max_window_bits) {
        text += "; client_max_window_bits";
        if (!in_offer || *all.client_max_window_bits < 15)
            text.append("=").append(std::to_string(*all.client_max_window_bits));
    }
    return text;
}

// Reads one element of the field. `bad_extension_parameters` for malformed, unknown and repeated parameters and for
// values that they may not have, as the context tells (RFC 7692, section 7.1: such an offer is declined, such an answer
// fails).
[[gnu::cold]] inline result<deflate_parameters> parse_deflate(std::string_view element, bool in_offer) {
    const auto refused = [](const extension_parameter& what, std::string_view why) {
        return error(errc::bad_extension_parameters,
                     concat({"permessage-deflate: ", what.name, what.has_value ? "=" : "", what.value, why}));
    };
    deflate_parameters all;
    extension_reader reader(element);
    extension_parameter each;
    while (reader.next(each)) {
        const bool server = each.name == "server_max_window_bits";
        if (server || each.name == "client_max_window_bits") {
            std::optional<int>& bits = server ? all.server_max_window_bits : all.client_max_window_bits;
            if (bits) return refused(each, " is the second of its name");
            bits = 15;
            if (!each.has_value && (server || !in_offer)) return refused(each, " has no value");
            if (!each.has_value) continue;
            const std::string_view value = each.value; // decimal, without leading zeros
            if (value.size() == 1 && (value == "8" || value == "9"))
                bits = value[0] - '0';
            else if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5')
                bits = 10 + value[1] - '0';
            else
                return refused(each, " is not one of 8 to 15");
        } else if (each.name == "server_no_context_takeover" || each.name == "client_no_context_takeover") {
            bool& flag = each.name[0] == 's' ? all.server_no_context_takeover : all.client_no_context_takeover;
            if (each.has_value) return refused(each, " has a value");
            if (flag) return refused(each, " is the second of its name");
            flag = true;
        } else {
            return refused(each, " is unknown");
        }
    }
    if (reader.malformed()) return error(errc::bad_extension_parameters, "malformed: " + std::string(element));
    return all;
}

// A server's answer to one offer.
[[gnu::cold]] inline deflate_parameters answer_deflate(const deflate_parameters& offer,
                                                       const compression_options& how) noexcept {
    const auto smaller = [](int a, int b) { return a < b ? a : b; };
    deflate_parameters answer;
    answer.server_no_context_takeover = offer.server_no_context_takeover || !how.context_takeover;
    answer.client_no_context_takeover = offer.client_no_context_takeover || !how.peer_context_takeover;
    if (offer.server_max_window_bits)
        answer.server_max_window_bits = smaller(*offer.server_max_window_bits, how.window_bits);
    if (offer.client_max_window_bits && smaller(*offer.client_max_window_bits, how.peer_window_bits) < 15)
        answer.client_max_window_bits = smaller(*offer.client_max_window_bits, how.peer_window_bits);
    return answer;
}

// A server's answer to a request: to the first offer that it can take; nothing if there is none.
[[gnu::cold]] inline std::optional<deflate_parameters> accept_deflate(const http::fields& request,
                                                                      const compression_options& how) {
    std::optional<deflate_parameters> answer;
    request.each_element(extensions_field, [&](std::string_view element) {
        if (extension_reader(element).name() != deflate_parameters::name) return true;
        if (const result<deflate_parameters> offer = parse_deflate(element, true)) answer = answer_deflate(*offer, how);
        return !answer;
    });
    return answer;
}

// What a client offers. It asks for no more than it wants, and tells what it will do anyway.
[[gnu::cold]] inline deflate_parameters offer_deflate(const compression_options& how) noexcept {
    deflate_parameters offer;
    offer.server_no_context_takeover = !how.peer_context_takeover;
    offer.client_no_context_takeover = !how.context_takeover;
    if (how.peer_window_bits < 15) offer.server_max_window_bits = how.peer_window_bits;
    offer.client_max_window_bits = how.window_bits;
    return offer;
}

// What a server took of `offer`; nothing if it took nothing. `bad_extension` for another extension and
// `bad_extension_parameters` for an answer that does not fit, as the context tells.
[[gnu::cold]] inline result<std::optional<deflate_parameters>> confirm_deflate(const http::fields& response,
                                                                               const deflate_parameters& offer) {
    std::optional<deflate_parameters> agreed;
    error wrong;
    const auto unfit = [&](std::string_view why, const std::string& text) {
        wrong = error(errc::bad_extension_parameters, concat({why, ": ", text}));
    };
    response.each_element(extensions_field, [&](std::string_view element) {
        const std::string text(element);
        if (extension_reader(element).name() != deflate_parameters::name) {
            wrong = error(errc::bad_extension, "not offered: " + text);
        } else if (agreed) {
            unfit("a second answer", text);
        } else if (result<deflate_parameters> answer = parse_deflate(element, false); !answer) {
            wrong = std::move(answer).error();
        } else if (offer.server_no_context_takeover && !answer->server_no_context_takeover) { // section 7.1.1.1
            unfit("without the server_no_context_takeover that was asked for", text);
        } else if (offer.server_max_window_bits &&
                   answer->server_max_window_bits.value_or(15) > *offer.server_max_window_bits) { // section 7.1.2.1
            unfit("a larger server_max_window_bits than was asked for", text);
        } else if (answer->client_max_window_bits.value_or(0) > offer.client_max_window_bits.value_or(0)) { // 7.1.2.2
            unfit("a client_max_window_bits that was not offered", text);
        } else {
            agreed = *answer;
        }
        return !wrong;
    });
    if (wrong) return wrong;
    return agreed;
}

} // namespace weir::inline v0::ws
