// An intrusive list like `list` (core/list.hpp) whose head is a single pointer: for what every connection has one of.
//
// Nodes leave by themselves, when they are destroyed as well; the chain owns nothing and allocates nothing. What is added comes
// first; `reverse` puts the oldest first, for whoever goes through it in that order. Not thread-safe.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/version.hpp>

namespace weir::inline v0 {

template <class Tag>
class chain;

// The membership of an object in at most one `chain` with the same tag. Neither copied nor moved.
template <class Tag>
class chain_node {
public:
    chain_node() noexcept = default;
    chain_node(const chain_node&) = delete;
    chain_node& operator=(const chain_node&) = delete;
    ~chain_node() { unlink(); }

    bool linked() const noexcept { return x_at != nullptr; }

    // Leaves the chain that it is in, if any.
    void unlink() noexcept {
        if (!x_at) return;
        *x_at = x_next;
        if (x_next) x_next->x_at = x_at;
        x_at = nullptr;
    }

private:
    friend class chain<Tag>;
    chain_node* x_next = nullptr;
    chain_node** x_at = nullptr; // what points to this one; null when it is in no chain
};

// A chain of objects of type `Tag`, which derives from `chain_node<Tag>`.
template <class Tag>
class chain {
public:
    chain() noexcept = default;
    chain(const chain&) = delete;
    chain& operator=(const chain&) = delete;
    ~chain() {
        while (x_first) x_first->unlink();
    }

    bool empty() const noexcept { return !x_first; }

    // Whether `which` is the first element of this chain.
    bool begins_with(const Tag& which) const noexcept { return static_cast<const chain_node<Tag>&>(which).x_at == &x_first; }

    // The first element; null when empty. And the one after `of`, which must be in this chain; null at the end.
    Tag* front() const noexcept { return static_cast<Tag*>(x_first); }
    Tag* after(const Tag& of) const noexcept { return static_cast<Tag*>(static_cast<const chain_node<Tag>&>(of).x_next); }

    // Adds at the front. The element must be in no chain of this tag.
    void push_front(Tag& element) noexcept {
        chain_node<Tag>& node = element;
        node.x_next = x_first;
        if (x_first) x_first->x_at = &node.x_next;
        node.x_at = &x_first;
        x_first = &node;
    }

    // Turns the order round.
    void reverse() noexcept {
        chain_node<Tag>* rest = exchanged(x_first, nullptr);
        while (rest) {
            chain_node<Tag>* const next = rest->x_next;
            push_front(static_cast<Tag&>(*rest));
            rest = next;
        }
    }

private:
    chain_node<Tag>* x_first = nullptr;
};

} // namespace weir::inline v0
