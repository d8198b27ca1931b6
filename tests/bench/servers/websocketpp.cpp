// websocketpp's echo, over the Asio that Debian packages.
#include "listening.hpp"

#include <websocketpp/config/asio_no_tls.hpp>
#include <websocketpp/server.hpp>

#include <csignal>

namespace {

using server = websocketpp::server<websocketpp::config::asio>;

server echo;

} // namespace

int main() {
    echo.clear_access_channels(websocketpp::log::alevel::all);
    echo.clear_error_channels(websocketpp::log::elevel::all);
    echo.init_asio();
    echo.set_tcp_post_init_handler([](websocketpp::connection_hdl of) {
        echo.get_con_from_hdl(of)->get_raw_socket().set_option(asio::ip::tcp::no_delay(true));
    });
    echo.set_max_message_size(16 * 1024 * 1024);
    echo.set_message_handler([](websocketpp::connection_hdl to, server::message_ptr message) {
        echo.send(to, message->get_payload(), message->get_opcode());
    });
    echo.listen(asio::ip::tcp::v4(), 0);
    echo.start_accept();
    std::error_code failed;
    std::printf("listening on :%d, process %d\n", echo.get_local_endpoint(failed).port(), static_cast<int>(::getpid()));
    std::fflush(stdout);
    std::signal(SIGTERM, [](int) { std::_Exit(0); });
    echo.run();
}
