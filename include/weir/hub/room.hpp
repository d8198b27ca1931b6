// A set of connections that are sent the same.
//
//     weir::room lobby;                                   // outlives its members
//     weir::task<> chat(weir::websocket& ws) {
//         weir::room::seat here(lobby, ws);               // leaves by itself
//         while (auto message = co_await ws.read()) lobby.send(*message);
//     }
//
// Members are WebSockets and channels, in any mixture. A message is encoded once for all WebSockets, and kept once for all
// channels, whatever their number, and each connection writes it in its own time: sending never waits, a slow reader holds
// nobody up, and its own queue is bounded by its options. What is sent by any of the members arrives everywhere in the same
// order. Members come and go at any time. One loop, its thread only.
#pragma once

#include <weir/core/list.hpp>
#include <weir/transport/kept_message.hpp>
#include <weir/transport/shared_frames.hpp>
#include <weir/transport/websocket.hpp>

#include <string>

namespace weir::inline v0 {

class channel;

class room {
    // What is being sent, for members that are no WebSockets: kept once for all of them.
    struct telling {
        bytes_view payload;
        bool is_text;
        detail::kept_message kept;
    };

public:
    room() noexcept = default;
    room(const room&) = delete;
    room& operator=(const room&) = delete;
    ~room() { assert(x_seats.empty() && "a room was destroyed with members in it"); }

    // Who does not get what is sent: a websocket, a channel, or nobody.
    class spared {
    public:
        spared(decltype(nullptr) = nullptr) noexcept {}
        spared(const websocket* who) noexcept : x_who(who) {}
        spared(const channel* who) noexcept : x_who(who) {}

    private:
        friend class room;
        const void* x_who = nullptr;
    };

    // Membership, from construction to destruction. The room must outlive it; so must the websocket or channel, which may
    // not be moved meanwhile. A connection may be in any number of rooms.
    class seat : private list_node<seat> {
    public:
        seat(room& in, websocket& member) noexcept : x_room(in), x_member(&member) { enter(); }
        template <std::same_as<channel> Member>
        seat(room& in, Member& member) noexcept : x_room(in), x_member(&member), x_tell(&tell<Member>) {
            enter();
        }
        ~seat() { leave(); }

        // Ends the membership early; again does nothing.
        void leave() noexcept {
            if (!linked()) return;
            unlink();
            --x_room.x_size;
        }

    private:
        friend class room;
        friend class list<seat>;

        void enter() noexcept {
            x_room.x_seats.push_back(*this);
            ++x_room.x_size;
        }

        template <class Member>
        static bool tell(void* member, telling& what) {
            if (!what.kept)
                what.kept = detail::kept_message::make(owned_message{std::string(as_text(what.payload)), what.is_text});
            return static_cast<Member*>(member)->try_send_kept(what.kept);
        }

        room& x_room;
        void* x_member;
        bool (*x_tell)(void* member, telling& what) = nullptr; // null for a websocket
    };

    // How many members there are, those included whose connections have closed but who have not left yet.
    std::size_t size() const noexcept { return x_size; }

    // Sends a message to every member, but for `except`. Each is told or not by its own state: a
    // connection that is closing, or whose queue is full, misses it. Gives how many took it. The payload may be a message
    // that was just read from one of them.
    std::size_t send(std::string_view text, spared except = {}) {
        assert(is_utf8(as_bytes(text)) && "text messages must be UTF-8; send bytes as binary");
        return send(ws::opcode::text, as_bytes(text), except);
    }
    std::size_t send(bytes_view binary, spared except = {}) {
        return send(ws::opcode::binary, binary, except);
    }
    std::size_t send(const message& any, spared except = {}) {
        return send(any.is_text() ? ws::opcode::text : ws::opcode::binary, any.bytes(), except);
    }

private:
    std::size_t send(ws::opcode type, bytes_view payload, spared except) {
        std::size_t taken = 0;
        detail::frames_for_all::sending now(x_frames);
        mutable_bytes encoded;
        telling others{payload, type == ws::opcode::text, {}};
        for (seat* each = x_seats.front(); each; each = x_seats.after(*each)) {
            if (each->x_member == except.x_who) continue;
            if (each->x_tell) {
                taken += each->x_tell(each->x_member, others);
                continue;
            }
            websocket& to = *static_cast<websocket*>(each->x_member);
            if (to.role() == ws::role::client) { // masks each message with a key of its own
                taken += to.try_send(message(payload, type == ws::opcode::text));
                continue;
            }
            if (encoded.empty()) encoded = encode(now, to.runs_on(), type, payload);
            taken += to.try_send_shared(encoded, now.x_referred);
        }
        return taken;
    }

    // Puts a message behind those that the members are about to write.
    static mutable_bytes encode(detail::frames_for_all::sending& now, scheduler& on, ws::opcode type, bytes_view payload) {
        const std::size_t most = payload.size() + (payload.size() / frame_bytes + 1) * ws::frame_header::max_bytes;
        buffer& frames = now.begin(most, on);
        outbox::append_message(frames, type, payload, frame_bytes, nullptr);
        return now.end(frames);
    }

    static constexpr std::size_t frame_bytes = 64 * 1024; // longer messages go out in frames of this size

    list<seat> x_seats;
    std::size_t x_size = 0;
    detail::frames_for_all x_frames; // what goes to all at the end of this turn, encoded
};

} // namespace weir::inline v0
