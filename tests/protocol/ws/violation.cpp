#include <doctest/doctest.h>

#include <weir/protocol/ws/violation.hpp>

#include <cstdint>
#include <string>

using weir::errc;
using weir::ws::close_code;
using weir::ws::violation;

TEST_CASE("RFC 6455 7.4.1: a violation's close code, and a reason that fits into a close frame") {
    CHECK(!violation{});
    CHECK(violation{errc::bad_utf8, 1}.code() == close_code::invalid_payload);
    CHECK(violation{errc::bad_compression}.code() == close_code::invalid_payload);
    CHECK(violation{errc::frame_too_large, 2, 1}.code() == close_code::message_too_big);
    CHECK(violation{errc::too_many_fragments, 2, 1}.code() == close_code::message_too_big);
    CHECK(violation{errc::message_too_large, 2, 1}.code() == close_code::message_too_big);
    CHECK(violation{errc::reserved_bits, 4}.code() == close_code::protocol_error);
    for (const errc rule :
         {errc::reserved_bits, errc::reserved_opcode, errc::fragmented_control, errc::long_control,
          errc::long_length_form, errc::bad_length, errc::mask_missing, errc::mask_unexpected,
          errc::unexpected_continuation, errc::expected_continuation, errc::bad_utf8, errc::bad_close_payload,
          errc::bad_close_code, errc::message_too_large, errc::frame_too_large, errc::too_many_fragments,
          errc::bad_compression}) {
        const violation worst{rule, UINT64_MAX, UINT64_MAX};
        CHECK(worst);
        CHECK(worst.reason().size() >= 20);
        CHECK(worst.reason().size() <= 123);
    }
    CHECK(violation{errc::message_too_large, 2000000, 1048576}.reason() ==
          "message of 2000000 bytes over the limit of 1048576");
    CHECK(violation{errc::canceled}.reason().empty());
}
