// The fields of an HTTP head: an ordered list of names and values (RFC 9110 section 5).
//
// All text stands in one string, in the form in which it is sent, beside one vector of offsets: two allocations for a
// head of any size. Views that are handed out are valid until the next call that changes or moves the list.
#pragma once

#include <weir/core/sequence.hpp>
#include <weir/protocol/http/syntax.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::inline v0::http {

// One field, as views into the list that it comes from.
struct field {
    std::string_view name;
    std::string_view value;
};

// Names are compared without regard to case; the order and spelling of what was added is kept.
class fields {
public:
    class iterator {
    public:
        field operator*() const noexcept { return (*x_list)[x_index]; }
        iterator& operator++() noexcept { return ++x_index, *this; }
        bool operator==(const iterator&) const noexcept = default;

    private:
        friend class fields;
        iterator(const fields* list, std::size_t index) noexcept : x_list(list), x_index(index) {}

        const fields* x_list;
        std::size_t x_index;
    };

    std::size_t size() const noexcept { return x_entries.size(); }
    bool empty() const noexcept { return x_entries.empty(); }
    iterator begin() const noexcept { return {this, 0}; }
    iterator end() const noexcept { return {this, size()}; }

    field operator[](std::size_t index) const noexcept {
        assert(index < size());
        const entry& at = x_entries[index];
        const std::string_view text = x_text;
        return {text.substr(at.begin, at.name_bytes), text.substr(at.begin + at.name_bytes + 2, at.value_bytes)};
    }

    // Adds a field at the end; the same name may stand there already. Copies both texts, which may not point into this
    // list. False, and nothing added, if `name` is no token or `value` is no field value: neither can smuggle in a
    // line break, wherever it came from.
    bool add(std::string_view name, std::string_view value) {
        if (!is_token(name) || !is_field_value(value)) return false;
        append(name, value);
        return true;
    }

    // Puts one field in the place of all of that name. False, and nothing changed, as with `add`.
    bool set(std::string_view name, std::string_view value) {
        if (!is_token(name) || !is_field_value(value)) return false;
        remove(name);
        append(name, value);
        return true;
    }

    // Removes all fields of that name and gives their number.
    std::size_t remove(std::string_view name) {
        fields kept;
        const std::size_t before = size();
        for (const field each : *this)
            if (!equal_ignoring_case(each.name, name)) kept.append(each.name, each.value);
        if (kept.size() != before) *this = std::move(kept);
        return before - size();
    }

    void clear() noexcept {
        x_text.clear();
        x_entries.clear();
    }

    // Makes room for `count` fields of `text_bytes` bytes together, four more for each field counted in.
    void reserve(std::size_t text_bytes, std::size_t count) {
        x_text.reserve(text_bytes);
        x_entries.reserve(count);
    }

    // The value of the first field of that name, if there is one.
    std::optional<std::string_view> get(std::string_view name) const noexcept {
        for (const field each : *this)
            if (equal_ignoring_case(each.name, name)) return each.value;
        return std::nullopt;
    }

    // How many fields have that name.
    std::size_t count(std::string_view name) const noexcept {
        std::size_t found = 0;
        for (const field each : *this) found += equal_ignoring_case(each.name, name);
        return found;
    }

    // Calls `visit(std::string_view)` for each element of the comma-separated lists in all fields of that name, in
    // order, until it gives false. False if it did.
    template <class Visit>
    [[gnu::cold]] bool each_element(std::string_view name, Visit&& visit) const {
        for (const field each : *this) {
            if (!equal_ignoring_case(each.name, name)) continue;
            std::string_view rest = each.value;
            std::string_view element;
            while (next_element(rest, element))
                if (!visit(element)) return false;
        }
        return true;
    }

    // Whether `token` is one of these elements, without regard to case: `has_token("Connection", "upgrade")`.
    bool has_token(std::string_view name, std::string_view token) const noexcept {
        return !each_element(name, [&](std::string_view each) { return !equal_ignoring_case(each, token); });
    }

    // All fields as they are sent: "Name: value", each with its line end.
    std::string_view lines() const noexcept { return x_text; }

private:
    template <class Head>
    friend class head_parser; // appends what it has checked itself

    struct entry {
        std::uint32_t begin; // of the name in the text; ": " and the value follow it
        std::uint32_t name_bytes;
        std::uint32_t value_bytes;
    };

    [[gnu::cold]] void append(std::string_view name, std::string_view value) {
        assert(x_text.size() + name.size() + value.size() < UINT32_MAX);
        x_entries.push_back({static_cast<std::uint32_t>(x_text.size()), static_cast<std::uint32_t>(name.size()),
                             static_cast<std::uint32_t>(value.size())});
        x_text.append(name).append(": ").append(value).append("\r\n");
    }

    std::string x_text;
    sequence<entry> x_entries;
};

} // namespace weir::inline v0::http
