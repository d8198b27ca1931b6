#include <doctest/doctest.h>

#include <weir/core/error.hpp>
#include <weir/protocol/http/status.hpp>

#include <string>

using namespace weir;
using http::status;

TEST_CASE("RFC 9110 15: codes and phrases") {
    CHECK(http::reason_phrase(status::switching_protocols) == "Switching Protocols");
    CHECK(http::reason_phrase(status::upgrade_required) == "Upgrade Required");
    CHECK(http::reason_phrase(static_cast<status>(299)).empty());
    CHECK(http::to_number(status::not_found) == 404);
    std::string seen = "\n";
    int named = 0;
    for (unsigned number = 0; number < 1000; ++number) {
        const std::string phrase(http::reason_phrase(static_cast<status>(number)));
        if (phrase.empty()) continue;
        ++named;
        CHECK(number >= 100);
        CHECK(seen.find("\n" + phrase + "\n") == std::string::npos);
        seen += phrase + "\n";
    }
    CHECK(named > 30);
}

TEST_CASE("which status answers which failure") {
    CHECK(http::status_for(errc::bad_request_line) == status::bad_request);
    CHECK(http::status_for(errc::bad_field) == status::bad_request);
    CHECK(http::status_for(errc::bad_framing) == status::bad_request);
    CHECK(http::status_for(errc::bad_chunk) == status::bad_request);
    CHECK(http::status_for(errc::end_of_stream) == status::bad_request);
    CHECK(http::status_for(errc::target_too_long) == status::uri_too_long);
    CHECK(http::status_for(errc::head_too_large) == status::request_header_fields_too_large);
    CHECK(http::status_for(errc::too_many_fields) == status::request_header_fields_too_large);
    CHECK(http::status_for(errc::body_too_large) == status::content_too_large);
    CHECK(http::status_for(errc::bad_version) == status::http_version_not_supported);
    CHECK(http::status_for(errc::unknown_coding) == status::not_implemented);
    CHECK(http::status_for(errc::timed_out) == status::request_timeout);
    CHECK(http::status_for(errc::busy) == status::internal_server_error);
    CHECK(http::status_for(error(make_error_code(errc::bad_version), "HTTP/3.0")) == status::http_version_not_supported);
    CHECK(http::status_for(std::make_error_code(std::errc::timed_out)) == status::request_timeout);
    CHECK(http::status_for(std::make_error_code(std::errc::io_error)) == status::internal_server_error);
}
