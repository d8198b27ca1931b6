// The client's half of SOCKS5 (RFC 1928), with a name and a password where the proxy asks for them (RFC 1929).
//
//     while (handshake.next() == step::send || handshake.next() == step::receive) ...  // send `output()`, or `take` what came
//
// Names are looked up by the proxy. It takes no byte that is not its own: what the server says behind the handshake stays in
// the input. Nothing in the input throws. Owns what it sends.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/concat.hpp>
#include <weir/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::inline v0::socks5 {

// What a handshake is about to do.
enum class step : std::uint8_t { send, receive, done, failed };

// Whom the proxy is to connect to.
struct destination {
    std::string_view name;     // for the proxy to look up: 1 to 255 bytes. Not looked at where there is an address
    bytes_view address = {};   // of 4 bytes (IPv4) or of 16 (IPv6)
    std::uint16_t port = 0;
};

class client_handshake {
public:
    // Copies all that it needs. Without a user no authentication is offered. What is too long for the protocol fails at once,
    // with `bad_host` or `bad_proxy`.
    client_handshake(const destination& to, std::string_view user, std::string_view password) {
        const bool offers = !user.empty() || !password.empty();
        if (to.address.empty() ? !is_countable(to.name) : to.address.size() != 4 && to.address.size() != 16) {
            fail(errc::bad_host, "a name that is empty or longer than 255 bytes, which SOCKS5 cannot say");
            return;
        }
        if (offers && (!is_countable(user) || password.size() > 255)) {
            fail(errc::bad_proxy, "a user that is empty, or one or a password longer than 255 bytes, which SOCKS5 cannot say");
            return;
        }
        if (offers) {
            x_login += '\1';
            append_counted(x_login, user);
            append_counted(x_login, password);
        }
        x_request.append("\5\1\0", 3);
        x_request += to.address.empty() ? '\3' : to.address.size() == 4 ? '\1' : '\4';
        if (to.address.empty())
            append_counted(x_request, to.name);
        else
            x_request += as_text(to.address);
        x_request += static_cast<char>(to.port >> 8);
        x_request += static_cast<char>(to.port & 0xFF);
        x_output = offers ? std::string("\5\2\0\2", 4) : std::string("\5\1\0", 3);
    }

    step next() const noexcept { return x_next; }

    // What is to be sent, all of it, before `sent` is called. Valid until then.
    bytes_view output() const noexcept { return weir::as_bytes(x_output); }
    void sent() noexcept {
        x_next = step::receive;
        x_at = 0;
    }

    // Takes from the front of `input` what belongs to the answer that is awaited.
    void take(bytes_view& input) {
        while (x_next == step::receive && !input.empty()) {
            const unsigned byte = std::to_integer<unsigned>(input[0]);
            input = input.subspan(1);
            switch (x_stage) {
            case stage::method: take_method(byte); break;
            case stage::login: take_login(byte); break;
            case stage::reply: take_reply(byte); break;
            }
            ++x_at;
        }
    }

    // Why it failed; `proxy_refused` with the proxy's reason, `proxy_unauthorized`, `bad_proxy_answer`. The context says what the
    // proxy "answered".
    const weir::error& error() const noexcept { return x_error; }

private:
    enum class stage : std::uint8_t { method, login, reply };

    static bool is_countable(std::string_view text) noexcept { return !text.empty() && text.size() <= 255; }
    static void append_counted(std::string& to, std::string_view text) {
        to += static_cast<char>(text.size());
        to += text;
    }

    // Section 6.
    static std::string_view reason(unsigned reply) noexcept {
        constexpr std::string_view texts[] = {"general failure", "not allowed by its rules", "network unreachable", "host unreachable",
            "connection refused", "too many hops", "it cannot connect", "it does not know this type of address"};
        return reply >= 1 && reply <= 8 ? texts[reply - 1] : "no reason that is known";
    }

    void send(std::string& what, stage then) {
        x_output = std::move(what);
        x_stage = then;
        x_next = step::send;
    }

    void fail(errc code, std::string_view context) {
        x_error = weir::error(make_error_code(code), std::string(context));
        x_next = step::failed;
    }
    void fail_at(unsigned byte, std::string_view due) {
        fail(errc::bad_proxy_answer, concat({"0x", number_text(byte, 16), " at byte ", number_text(x_at), ", and not ", due}));
    }

    // Section 3: version, method.
    void take_method(unsigned byte) {
        if (x_at == 0) {
            if (byte == 'H') return fail(errc::bad_proxy_answer, "in HTTP");
            if (byte != 5) fail_at(byte, "the version, 5");
        } else if (byte == 0xFF) {
            fail(errc::proxy_unauthorized,
                 x_login.empty() ? "that it wants a user and a password, or more" : "that it takes no user and password");
        } else if (byte == 0) {
            send(x_request, stage::reply);
        } else if (byte == 2 && !x_login.empty()) {
            send(x_login, stage::login);
        } else {
            fail_at(byte, "a way of authentication that was offered");
        }
    }

    // RFC 1929, section 2: version, status.
    void take_login(unsigned byte) {
        if (x_at == 0) {
            if (byte != 1) fail_at(byte, "the version, 1");
        } else if (byte == 0) {
            send(x_request, stage::reply);
        } else {
            fail(errc::proxy_unauthorized, "that it does not take this user and password");
        }
    }

    // Section 6: version, reply, nothing, type of address, address, port.
    void take_reply(unsigned byte) {
        switch (x_at) {
        case 0: return byte == 5 ? void() : fail_at(byte, "the version, 5");
        case 1: return byte == 0 ? void() : fail(errc::proxy_refused, concat({reason(byte), " (", number_text(byte), ")"}));
        case 2: return;
        case 3:
            x_last = byte == 1 ? 9 : byte == 4 ? 21 : 0;
            return byte == 1 || byte == 3 || byte == 4 ? void() : fail_at(byte, "a type of address");
        case 4:
            if (x_last == 0) x_last = 6 + byte;
            return;
        default:
            if (x_at == x_last) x_next = step::done;
        }
    }

    std::string x_output;
    std::string x_login; // empty: not offered
    std::string x_request;
    weir::error x_error;
    std::size_t x_at = 0;   // in the answer
    std::size_t x_last = 0; // the last byte of the reply, once that is known
    stage x_stage = stage::method;
    step x_next = step::send;
};

} // namespace weir::inline v0::socks5
