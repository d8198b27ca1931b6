// libwebsockets' echo: messages are put together, since its callbacks have pieces, and written when it says so.
#include <libwebsockets.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <new>
#include <string>

#include <unistd.h>

namespace {

struct message {
    std::string bytes = std::string(LWS_PRE, '\0');
    bool binary = false;
};

struct session {
    message coming;
    std::deque<message> going;
};

int on_event(lws* wsi, lws_callback_reasons what, void* own, void* at, std::size_t bytes) {
    session* const of = static_cast<session*>(own);
    switch (what) {
    case LWS_CALLBACK_ESTABLISHED: ::new (own) session; break;
    case LWS_CALLBACK_CLOSED: of->~session(); break;
    case LWS_CALLBACK_RECEIVE:
        of->coming.bytes.append(static_cast<const char*>(at), bytes);
        if (lws_remaining_packet_payload(wsi) > 0 || !lws_is_final_fragment(wsi)) break;
        of->coming.binary = lws_frame_is_binary(wsi) != 0;
        of->going.push_back(std::move(of->coming));
        of->coming = message();
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE: {
        if (of->going.empty()) break;
        message& next = of->going.front();
        const std::size_t size = next.bytes.size() - LWS_PRE;
        const auto kind = next.binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
        if (lws_write(wsi, reinterpret_cast<unsigned char*>(next.bytes.data()) + LWS_PRE, size, kind) < static_cast<int>(size))
            return -1;
        of->going.pop_front();
        if (!of->going.empty()) lws_callback_on_writable(wsi);
        break;
    }
    default: break;
    }
    return 0;
}

volatile std::sig_atomic_t stopped = 0;

} // namespace

int main() {
    lws_set_log_level(0, nullptr);
    std::signal(SIGTERM, [](int) { stopped = 1; });
    lws_protocols protocols[2] = {};
    protocols[0].name = "echo";
    protocols[0].callback = on_event;
    protocols[0].per_session_data_size = sizeof(session);
    protocols[0].rx_buffer_size = 64 * 1024;
    lws_context_creation_info wish = {};
    wish.port = 0;
    wish.iface = "127.0.0.1";
    wish.protocols = protocols;
    wish.gid = static_cast<gid_t>(-1);
    wish.uid = static_cast<uid_t>(-1);
    wish.pt_serv_buf_size = 64 * 1024;
    wish.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8;
    lws_context* const context = lws_create_context(&wish);
    if (!context) return 1;
    lws_vhost* const host = lws_create_vhost(context, &wish);
    if (!host) return 1;
    std::printf("listening on :%d, process %d\n", lws_get_vhost_listen_port(host), static_cast<int>(::getpid()));
    std::fflush(stdout);
    while (!stopped) lws_service(context, 0);
    lws_context_destroy(context);
}
