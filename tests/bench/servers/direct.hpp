// The bare echo over sockets that are told to be ready: one receive, one send.
#pragma once

#include "echo.hpp"

namespace bare {

inline char received[received_at_once];

inline void send_to(connection& one, const char* at, std::size_t bytes) {
    if (one.left > 0) { // only in rooms
        char* const both = static_cast<char*>(std::malloc(one.left + bytes));
        std::memcpy(both, one.at, one.left);
        std::memcpy(both + one.left, at, bytes);
        std::free(std::exchange(one.unsent, both));
        one.at = both;
        one.left += bytes;
        return;
    }
    const ssize_t sent = ::send(one.socket, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    if (done == bytes) return;
    one.at = at + done;
    one.left = bytes - done;
    if (at >= one.kept && at < one.kept + one.kept_capacity) return; // it stays there until it is sent
    one.unsent = static_cast<char*>(std::malloc(one.left));
    std::memcpy(one.unsent, one.at, one.left);
    one.at = one.unsent;
}

inline void upgrade(connection& one, std::string_view request) {
    const std::string said = answer_to(request);
    one.over = said.empty();
    one.upgraded = true;
    one.in_room = request.starts_with("GET /room");
    if (one.in_room) room.push_back(&one);
    send_to(one, said.data(), said.size());
}

// Receives and answers. False when the connection is over.
inline bool on_readable(connection& one) {
    const auto transmit = [&one](const char* at, std::size_t bytes) {
        if (!one.in_room) return send_to(one, at, bytes);
        for (connection* each : room) send_to(*each, at, bytes);
    };
    while (one.left == 0) {
        const bool is_long = one.long_bytes > 0;
        if (!is_long) std::memcpy(received, one.kept, one.kept_bytes);
        char* const to = is_long ? one.kept + one.kept_bytes : received + one.kept_bytes;
        const std::size_t wanted =
            is_long ? std::min(one.long_bytes - one.kept_bytes, part_of_long) : sizeof received - one.kept_bytes;
        const ssize_t got = ::recv(one.socket, to, wanted, MSG_DONTWAIT);
        if (got <= 0) return got < 0 && errno == EAGAIN;
        const auto came = static_cast<std::size_t>(got);
        if (!one.upgraded)
            upgrade(one, {received, came});
        else if (is_long)
            answer_long_frame(one, came, transmit);
        else
            answer_frames(one, received, one.kept_bytes + came, transmit);
        if (one.over) return false;
        if (came < wanted) return true; // there is no more: the next will be told
    }
    return true;
}

inline bool on_writable(connection& one) {
    if (one.left == 0) return true;
    const ssize_t sent = ::send(one.socket, one.at, one.left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    one.at += sent;
    one.left -= static_cast<std::size_t>(sent);
    if (one.left > 0) return true;
    std::free(std::exchange(one.unsent, nullptr));
    return on_readable(one);
}

inline void end(connection& one) {
    ::close(one.socket);
    if (one.in_room) std::erase(room, &one);
    delete &one;
}

} // namespace bare
