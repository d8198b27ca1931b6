#include <doctest/doctest.h>

#include <weir/core/errc.hpp>

#include <cerrno>
#include <ostream>
#include <string>

using namespace weir;

TEST_CASE("each code has its own text, and one condition") {
    std::string seen = "\n";
    int count = 0;
    for (int value = 0; value < 1000; ++value) {
        const std::error_code code = static_cast<errc>(value);
        if (code.message() == "unknown weir error") continue;
        ++count;
        CAPTURE(code.message());
        CHECK(seen.find("\n" + code.message() + "\n") == std::string::npos);
        seen += code.message() + "\n";
        int conditions = 0;
        for (int kind = 0; kind < 20; ++kind) conditions += code == static_cast<condition>(kind);
        CHECK(conditions == 1);
    }
    CHECK(count > 50);
}

TEST_CASE("codes are of weir's category, conditions of its other one") {
    CHECK(std::string(error_category().name()) == "weir");
    CHECK(std::string(condition_category().name()) == "weir condition");
    CHECK(make_error_code(errc::busy).category() == error_category());
    CHECK(make_error_condition(condition::limit).category() == condition_category());
    for (int kind = 1; kind <= static_cast<int>(condition::untrusted); ++kind)
        CHECK(condition_category().message(kind) != condition_category().message(0));
    CHECK(condition_category().message(0) == "unknown weir condition");
}

TEST_CASE("fine codes compare with coarse conditions") {
    const std::error_code canceled = errc::canceled;
    CHECK(canceled == condition::canceled);
    CHECK(canceled != condition::timeout);
    CHECK(make_error_code(errc::timed_out) == condition::timeout);
    CHECK(make_error_code(errc::end_of_stream) == condition::disconnected);
    CHECK(make_error_code(errc::bad_utf8) == condition::protocol);
    CHECK(make_error_code(errc::target_too_long) == condition::limit);
    CHECK(make_error_code(errc::unknown_coding) == condition::protocol);
    CHECK(make_error_code(errc::busy) == condition::misuse);
    CHECK(make_error_code(errc::name_not_found) == condition::unreachable);
    CHECK(make_error_code(errc::certificate_expired) == condition::untrusted);
    CHECK(make_error_code(errc::tls_truncated) == condition::disconnected);
}

TEST_CASE("codes of the operating system compare with the same conditions") {
    const struct {
        int number;
        condition kind;
    } cases[] = {
        {ECANCELED, condition::canceled},        {ETIMEDOUT, condition::timeout},
        {ECONNRESET, condition::disconnected},   {EPIPE, condition::disconnected},
        {ECONNABORTED, condition::disconnected}, {ENOTCONN, condition::disconnected},
        {ECONNREFUSED, condition::unreachable},  {EHOSTUNREACH, condition::unreachable},
        {ENETUNREACH, condition::unreachable},   {ENOENT, condition::unreachable},
    };
    for (const auto& each : cases) {
        const std::error_code code(each.number, std::system_category());
        for (int kind = 1; kind <= static_cast<int>(condition::untrusted); ++kind)
            CHECK((code == static_cast<condition>(kind)) == (static_cast<condition>(kind) == each.kind));
    }
    CHECK(std::error_code(EINVAL, std::system_category()) != condition::protocol);
}
