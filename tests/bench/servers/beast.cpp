// Boost.Beast's echo, as coroutines, with what makes it fast: no executor that is erased, no fragments of its own, no timeouts.
// Compresses where the client agrees, if it is built with BENCH_COMPRESSION. With BENCH_TLS over TLS, with the certificate of
// BENCH_CHAIN and BENCH_KEY.
#include "listening.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#if defined(BENCH_TLS)
#include <boost/asio/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#endif

namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using executor = asio::io_context::executor_type;
using awaits = asio::as_tuple_t<asio::use_awaitable_t<executor>>;
using socket = asio::basic_stream_socket<asio::ip::tcp, executor>;
constexpr awaits waiting;

#if defined(BENCH_TLS)
asio::ssl::context& security() {
    static asio::ssl::context made = [] {
        asio::ssl::context all(asio::ssl::context::tls_server);
        all.use_certificate_chain_file(std::getenv("BENCH_CHAIN"));
        all.use_private_key_file(std::getenv("BENCH_KEY"), asio::ssl::context::pem);
        return all;
    }();
    return made;
}
#endif

asio::awaitable<void, executor> echo(socket accepted) {
    accepted.set_option(asio::ip::tcp::no_delay(true));
#if defined(BENCH_TLS)
    websocket::stream<asio::ssl::stream<socket>> ws(std::move(accepted), security());
    auto [unsafe] = co_await ws.next_layer().async_handshake(asio::ssl::stream_base::server, waiting);
    if (unsafe) co_return;
#else
    websocket::stream<socket> ws(std::move(accepted));
#endif
    ws.auto_fragment(false);
#if defined(BENCH_COMPRESSION)
    websocket::permessage_deflate compression;
    compression.server_enable = true;
    ws.set_option(compression);
#endif
    auto [refused] = co_await ws.async_accept(waiting);
    if (refused) co_return;
    boost::beast::flat_buffer buffer;
    for (;;) {
        auto [unread, came] = co_await ws.async_read(buffer, waiting);
        if (unread) co_return;
        ws.text(ws.got_text());
        auto [unsent, gone] = co_await ws.async_write(buffer.data(), waiting);
        if (unsent) co_return;
        buffer.consume(buffer.size());
    }
}

asio::awaitable<void, executor> accept(executor on, int listener) {
    asio::basic_socket_acceptor<asio::ip::tcp, executor> acceptor(on, asio::ip::tcp::v4(), listener);
    for (;;) {
        auto [failed, accepted] = co_await acceptor.async_accept(waiting);
        if (failed) co_return;
        asio::co_spawn(on, echo(std::move(accepted)), asio::detached);
    }
}

} // namespace

int main() {
    asio::io_context loop(1);
#if defined(BENCH_TLS)
    security();
#endif
    asio::signal_set signals(loop, SIGTERM);
    signals.async_wait([&loop](auto, auto) { loop.stop(); });
    asio::co_spawn(loop.get_executor(), accept(loop.get_executor(), bare::listen_somewhere()), asio::detached);
    loop.run();
}
