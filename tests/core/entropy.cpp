#include <doctest/doctest.h>

#include <weir/core/entropy.hpp>

using namespace weir;

namespace {

// Each batch is filled with its number, so that what was drawn tells how often it was asked.
class counted final : public entropy {
public:
    unsigned refills = 0;

private:
    void refill(mutable_bytes batch) noexcept override {
        ++refills;
        for (std::byte& each : batch) each = static_cast<std::byte>(refills);
    }
};

} // namespace

TEST_CASE("bytes are drawn in batches, and no byte is given twice") {
    counted source;
    CHECK(source.refills == 0);
    CHECK(source.next_32() == 0x01010101);
    CHECK(source.next_64() == 0x0101010101010101);
    std::byte drawn[1012];
    source.fill(drawn);
    CHECK(drawn[1011] == std::byte{1});
    CHECK(source.refills == 1);
    CHECK(source.next_32() == 0x02020202);
    std::byte many[5000] = {};
    source.fill(many);
    CHECK(many[0] == std::byte{2});
    CHECK(many[4999] == static_cast<std::byte>(source.refills));
    CHECK(source.refills == 6);
}
