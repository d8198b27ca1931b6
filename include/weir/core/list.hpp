// An intrusive doubly linked list whose nodes leave by themselves.
//
// A node is a base class of what is listed; the list owns nothing and allocates nothing. A node that is destroyed
// unlinks itself, which is what lets a suspended coroutine frame be destroyed at any moment. `Tag` tells several
// memberships of one object apart. Not thread-safe.
#pragma once

#include <weir/core/version.hpp>

namespace weir::inline v0 {

template <class Tag>
class list;

// The membership of an object in at most one `list` with the same tag. Neither copied nor moved.
template <class Tag>
class list_node {
public:
    list_node() noexcept = default;
    list_node(const list_node&) = delete;
    list_node& operator=(const list_node&) = delete;
    ~list_node() { unlink(); }

    bool linked() const noexcept { return x_next != nullptr; }

    // Leaves the list that it is in, if any.
    void unlink() noexcept {
        if (!x_next) return;
        x_next->x_previous = x_previous;
        x_previous->x_next = x_next;
        x_next = nullptr;
    }

private:
    friend class list<Tag>;
    list_node* x_next = nullptr;
    list_node* x_previous = nullptr;
};

// A list of objects of type `Tag`, which derives from `list_node<Tag>`.
template <class Tag>
class list {
public:
    list() noexcept { x_head.x_next = x_head.x_previous = &x_head; }
    list(const list&) = delete;
    list& operator=(const list&) = delete;
    ~list() {
        while (!empty()) x_head.x_next->unlink();
        x_head.x_next = x_head.x_previous = nullptr;
    }

    bool empty() const noexcept { return x_head.x_next == &x_head; }

    // Whether there is exactly one element. Not to be asked of an empty list.
    bool has_one() const noexcept { return x_head.x_next == x_head.x_previous; }

    // The oldest element; null when empty.
    Tag* front() const noexcept { return empty() ? nullptr : static_cast<Tag*>(x_head.x_next); }

    // The element after `of`, which must be in this list; null at the end.
    Tag* after(const Tag& of) const noexcept {
        list_node<Tag>* next = static_cast<const list_node<Tag>&>(of).x_next;
        return next == &x_head ? nullptr : static_cast<Tag*>(next);
    }

    // Adds at the end. The element must be in no list of this tag.
    void push_back(Tag& element) noexcept {
        list_node<Tag>& node = element;
        list_node<Tag>* const last = x_head.x_previous;
        node.x_previous = last;
        last->x_next = &node;
        node.x_next = &x_head;
        x_head.x_previous = &node;
    }

    // Adds at the front. The element must be in no list of this tag.
    void push_front(Tag& element) noexcept {
        list_node<Tag>& node = element;
        node.x_next = x_head.x_next;
        node.x_previous = &x_head;
        x_head.x_next->x_previous = &node;
        x_head.x_next = &node;
    }

    // Removes and returns the oldest element; null when empty.
    Tag* pop_front() noexcept {
        if (empty()) return nullptr;
        list_node<Tag>* const first = x_head.x_next;
        x_head.x_next = first->x_next;
        first->x_next->x_previous = &x_head;
        first->x_next = nullptr;
        return static_cast<Tag*>(first);
    }

    // Moves all elements of `from` to the end of this list.
    void take_all(list& from) noexcept {
        if (from.empty()) return;
        from.x_head.x_next->x_previous = x_head.x_previous;
        from.x_head.x_previous->x_next = &x_head;
        x_head.x_previous->x_next = from.x_head.x_next;
        x_head.x_previous = from.x_head.x_previous;
        from.x_head.x_next = from.x_head.x_previous = &from.x_head;
    }

private:
    list_node<Tag> x_head;
};

} // namespace weir::inline v0
