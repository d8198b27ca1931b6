// Opening a channel of a server: the client's side of `server.channel("/chat", handler)`.
//
//     auto chat = co_await weir::open("http://localhost:9001/chat");
//     if (!chat) std::puts(chat.error().message().c_str());
//
// Tries the transports one after the other, a WebSocket first, until one works. Errors say what was being done and where:
// "opening http://localhost:9001/chat: by polling: connecting to 127.0.0.1:9001: Connection refused".
#pragma once

#include <weir/client/client_channel.hpp>

namespace weir::inline v0 {

namespace detail {

template <class Tag = void>
result<owned<channel_client<Tag>>> prepare_channel(std::string_view text, const open_options& options) {
    io::loop* const on = io::loop::current();
    if (!on) return error(errc::no_loop, "opening a channel");
    result<http::url> url = http::parse_url(text);
    if (!url) return explained(url.error(), "opening a channel", url.error().context());
    const std::string where = concat({"opening ", http::to_text(url->scheme()), "://", url->host_field(), url->path()});
    if (!url->user_info().empty())
        return explained(errc::unsupported, where, "a user in the URL; send an Authorization field");
    if (url->secure() && !net::security_of(options.tls)) return explained(errc::unsupported, where, net::lacks_security);
    if (options.transports.empty()) return explained(errc::unsupported, where, "a list of transports that is empty");
    owned<channel_client<Tag>> made(new channel_client<Tag>(*on, std::move(*url), options));
    if (!made->talk().has_valid_fields()) return explained(errc::bad_field, where, "a field that may not stand in a request");
    return made;
}

template <class Tag = void>
task<result<basic_client_channel<Tag>>> open_channel(result<owned<channel_client<Tag>>> prepared) {
    if (!prepared) co_return std::move(prepared).error();
    owned<channel_client<Tag>> made = std::move(*prepared);
    channel_driver<Tag>& driver = made->driver();
    driver.start();
    const result<> told = co_await driver.settled().wait().within(made->talk().options().timeout);
    if (told && made->talk().is_named()) co_return basic_client_channel<Tag>(std::move(made));
    const http::url& to = made->talk().server();
    std::string where = concat({"opening ", http::to_text(to.scheme()), "://", to.host_field(), to.path()});
    if (!told) co_return explained(told.error(), std::move(where), driver.failure().context());
    const close_info end = made->talk().session().closed();
    if (end.error) co_return explained(end.error, std::move(where), end.reason);
    co_return explained(driver.failure(), std::move(where), driver.failure().context());
}

} // namespace detail

// Opens a channel at an `http://` or `ws://` URL, which mean the same, or at one of `https://` or `wss://`. What it is given is
// copied at the call; the work begins when it is awaited. Cancelling it leaves nothing behind, but that the server may keep an
// unused session for its time. Errors: those of the URL, `timed_out`, and that of the last transport that was tried:
// `session_refused` with the status, or those of `weir::connect`.
template <class Tag = void>
task<result<basic_client_channel<Tag>>> open(std::string_view url, const open_options& options = {}) {
    return detail::open_channel<Tag>(detail::prepare_channel<Tag>(url, options));
}

} // namespace weir::inline v0
