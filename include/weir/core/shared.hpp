// One object on the heap and its owners, who may be in several threads.
//
// What a std::shared_ptr from std::make_shared is, for a fraction of what g++ spends on that; no weak owners, and no
// conversions. The object is made here, and destroyed with its last owner. Empty after a move.
#pragma once

#include <weir/core/atomic.hpp>
#include <weir/core/exchanged.hpp>
#include <weir/core/version.hpp>

#include <cstddef>
#include <utility>

namespace weir::inline v0 {

template <class T>
class shared {
public:
    shared() noexcept = default;
    shared(decltype(nullptr)) noexcept {}
    shared(const shared& other) noexcept : x_held(other.x_held) {
        if (x_held) x_held->owners.fetch_add(1, detail::order::relaxed);
    }
    shared(shared&& other) noexcept : x_held(exchanged(other.x_held, nullptr)) {}
    shared& operator=(shared other) noexcept {
        swap_contents(x_held, other.x_held);
        return *this;
    }
    ~shared() {
        if (x_held && x_held->owners.fetch_sub(1, detail::order::both) == 1) delete x_held;
    }

    T* get() const noexcept { return x_held ? &x_held->object : nullptr; }
    T& operator*() const noexcept { return x_held->object; }
    T* operator->() const noexcept { return &x_held->object; }
    explicit operator bool() const noexcept { return x_held != nullptr; }

    template <class... Arguments>
    static shared make(Arguments&&... arguments) {
        shared made;
        made.x_held = new held(std::forward<Arguments>(arguments)...);
        return made;
    }

private:
    struct held {
        template <class... Arguments>
        explicit held(Arguments&&... arguments) : object(std::forward<Arguments>(arguments)...) {}
        T object;
        detail::atomic<std::size_t> owners{1};
    };

    held* x_held = nullptr;
};

} // namespace weir::inline v0
