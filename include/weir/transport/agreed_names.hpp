// What a handshake agreed upon: the subprotocol, and the target of the request.
//
// Every connection has them for as long as it lives, and most are short: up to 12 characters of both stand here. Longer ones are
// in one block on the heap. The views are valid as long as this, and until `set`.
#pragma once

#include <weir/core/version.hpp>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::inline v0::detail {

class agreed_names {
public:
    agreed_names() noexcept = default;
    agreed_names(const agreed_names&) = delete;
    agreed_names& operator=(const agreed_names&) = delete;
    ~agreed_names() { forget(); }

    // They may be those that it has.
    void set(std::string_view subprotocol, std::string_view target) {
        const std::size_t size = subprotocol.size() + target.size();
        const bool near = size <= sizeof x_near;
        const sizes both{static_cast<std::uint32_t>(subprotocol.size()), static_cast<std::uint32_t>(target.size())};
        char made[sizeof x_near] = {};
        char* const block = near ? nullptr : new char[sizeof both + size];
        char* const to = near ? made : block + sizeof both;
        std::memcpy(to, subprotocol.data(), subprotocol.size());
        std::memcpy(to + subprotocol.size(), target.data(), target.size());
        if (!near) {
            std::memcpy(block, &both, sizeof both);
            std::memcpy(made, &block, sizeof block);
        }
        forget();
        std::memcpy(x_near, made, sizeof made);
        x_subprotocol_bytes = near ? static_cast<std::uint8_t>(both.subprotocol) : is_far;
        x_target_bytes = near ? static_cast<std::uint8_t>(both.target) : std::uint8_t(0);
    }

    std::string_view subprotocol() const noexcept {
        if (x_subprotocol_bytes == is_far) return {far() + sizeof(sizes), std::size_t(far_sizes().subprotocol)};
        return {x_near, std::size_t(x_subprotocol_bytes)};
    }
    std::string_view target() const noexcept {
        if (x_subprotocol_bytes == is_far) return {far() + sizeof(sizes) + far_sizes().subprotocol, std::size_t(far_sizes().target)};
        return {x_near + x_subprotocol_bytes, std::size_t(x_target_bytes)};
    }

private:
    static constexpr std::uint8_t is_far = 255; // x_near holds a pointer to a block: `sizes`, and the names behind it
    struct sizes {
        std::uint32_t subprotocol;
        std::uint32_t target;
    };

    const char* far() const noexcept {
        const char* all;
        std::memcpy(&all, x_near, sizeof all);
        return all;
    }
    sizes far_sizes() const noexcept {
        sizes both;
        std::memcpy(&both, far(), sizeof both);
        return both;
    }
    void forget() noexcept {
        if (x_subprotocol_bytes == is_far) delete[] far();
    }

    char x_near[12] = {};
    std::uint8_t x_subprotocol_bytes = 0;
    std::uint8_t x_target_bytes = 0;
};

} // namespace weir::inline v0::detail
