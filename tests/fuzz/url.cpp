// URLs: what was parsed renders to its normal form, which parses to itself; its parts are in bounds and make the whole;
// errors are short, printable, and show no password.
#include "support.hpp"

#include <weir/protocol/http/url.hpp>

namespace url_target {

using namespace weir;

static bool printable(std::string_view text) {
    for (const char each : text)
        if (each < 0x20 || each > 0x7E) return false;
    return true;
}

static void check_parts(const http::url& of) {
    fuzz::require(printable(of.text()) && of.text().find(' ') == std::string_view::npos, "visible ASCII");
    fuzz::require(!of.host().empty() && of.port() != 0, "a host and a port");
    for (const char each : of.host()) fuzz::require(!(each >= 'A' && each <= 'Z'), "a host in lower case");
    fuzz::require(of.host().find_first_of("/?#@[]\\ ") == std::string_view::npos, "nothing but a host");
    fuzz::require(of.host_is_ipv6() == (of.host().find(':') != std::string_view::npos), "only IPv6 has colons");
    fuzz::require(of.target().starts_with('/') && of.target().find('#') == std::string_view::npos, "a target");
    std::string target(of.path());
    if (of.target().find('?') != std::string_view::npos) target.append("?").append(of.query());
    fuzz::require(target == of.target() && of.path().find('?') == std::string_view::npos, "a path and a query");

    std::string host(of.host());
    if (of.host_is_ipv6()) host = "[" + host + "]";
    if (of.port() != (of.secure() ? 443 : 80)) host += ":" + std::to_string(of.port());
    fuzz::require(host == of.host_field(), "the Host field");
    std::string user(of.user_info());
    if (!user.empty()) user += "@";
    std::string text = std::string(to_text(of.scheme())) + "://" + user + host + target;
    if (user.empty() && text != of.text()) text = std::string(to_text(of.scheme())) + "://@" + host + target;
    fuzz::require(text == of.text(), "the parts make the whole");
}

static void check(std::string_view text) {
    const fuzz::exact copy(text);
    const result<http::url> made = http::parse_url(as_text(copy.bytes()));
    if (!made) {
        const std::string said = made.error().message();
        fuzz::require(printable(said) && said.size() < 900, "a short, printable error");
        fuzz::require(made.error() == errc::bad_url || made.error() == errc::bad_scheme || made.error() == errc::bad_host ||
                          made.error() == errc::bad_port || made.error() == errc::url_has_fragment,
                      "a documented error");
        return;
    }
    check_parts(*made);
    const result<http::url> again = http::parse_url(made->text());
    fuzz::require(again.has_value(), "the normal form parses");
    fuzz::require(again->text() == made->text() && again->host_field() == made->host_field() &&
                      again->host() == made->host() && again->port() == made->port() &&
                      again->target() == made->target() && again->user_info() == made->user_info() &&
                      again->scheme() == made->scheme() && again->host_is_ipv6() == made->host_is_ipv6(),
                  "the normal form is itself");
}

static void check_secret(std::string_view before, std::string_view after) {
    constexpr std::string_view secret = "hunter2";
    const std::string text = "wss://" + std::string(before) + ":" + std::string(secret) + "@" + std::string(after);
    if (before.find_first_of("/?#") != before.npos) return; // then the secret is a part of a path, for all to see
    if (before.find(secret) != before.npos || after.find(secret) != after.npos) return;
    const result<http::url> made = http::parse_url(text);
    if (!made) fuzz::require(made.error().message().find(secret) == std::string::npos, "no password in an error");
}

} // namespace url_target

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in(data, size);
    const std::string_view all = in.take_all();
    url_target::check(all);
    const std::size_t half = all.empty() ? 0 : static_cast<std::uint8_t>(all.back()) % all.size();
    url_target::check_secret(all.substr(0, half), all.substr(half));
    return 0;
}
