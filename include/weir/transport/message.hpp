// What is read from a connection: whole messages, or pieces of them.
#pragma once

#include <weir/core/bytes.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0 {

// A message that owns its bytes.
struct owned_message {
    std::string data;
    bool is_text = true;
};

// A view of a whole message, text or binary. Its bytes belong to the connection that it was read from and are valid
// until the next read on it; `take()` makes a copy that stays. Text is valid UTF-8.
class message {
public:
    message() noexcept = default;
    message(bytes_view payload, bool is_text) noexcept : x_payload(payload), x_is_text(is_text) {}
    message(const owned_message& owned) noexcept : x_payload(as_bytes(owned.data)), x_is_text(owned.is_text) {}

    bool is_text() const noexcept { return x_is_text; }
    bool is_binary() const noexcept { return !x_is_text; }
    std::size_t size() const noexcept { return x_payload.size(); }

    // The payload, whatever its type.
    bytes_view bytes() const noexcept { return x_payload; }
    std::string_view text() const noexcept { return as_text(x_payload); }

    owned_message take() const { return {std::string(text()), x_is_text}; }

private:
    bytes_view x_payload;
    bool x_is_text = false;
};

// Prints the payload: `std::cout << *message`.
template <class Stream>
auto operator<<(Stream& to, const message& printed) -> decltype(to << printed.text()) {
    return to << printed.text();
}

// A piece of a message, as it came. Valid like a message. The pieces of a text message are valid UTF-8 together; a
// character may be cut between two of them. A piece may be empty when it is the last.
struct piece {
    bytes_view payload;
    bool is_text = false;
    bool first = false; // the message begins here
    bool last = false;  // the message ends here

    std::string_view text() const noexcept { return as_text(payload); }
};

} // namespace weir::inline v0
