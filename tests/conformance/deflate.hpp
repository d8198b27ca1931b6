// The suite's own permessage-deflate (RFC 7692): the parameters that were agreed upon, and both directions of it.
//
// Uses zlib directly. Without it (WEIR_WITH_ZLIB is not defined) there are no cases about compression.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace conformance {

bool has_deflate();

struct deflate_parameters {
    bool server_no_context_takeover = false;
    bool client_no_context_takeover = false;
    std::optional<int> server_max_window_bits = {};
    std::optional<int> client_max_window_bits = {};
    bool any_client_bits = false; // client_max_window_bits without a value
};

// The parameters of an element "permessage-deflate; ..."; nothing for what is malformed, unknown, repeated or out of bounds.
std::optional<deflate_parameters> read_parameters(std::string_view element, bool is_offer);

// What is wrong with an answer to that offer; empty: nothing.
std::string judge_answer(const deflate_parameters& offer, const deflate_parameters& answer);

// One side's codec: compresses what that side sends and inflates what it receives.
class deflate_codec {
public:
    deflate_codec(const deflate_parameters& agreed, bool we_are_client);
    ~deflate_codec();

    std::string compress(std::string_view message);

    // Nothing when it cannot be inflated with no more than the window that was agreed upon.
    std::optional<std::string> inflate(std::string_view message);

private:
    struct state;
    std::unique_ptr<state> x_state;
};

} // namespace conformance
