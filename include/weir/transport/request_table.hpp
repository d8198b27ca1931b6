// The requests of a connection, found by their ids. Part of requests.hpp.
//
// A hash table of nodes that are used again, so that nothing is allocated where there are not many more requests at once than
// before; a list where there is no std::hash for the type of the ids. An id is in it once. It stays when its request was given
// up, since its answer may still come, until as many were given up after it as are to be remembered. Loop thread only.
#pragma once

#include <weir/core/exchanged.hpp>
#include <weir/core/list.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view> // std::hash
#include <utility>

namespace weir::inline v0::detail {

template <class Id, class Asker>
class request_table {
    struct in_age : list_node<in_age> {};

public:
    class request : private list_node<request>, private in_age {
    public:
        const Id& id() const noexcept { return x_id; }

        Asker* asker = nullptr; // who wants the answer; null when nobody does any more

    private:
        friend request_table;
        friend list<request>;

        Id x_id{};
    };

    // `remembered`: how many are kept of those that were given up.
    explicit request_table(std::size_t remembered) noexcept : x_remembered(remembered) {}
    request_table(const request_table&) = delete;
    request_table& operator=(const request_table&) = delete;
    ~request_table() {
        destroy(x_waiting);
        destroy(x_given_up);
        destroy(x_free);
        delete[] x_buckets;
    }

    // How many are waited for.
    std::size_t size() const noexcept { return x_size; }

    // The oldest of them; null when there is none.
    request* oldest() noexcept { return in(x_waiting.front()); }

    // The request with this id, given up or not; null when there is none.
    template <class Key>
    request* find(const Key& id) noexcept {
        if (!x_buckets) return nullptr;
        const list<request>& in = bucket(id);
        for (request* each = in.front(); each; each = in.after(*each))
            if (each->x_id == id) return each;
        return nullptr;
    }

    // Adds a request. Its id must not be there.
    request& add(Id id, Asker& asker) {
        if (x_size + x_given_up_count >= buckets()) grow();
        request* free = in(x_free.pop_front());
        if (free)
            --x_free_count;
        else
            free = new request;
        free->x_id = std::move(id);
        free->asker = &asker;
        bucket(free->x_id).push_back(*free);
        x_waiting.push_back(*free);
        ++x_size;
        return *free;
    }

    // Nobody waits for the answer any more, but it may come.
    void give_up(request& which) noexcept {
        which.asker = nullptr;
        in_age& aged = which;
        aged.unlink();
        x_given_up.push_back(aged);
        --x_size;
        if (++x_given_up_count > x_remembered) remove(*in(x_given_up.front()));
    }

    // The answer has come, or will not.
    void remove(request& which) noexcept {
        --(which.asker ? x_size : x_given_up_count);
        static_cast<list_node<request>&>(which).unlink();
        in_age& aged = which;
        aged.unlink();
        if (x_free_count == kept_free) return delete &which;
        x_free.push_back(aged);
        ++x_free_count;
    }

private:
    static constexpr bool hashes = requires(const Id& id) { std::hash<Id>()(id); };
    static constexpr unsigned first_bits = 4;
    static constexpr std::size_t kept_free = 64;

    static request* in(in_age* aged) noexcept { return static_cast<request*>(aged); }

    std::size_t buckets() const noexcept { return x_buckets ? std::size_t(1) << x_bits : 0; }

    // Multiplied by the golden ratio, the highest bits depend on all of a number.
    template <class Key>
    list<request>& bucket([[maybe_unused]] const Key& id) noexcept {
        if constexpr (hashes)
            return x_buckets[(std::uint64_t(std::hash<Key>()(id)) * 0x9E37'79B9'7F4A'7C15u) >> (64 - x_bits)];
        else
            return x_buckets[0];
    }

    void grow() {
        if (x_buckets && !hashes) return;
        const std::size_t count = buckets();
        x_bits = x_buckets ? x_bits + 1 : first_bits;
        list<request>* const before = exchanged(x_buckets, new list<request>[std::size_t(1) << x_bits]);
        for (std::size_t i = 0; i < count; ++i)
            while (request* const each = before[i].pop_front()) bucket(each->x_id).push_back(*each);
        delete[] before;
    }

    static void destroy(list<in_age>& all) noexcept {
        while (request* const each = in(all.pop_front())) delete each;
    }

    list<request>* x_buckets = nullptr;
    unsigned x_bits = 0;
    list<in_age> x_waiting; // from the oldest on, as the next
    list<in_age> x_given_up;
    list<in_age> x_free;
    std::size_t x_size = 0; // of x_waiting
    std::size_t x_given_up_count = 0;
    std::size_t x_free_count = 0;
    std::size_t x_remembered;
};

} // namespace weir::inline v0::detail
