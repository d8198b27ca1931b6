// A name and a password: as a URL has them (RFC 3986, section 3.2.1), and as "Basic" authentication sends them (RFC 7617).
//
// Whoever reads such a field's value knows the password: it is not encrypted. Owns its text.
#pragma once

#include <weir/core/base64.hpp>
#include <weir/core/result.hpp>
#include <weir/protocol/http/percent.hpp>

#include <string>
#include <string_view>

namespace weir::inline v0::http {

struct credentials {
    std::string user;
    std::string password;

    bool empty() const noexcept { return user.empty() && password.empty(); }

    // From a URL's user info, "user:password", percent-encoded as it is.
    [[gnu::cold]] static credentials from_user_info(std::string_view text) {
        const std::size_t colon = text.find(':');
        credentials made;
        append_percent_decoded(made.user, text.substr(0, colon));
        if (colon != text.npos) append_percent_decoded(made.password, text.substr(colon + 1));
        return made;
    }

    // The value of an Authorization or Proxy-Authorization field. `bad_field` for a name with a colon, and for control bytes
    // in either (RFC 7617, section 2).
    [[gnu::cold]] result<std::string> basic() const {
        if (user.find(':') != user.npos) return error(errc::bad_field, "a user's name with a colon in it");
        std::string both = user;
        both.append(":").append(password);
        for (const char each : both)
            if (static_cast<unsigned char>(each) < 0x20 || each == 0x7F)
                return error(errc::bad_field, "a user's name or password with a control character in it");
        return std::string("Basic ").append(base64_encode(as_bytes(both)));
    }
};

} // namespace weir::inline v0::http
