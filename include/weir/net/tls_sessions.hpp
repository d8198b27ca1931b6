// What a client remembers of earlier handshakes, so that the next one with the same server is shorter. Part of net/tls.hpp.
//
// A few sessions of each server, 64 in all; the oldest goes first. One of TLS 1.3 is used once (RFC 8446, appendix C.4), so
// that nobody who listens can tell that two connections are the same client's. May be used by several threads.
#pragma once

#include <weir/net/tls_handle.hpp>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace weir::inline v0::net::detail {

class tls_sessions {
public:
    void keep(std::string_view server, tls_session session) {
        const std::lock_guard<std::mutex> lock(x_mutex);
        entry* place = &x_entries[0]; // a free one, or the oldest
        entry* oldest = nullptr;      // of that server
        int of_server = 0;
        for (entry& each : x_entries) {
            if (each.kept < place->kept) place = &each;
            if (!each.session || each.server != server) continue;
            ++of_server;
            if (!oldest || each.kept < oldest->kept) oldest = &each;
        }
        if (of_server >= most_of_one) place = oldest;
        place->server = server;
        place->session = std::move(session);
        place->kept = ++x_count;
    }

    // The newest of a server's; null if there is none.
    tls_session take(std::string_view server) {
        const std::lock_guard<std::mutex> lock(x_mutex);
        entry* newest = nullptr;
        for (entry& each : x_entries)
            if (each.session && each.server == server && (!newest || each.kept > newest->kept)) newest = &each;
        if (!newest) return {};
        if (::SSL_SESSION_get_protocol_version(newest->session.get()) < TLS1_3_VERSION) {
            ::SSL_SESSION_up_ref(newest->session.get());
            return tls_session(newest->session.get());
        }
        newest->kept = 0;
        return std::move(newest->session);
    }

private:
    static constexpr int most_of_one = 4;

    struct entry {
        std::string server;
        tls_session session;
        std::uint64_t kept = 0; // when; 0 for a free one
    };

    std::mutex x_mutex;
    entry x_entries[64];
    std::uint64_t x_count = 0;
};

} // namespace weir::inline v0::net::detail
