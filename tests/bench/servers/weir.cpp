// weir's echo, as examples/echo_server.cpp has it, and its room, on the backend that WEIR_BACKEND names. With
// WEIR_WITH_ZLIB it compresses where the client agrees; with BENCH_TLS all is over TLS, with the certificate of BENCH_CHAIN and
// BENCH_KEY.
#include "listening.hpp"

#include <weir.hpp>
#include <weir/io/uring.hpp>
#if __has_include(<weir/io/uring_completion.hpp>)
#include <weir/io/uring_completion.hpp>
#endif
#if defined(WEIR_WITH_ZLIB)
#include <weir/protocol/ws/deflate.hpp>
#endif

#if defined(BENCH_TLS)
#include <weir/net/tls.hpp>
#endif

namespace {

weir::task<> echo(weir::websocket& ws) {
    while (auto message = co_await ws.read()) co_await ws.send(*message);
}

weir::room lobby;

weir::task<> tell_all(weir::websocket& ws) {
    weir::room::seat here(lobby, ws);
    while (auto message = co_await ws.read()) lobby.send(*message);
}

} // namespace

int main() {
    weir::server server;
    server.websocket("/", echo);
    server.websocket("/room", tell_all);
    weir::server_options options{.descriptor = bare::listen_somewhere()};
    options.websocket.message_bytes = 16 * 1024 * 1024;
#if defined(WEIR_WITH_ZLIB)
    options.websocket.compression = weir::permessage_deflate;
#endif
#if defined(BENCH_TLS)
    weir::tls_server tls({.certificate = {.chain_file = std::getenv("BENCH_CHAIN"), .key_file = std::getenv("BENCH_KEY")}});
    options.tls = &tls;
#endif
    return server.run(options);
}
