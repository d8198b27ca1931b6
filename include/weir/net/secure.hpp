// Shaking hands over a stream, in a coroutine: the step between connecting and talking.
//
// The stream may be any that is connected: a socket, a tunnel through a proxy, another secured one. Cancelling the wait
// closes it. Errors say what failed and for whom: "checking the certificate of example.com: it was valid until ...".
#pragma once

#include <weir/coro/task.hpp>
#include <weir/io/stream_signal.hpp>
#include <weir/net/security.hpp>

namespace weir::inline v0::net {

// What a program lacks that asks for TLS and has none.
inline constexpr std::string_view lacks_security =
    "TLS: no file of this program includes <weir/net/tls.hpp>, or defines WEIR_WITH_OPENSSL before the single header";

// `by` has to live until it has ended; null for the program's default.
template <class = void>
task<result<owned<io::stream>>> secure(owned<io::stream> plain, std::string host, std::uint16_t port, client_security* by = nullptr) {
    client_security* const found = security_of(by);
    if (!found) co_return error(errc::unsupported, std::string(lacks_security));
    result<owned<io::stream>> made = found->begin(std::move(plain), host, port);
    if (!made) co_return made;
    io::stream& shaking = **made;
    {
        io::stream_signal signal(shaking);
        while (shaking.connected() == io::status::blocked) {
            const result<> told = co_await signal.writable();
            if (!told) co_return told.error();
        }
    }
    if (shaking.connected() == io::status::failed) co_return error(shaking.failure(), shaking.failure_detail());
    co_return made;
}

} // namespace weir::inline v0::net
