// Each row of the table in client/retry_verdict.hpp.
#include <weir/client/retry_verdict.hpp>

#include <doctest/doctest.h>

using namespace weir;

namespace {

bool again(const error& why, unsigned status = 200) {
    connect_refusal answer;
    answer.head.status = static_cast<http::status>(status);
    return detail::is_worth_another(why, answer);
}

bool again(close_cause cause, unsigned code = 1006, std::error_code why = {}) {
    close_info end;
    end.cause = cause;
    end.code = static_cast<ws::close_code>(code);
    end.error = why;
    return detail::is_worth_another(end);
}

} // namespace

TEST_CASE("another attempt: after what the operating system says, always") {
    for (const std::errc each : {std::errc::connection_refused, std::errc::connection_reset, std::errc::host_unreachable,
                                 std::errc::network_unreachable, std::errc::timed_out, std::errc::broken_pipe,
                                 std::errc::no_such_file_or_directory, std::errc::permission_denied, std::errc::too_many_files_open})
        CHECK(again(std::make_error_code(each)));
}

TEST_CASE("another attempt: after each failure of opening") {
    const struct {
        errc why;
        bool again;
    } rows[] = {
        {errc::name_not_found, true},
        {errc::name_unavailable, true},
        {errc::timed_out, true},
        {errc::end_of_stream, true},
        {errc::closed, true},
        {errc::no_thread, true},
        {errc::injected, true},
        {errc::tls_truncated, true},
        {errc::certificate_not_yet_valid, true},
        {errc::certificate_expired, false},
        {errc::certificate_self_signed, false},
        {errc::certificate_untrusted, false},
        {errc::certificate_wrong_host, false},
        {errc::certificate_revoked, false},
        {errc::certificate_not_pinned, false},
        {errc::certificate_missing, false},
        {errc::certificate_rejected, false},
        {errc::tls_version, false},
        {errc::tls_refused, false},
        {errc::tls_failed, false},
        {errc::tls_corrupt, false},
        {errc::not_tls, false},
        {errc::bad_credentials, false},
        {errc::bad_url, false},
        {errc::bad_scheme, false},
        {errc::bad_host, false},
        {errc::bad_port, false},
        {errc::url_has_fragment, false},
        {errc::bad_field, false},
        {errc::bad_subprotocol, false},
        {errc::unsupported, false},
        {errc::no_loop, false},
        {errc::bad_address, false},
        {errc::bad_proxy, false},
        {errc::proxy_unauthorized, false},
        {errc::bad_proxy_answer, false},
        {errc::bad_status_line, false},
        {errc::bad_version, false},
        {errc::head_too_large, false},
        {errc::bad_accept_key, false},
        {errc::not_an_upgrade, false},
        {errc::bad_extension, false},
        {errc::bad_redirect, false},
        {errc::too_many_redirects, false},
        {errc::canceled, false},
    };
    for (const auto& each : rows) {
        CAPTURE(make_error_code(each.why).message());
        CHECK(again(each.why) == each.again);
    }
}

TEST_CASE("another attempt: after each status of a server, and of a proxy") {
    for (unsigned status = 100; status < 600; ++status) {
        CAPTURE(status);
        const bool later = status == 408 || status == 425 || status == 429 || status >= 500;
        CHECK(again(errc::unexpected_status, status) == later);
        CHECK(again(errc::proxy_refused, status) == (later || status < 400));
    }
}

TEST_CASE("another attempt: after each end of a connection") {
    CHECK(again(close_cause::open));
    CHECK(again(close_cause::local, 1000));
    CHECK(again(close_cause::local, 1008));
    CHECK(again(close_cause::timeout));
    CHECK(again(close_cause::reset));
    CHECK(again(close_cause::end_of_stream));
    CHECK(again(close_cause::limit, 1008, make_error_code(errc::buffer_full)));
    CHECK(!again(close_cause::limit, 1009, make_error_code(errc::message_too_large)));
    CHECK(!again(close_cause::limit, 1008, make_error_code(errc::too_many_controls)));
    CHECK(!again(close_cause::protocol_error, 1002, make_error_code(errc::mask_unexpected)));
}

TEST_CASE("another attempt: after each code by which the peer closes") {
    for (unsigned code = 1000; code < 5000; ++code) {
        CAPTURE(code);
        const bool never = code == 1000 || code == 1002 || code == 1003 || (code >= 1007 && code <= 1010) || code == 3000 || code == 3003;
        CHECK(again(close_cause::peer, code) == !never);
    }
}
