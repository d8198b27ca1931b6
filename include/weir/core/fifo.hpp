// Elements that come at the back and go at the front, as many as there are.
//
// A ring in memory that doubles when it is full. Memory for more than a few is given back when the last element goes. Elements
// are moved when the ring grows, and their moves may not throw; what adds one invalidates pointers, and so does what takes one.
#pragma once

#include <weir/core/exchanged.hpp>

#include <cassert>
#include <cstddef>
#include <new>
#include <utility>

namespace weir::inline v0 {

template <class T>
class fifo {
public:
    fifo() noexcept = default;
    fifo(const fifo&) = delete;
    fifo& operator=(const fifo&) = delete;
    ~fifo() {
        while (x_size) drop();
        ::operator delete(x_ring);
    }

    bool empty() const noexcept { return x_size == 0; }
    std::size_t size() const noexcept { return x_size; }

    // Counted from the front.
    T& operator[](std::size_t index) noexcept { return assert(index < x_size), x_ring[at(index)]; }
    const T& operator[](std::size_t index) const noexcept { return assert(index < x_size), x_ring[at(index)]; }

    void push(T element) {
        if (x_size == x_room) grow();
        ::new (static_cast<void*>(x_ring + at(x_size))) T(std::move(element));
        ++x_size;
    }

    // The one in front, which must be there.
    T pop() noexcept {
        T front = std::move((*this)[0]);
        drop();
        if (x_size == 0 && x_room > kept_room) {
            ::operator delete(exchanged(x_ring, nullptr));
            x_room = 0;
        }
        return front;
    }

private:
    static constexpr std::size_t first_room = 4, kept_room = 16;

    std::size_t at(std::size_t index) const noexcept { return (x_first + index) & (x_room - 1); }

    void drop() noexcept {
        x_ring[x_first].~T();
        x_first = at(1);
        --x_size;
    }

    void grow() {
        static_assert(noexcept(T(std::declval<T>())), "elements are moved when the room grows");
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
        const std::size_t room = x_room ? 2 * x_room : first_room;
        T* const ring = static_cast<T*>(::operator new(room * sizeof(T)));
        for (std::size_t i = 0; i < x_size; ++i) {
            T& from = x_ring[at(i)];
            ::new (static_cast<void*>(ring + i)) T(std::move(from));
            from.~T();
        }
        ::operator delete(exchanged(x_ring, ring));
        x_room = room;
        x_first = 0;
    }

    T* x_ring = nullptr;
    std::size_t x_room = 0; // 0 or a power of two
    std::size_t x_first = 0;
    std::size_t x_size = 0;
};

} // namespace weir::inline v0
