// An intrusive doubly linked list whose nodes leave by themselves.
//
// A node is a base class of what is listed; the list owns nothing and allocates nothing. A node that is destroyed
// unlinks itself, which is what lets a suspended coroutine frame be destroyed at any moment. `Tag` tells several
// memberships of one object apart. Not thread-safe.
#pragma once

#include <weir/core/version.hpp>

namespace weir::inline v0 {

// What a node and a list are, whatever is listed: made once for all types, since each type costs the compiler.
class list_links {
public:
    list_links() noexcept = default;
    list_links(const list_links&) = delete;
    list_links& operator=(const list_links&) = delete;
    ~list_links() { unlink(); }

    bool linked() const noexcept { return x_next != nullptr; }

    // Leaves the list that it is in, if any.
    void unlink() noexcept {
        if (!x_next) return;
        x_next->x_previous = x_previous;
        x_previous->x_next = x_next;
        x_next = nullptr;
    }

private:
    friend class list_ring;
    list_links* x_next = nullptr;
    list_links* x_previous = nullptr;
};

class list_ring {
public:
    list_ring() noexcept { x_head.x_next = x_head.x_previous = &x_head; }
    list_ring(const list_ring&) = delete;
    list_ring& operator=(const list_ring&) = delete;
    [[gnu::cold]] ~list_ring() {
        while (!empty()) x_head.x_next->unlink();
        x_head.x_next = x_head.x_previous = nullptr;
    }

    bool empty() const noexcept { return x_head.x_next == &x_head; }

    // Whether there is exactly one element. Not to be asked of an empty list.
    bool has_one() const noexcept { return x_head.x_next == x_head.x_previous; }

    // Moves all elements of `from`, which has the same type, to the end of this list.
    void take_all(list_ring& from) noexcept {
        if (from.empty()) return;
        from.x_head.x_next->x_previous = x_head.x_previous;
        from.x_head.x_previous->x_next = &x_head;
        x_head.x_previous->x_next = from.x_head.x_next;
        x_head.x_previous = from.x_head.x_previous;
        from.x_head.x_next = from.x_head.x_previous = &from.x_head;
    }

protected:
    list_links* first() const noexcept { return empty() ? nullptr : x_head.x_next; }
    list_links* next(const list_links& of) const noexcept { return of.x_next == &x_head ? nullptr : of.x_next; }
    void insert_last(list_links& node) noexcept {
        list_links* const last = x_head.x_previous;
        node.x_previous = last;
        last->x_next = &node;
        node.x_next = &x_head;
        x_head.x_previous = &node;
    }
    void insert_first(list_links& node) noexcept {
        node.x_next = x_head.x_next;
        node.x_previous = &x_head;
        x_head.x_next->x_previous = &node;
        x_head.x_next = &node;
    }
    list_links* take_first() noexcept {
        if (empty()) return nullptr;
        list_links* const first = x_head.x_next;
        x_head.x_next = first->x_next;
        first->x_next->x_previous = &x_head;
        first->x_next = nullptr;
        return first;
    }

private:
    list_links x_head;
};

// The membership of an object in at most one `list` with the same tag. Neither copied nor moved.
template <class Tag>
class list_node : public list_links {};

// A list of objects of type `Tag`, which derives from `list_node<Tag>`.
template <class Tag>
class list : public list_ring {
public:
    // The oldest element; null when empty.
    Tag* front() const noexcept { return typed(first()); }

    // The element after `of`, which must be in this list; null at the end.
    Tag* after(const Tag& of) const noexcept { return typed(next(static_cast<const list_node<Tag>&>(of))); }

    // Adds at the end. The element must be in no list of this tag.
    void push_back(Tag& element) noexcept { insert_last(static_cast<list_node<Tag>&>(element)); }

    // Adds at the front. The element must be in no list of this tag.
    void push_front(Tag& element) noexcept { insert_first(static_cast<list_node<Tag>&>(element)); }

    // Removes and returns the oldest element; null when empty.
    Tag* pop_front() noexcept { return typed(take_first()); }

private:
    static Tag* typed(list_links* node) noexcept { return static_cast<Tag*>(static_cast<list_node<Tag>*>(node)); }
};

} // namespace weir::inline v0
