// The address that a listening socket is bound to, and the file that goes with it.
//
// Asked for once, since the system may have picked the port. Of a Unix socket that we bound the file is removed with this,
// which must then be after nobody is accepted there any more.
#pragma once

#include <weir/core/bytes.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace weir::inline v0::io {

class bound_address {
public:
    // `ours`: we bound the socket, so that the file of a Unix socket is ours to remove.
    bound_address(int number, bool ours) noexcept : x_ours(ours) {
        socklen_t size = sizeof x_address;
        if (::getsockname(number, reinterpret_cast<sockaddr*>(&x_address), &size) == 0) x_bytes = size;
    }
    bound_address(const bound_address&) = delete;
    bound_address& operator=(const bound_address&) = delete;
    ~bound_address() {
        if (!x_ours || x_address.ss_family != AF_UNIX) return;
        const auto* local = reinterpret_cast<const sockaddr_un*>(&x_address);
        if (local->sun_path[0] != '\0') ::unlink(local->sun_path);
    }

    // Empty where the system would not tell. Valid as long as this.
    bytes_view bytes() const noexcept { return {reinterpret_cast<const std::byte*>(&x_address), x_bytes}; }

private:
    sockaddr_storage x_address{};
    std::size_t x_bytes = 0;
    bool x_ours;
};

} // namespace weir::inline v0::io
