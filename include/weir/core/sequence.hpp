// Elements one after the other in memory, as many as are added.
//
// What a std::vector is, for a quarter of what g++ spends on that: 2 MB for each type that is added to one, and half a
// megabyte where it is gone through. Elements are moved when the room grows, and their moves may not throw. What gives
// a place to the next element invalidates pointers, as with std::vector.
#pragma once

#include <weir/core/exchanged.hpp>

#include <cassert>
#include <cstddef>
#include <new>
#include <utility>

namespace weir::inline v0 {

template <class T>
class sequence {
public:
    using value_type = T;

    sequence() noexcept = default;
    explicit sequence(std::size_t size) {
        reserve(size);
        while (x_size < size) emplace_back();
    }
    sequence(const sequence& other) {
        reserve(other.x_size);
        for (const T& each : other) emplace_back(each);
    }
    sequence(sequence&& other) noexcept { swap(other); }
    sequence& operator=(sequence other) noexcept {
        swap(other);
        return *this;
    }
    ~sequence() {
        clear();
        ::operator delete(x_first);
    }

    bool empty() const noexcept { return x_size == 0; }
    std::size_t size() const noexcept { return x_size; }
    T* data() noexcept { return x_first; }
    const T* data() const noexcept { return x_first; }
    T* begin() noexcept { return x_first; }
    T* end() noexcept { return x_first + x_size; }
    const T* begin() const noexcept { return x_first; }
    const T* end() const noexcept { return x_first + x_size; }
    T& operator[](std::size_t index) noexcept { return assert(index < x_size), x_first[index]; }
    const T& operator[](std::size_t index) const noexcept { return assert(index < x_size), x_first[index]; }

    bool operator==(const sequence& other) const {
        if (x_size != other.x_size) return false;
        for (std::size_t i = 0; i < x_size; ++i)
            if (!(x_first[i] == other.x_first[i])) return false;
        return true;
    }

    // The arguments may not refer to an element of this sequence.
    template <class... Arguments>
    T& emplace_back(Arguments&&... arguments) {
        if (x_size == x_room) reserve(x_room ? 2 * x_room : 4);
        T* const made = ::new (static_cast<void*>(x_first + x_size)) T(std::forward<Arguments>(arguments)...);
        ++x_size;
        return *made;
    }
    void push_back(T element) { emplace_back(std::move(element)); }

    // Makes room for so many elements in all.
    void reserve(std::size_t room) {
        static_assert(noexcept(T(std::declval<T>())), "elements are moved when the room grows");
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
        if (room <= x_room) return;
        T* const to = static_cast<T*>(::operator new(room * sizeof(T)));
        for (std::size_t i = 0; i < x_size; ++i) {
            ::new (static_cast<void*>(to + i)) T(std::move(x_first[i]));
            x_first[i].~T();
        }
        ::operator delete(exchanged(x_first, to));
        x_room = room;
    }

    void clear() noexcept {
        while (x_size) x_first[--x_size].~T();
    }

    void swap(sequence& other) noexcept {
        x_first = exchanged(other.x_first, x_first);
        x_size = exchanged(other.x_size, x_size);
        x_room = exchanged(other.x_room, x_room);
    }

private:
    T* x_first = nullptr;
    std::size_t x_size = 0;
    std::size_t x_room = 0;
};

} // namespace weir::inline v0
