// Messages that are known from their numbers: text with everything in it that an envelope escapes, and binary.
#pragma once

#include "support.hpp"

#include <weir/transport/message.hpp>

namespace fuzz {

// `salt`: of whom it is. Most are short, some have up to `most` bytes or a few more.
inline weir::owned_message numbered_message(std::uint64_t salt, std::uint64_t number, std::size_t most) {
    static constexpr std::string_view words[] = {"a", "\\", "\n", "\r\n", " ", "\xC3\xBC", "t1 ", "\xF0\x9F\x98\x80", "\\n", "="};
    dice of(number * 16 + salt);
    weir::owned_message made{std::to_string(salt) + '.' + std::to_string(number) + ' ', of.roll() % 3 != 0};
    const std::size_t size = of.roll() % 16 == 0 ? of.roll() % most : of.roll() % 40;
    while (made.data.size() < size) {
        if (made.is_text) made.data += words[of.roll() % std::size(words)];
        else made.data += static_cast<char>(of.roll());
    }
    return made;
}

inline void require_numbered(const weir::message& got, std::uint64_t salt, std::uint64_t number, std::size_t most) {
    const weir::owned_message due = numbered_message(salt, number, most);
    require(got.text() == due.data && got.is_text() == due.is_text, "messages come once, in order, as they were");
}

} // namespace fuzz
