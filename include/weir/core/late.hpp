// Room for an object that is made later, once.
//
// A std::optional that is only ever filled: without copies, moves, comparisons and conversions, which g++ 12 looks into
// for each type even where nobody uses them, at the price of 1 MB. The object is destroyed with the room.
#pragma once

#include <weir/core/version.hpp>

#include <cassert>
#include <new>
#include <utility>

namespace weir::inline v0 {

template <class T>
class late {
public:
    late() noexcept {}
    late(const late&) = delete;
    late& operator=(const late&) = delete;
    ~late() {
        if (x_made) x_object.~T();
    }

    template <class... Arguments>
    T& emplace(Arguments&&... arguments) {
        assert(!x_made);
        T* const object = ::new (static_cast<void*>(__builtin_addressof(x_object))) T(std::forward<Arguments>(arguments)...);
        x_made = true;
        return *object;
    }

    explicit operator bool() const noexcept { return x_made; }
    T& operator*() noexcept { return assert(x_made), x_object; }
    T* operator->() noexcept { return assert(x_made), __builtin_addressof(x_object); }
    const T* operator->() const noexcept { return assert(x_made), __builtin_addressof(x_object); }

private:
    union {
        T x_object;
    };
    bool x_made = false;
};

} // namespace weir::inline v0
