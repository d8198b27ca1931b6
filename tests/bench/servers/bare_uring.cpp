// The bare echo on io_uring. Without arguments: each socket is watched by a multishot poll, and received from and sent to
// directly. With the argument `completion`: multishot receives into a ring of buffers, and submitted sends.
#include "direct.hpp"

#include <cstdint>

#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>

namespace {

using namespace bare;

class ring {
public:
    ring() {
        io_uring_params wish{};
        wish.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
        wish.cq_entries = 4096;
        if (::io_uring_queue_init_params(256, &x_ring, &wish) < 0) fail("io_uring");
    }

    io_uring& get() { return x_ring; }

    io_uring_sqe* entry() {
        io_uring_sqe* one = ::io_uring_get_sqe(&x_ring);
        if (one) return one;
        ::io_uring_submit(&x_ring);
        return ::io_uring_get_sqe(&x_ring);
    }

    // Submits, waits, and has `handle(completion)` called for all that is complete.
    template <class Handle>
    void turn(Handle handle) {
        ::io_uring_submit_and_wait(&x_ring, 1);
        unsigned head, count = 0;
        io_uring_cqe* each;
        io_uring_for_each_cqe(&x_ring, head, each) {
            ++count;
            handle(*each);
        }
        ::io_uring_cq_advance(&x_ring, count);
    }

private:
    io_uring x_ring{};
};

std::uint64_t name_of(const void* object) { return reinterpret_cast<std::uintptr_t>(object); }
bool goes_on(const io_uring_cqe& after) { return after.flags & IORING_CQE_F_MORE; }

// --- multishot polls -------------------------------------------------------------------------------------------------

constexpr unsigned watched = POLLIN | POLLOUT | POLLRDHUP;
constexpr std::uint64_t the_listener = 0, a_removal = 1; // names, beside those of connections

void watch(ring& in, int descriptor, unsigned events, std::uint64_t name) {
    io_uring_sqe* const one = in.entry();
    ::io_uring_prep_poll_multishot(one, descriptor, events);
    one->user_data = name;
}

void serve_by_polls(ring& events, int listener) {
    watch(events, listener, POLLIN, the_listener);
    const auto handle = [&](const io_uring_cqe& happened) {
        if (happened.user_data == a_removal) return;
        if (happened.user_data == the_listener) {
            for (int socket; (socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                send_at_once(socket);
                watch(events, socket, watched, name_of(new connection{.socket = socket}));
            }
            if (!goes_on(happened)) watch(events, listener, POLLIN, the_listener);
            return;
        }
        connection& one = *reinterpret_cast<connection*>(happened.user_data);
        if (one.over) { // it was closed, and its poll has to end yet
            if (!goes_on(happened)) delete &one;
            return;
        }
        const auto what = static_cast<unsigned>(happened.res);
        bool open = happened.res >= 0;
        if (open && one.left > 0 && what & POLLOUT) open = on_writable(one);
        if (open && what & ~static_cast<unsigned>(POLLOUT)) open = on_readable(one);
        if (open && !goes_on(happened)) watch(events, one.socket, watched, happened.user_data);
        if (open) return;
        if (!goes_on(happened)) return end(one);
        io_uring_sqe* const removal = events.entry();
        ::io_uring_prep_poll_remove(removal, happened.user_data);
        removal->user_data = a_removal;
        one.over = true;
        if (one.in_room) std::erase(room, &one);
        ::close(one.socket);
    };
    for (;;) events.turn(handle);
}

// --- completions -----------------------------------------------------------------------------------------------------

struct submitter : connection {
    bool sends = false, receives = true;
    int buffer = -1;      // that is sent from
    std::string prepared; // what is sent, where it stands in neither a buffer nor `kept`
    std::string waiting;  // what came while something was sent
};

class completions {
public:
    completions(ring& in, int listener) : x_ring(in) {
        if (::posix_memalign(reinterpret_cast<void**>(&x_buffers), 4096, sizeof(io_uring_buf) * count) != 0) fail("memory");
        io_uring_buf_reg registration{};
        registration.ring_addr = name_of(x_buffers);
        registration.ring_entries = count;
        if (::io_uring_register_buf_ring(&in.get(), &registration, 0) < 0) fail("a ring of buffers");
        ::io_uring_buf_ring_init(x_buffers);
        for (int i = 0; i < count; ++i) give_back(i);
        io_uring_sqe* const one = in.entry();
        ::io_uring_prep_multishot_accept(one, listener, nullptr, nullptr, SOCK_CLOEXEC);
        one->user_data = the_listener;
    }

    void handle(const io_uring_cqe& happened) {
        if (happened.user_data == the_listener) {
            send_at_once(happened.res);
            submitter* const one = new submitter;
            one->socket = happened.res;
            return receive(*one);
        }
        submitter& one = *reinterpret_cast<submitter*>(happened.user_data & ~std::uint64_t{1});
        if (happened.user_data & 1)
            on_sent(one, happened.res);
        else
            on_received(one, happened);
        if (one.over && !one.sends && one.receives) ::shutdown(one.socket, SHUT_RDWR);
        if (one.over && !one.sends && !one.receives) end(one);
    }

private:
    static constexpr int count = 64, bytes_each = 8192; // of buffers: half of a second-level cache, whatever that is

    static void end(submitter& one) {
        ::close(one.socket);
        delete &one;
    }

    void give_back(int which) {
        ::io_uring_buf_ring_add(x_buffers, x_memory + which * bytes_each, bytes_each, static_cast<unsigned short>(which),
                                ::io_uring_buf_ring_mask(count), 0);
        ::io_uring_buf_ring_advance(x_buffers, 1);
    }

    void receive(submitter& one) {
        io_uring_sqe* const entry = x_ring.entry();
        ::io_uring_prep_recv_multishot(entry, one.socket, nullptr, 0, 0);
        entry->flags |= IOSQE_BUFFER_SELECT;
        entry->buf_group = 0;
        entry->user_data = name_of(&one);
    }

    void send(submitter& one, const char* at, std::size_t bytes) {
        one.at = at;
        one.left = bytes;
        one.sends = true;
        io_uring_sqe* const entry = x_ring.entry();
        ::io_uring_prep_send(entry, one.socket, at, bytes, MSG_NOSIGNAL | MSG_WAITALL);
        entry->user_data = name_of(&one) | 1;
    }

    void on_received(submitter& one, const io_uring_cqe& happened) {
        if (happened.res > 0) {
            const int buffer = static_cast<int>(happened.flags >> IORING_CQE_BUFFER_SHIFT);
            take(one, x_memory + buffer * bytes_each, static_cast<std::size_t>(happened.res));
            if (one.sends && one.at >= x_memory + buffer * bytes_each && one.at < x_memory + (buffer + 1) * bytes_each)
                one.buffer = buffer;
            else
                give_back(buffer);
        } else if (happened.res != -ENOBUFS) {
            one.over = true;
        }
        if (goes_on(happened)) return;
        one.receives = !one.over;
        if (one.receives) receive(one);
    }

    void on_sent(submitter& one, int result) {
        one.sends = false;
        if (result < 0 || static_cast<std::size_t>(result) < one.left) one.over = true;
        if (one.buffer >= 0) give_back(std::exchange(one.buffer, -1));
        if (one.over || one.waiting.empty()) return;
        one.prepared.swap(one.waiting); // so that it stays until it is sent
        one.waiting.clear();
        take(one, one.prepared.data(), one.prepared.size());
    }

    void take(submitter& one, char* at, std::size_t bytes) {
        const auto transmit = [&](const char* from, std::size_t size) { send(one, from, size); };
        while (bytes > 0) {
            if (one.sends) {
                one.waiting.append(at, bytes);
                return;
            }
            if (one.long_bytes > 0) {
                const std::size_t part = std::min(one.long_bytes - one.kept_bytes, bytes);
                std::memcpy(one.kept + one.kept_bytes, at, part);
                at += part;
                bytes -= part;
                answer_long_frame(one, part, transmit);
                continue;
            }
            if (!one.upgraded) {
                one.prepared = answer_to({at, bytes});
                one.over = one.prepared.empty();
                one.upgraded = true;
                send(one, one.prepared.data(), one.prepared.size());
            } else if (one.kept_bytes > 0) {
                std::string both(one.kept, one.kept_bytes);
                both.append(at, bytes);
                one.prepared.swap(both); // which may have had what is at `at`
                answer_frames(one, one.prepared.data(), one.prepared.size(), transmit);
            } else {
                answer_frames(one, at, bytes, transmit);
            }
            return;
        }
    }

    ring& x_ring;
    io_uring_buf_ring* x_buffers = nullptr;
    alignas(4096) char x_memory[std::size_t{count} * bytes_each];
};

} // namespace

int main(int count, char**) {
    ring events;
    const int listener = listen_somewhere();
    if (count < 2) serve_by_polls(events, listener);
    static completions all(events, listener);
    for (;;) events.turn([](const io_uring_cqe& happened) { all.handle(happened); });
}
