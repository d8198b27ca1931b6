// What is larger than the system under test takes (RFC 6455, sections 7.4.1 and 10.4): only where its limit is known.
#include "../case.hpp"

namespace conformance {

void add_limits(case_list& cases, std::uint64_t limit) {
    if (!limit) return;
    const auto size = static_cast<std::size_t>(limit);
    using steps = std::vector<step>;
    cases.add_large("limits/at-the-limit", "10.4",
                    [=] { return steps{send(binary(octets(size))), expect(binary(octets(size)))}; });
    cases.add_large("limits/at-the-limit-in-fragments", "10.4", [=] {
        const std::string whole = letters(size);
        return steps{send(text(whole.substr(0, size / 2)).fragment(), last(whole.substr(size / 2))), expect(text(whole))};
    });
    // A header tells the length of what follows, which need not be waited for.
    cases.add("limits/over/by-one", "7.4.1, 10.4", {hold(binary("").claiming(limit + 1), 0), fails(1009)});
    cases.add("limits/over/text", "7.4.1, 10.4", {hold(text("").claiming(limit * 2), 0), fails(1009)});
    cases.add("limits/over/2-to-the-62", "7.4.1, 10.4", {hold(binary("").claiming(1ull << 62), 0), fails(1009)});
    cases.add("limits/over/63-bit", "5.2, 7.4.1", {hold(binary("").claiming((1ull << 63) - 1), 0), fails(1009)});
    cases.add("limits/over/32-bit", "7.4.1, 10.4", {hold(binary("").claiming((1ull << 32) + limit + 1), 0), fails(1009)});
    cases.add_large("limits/over/whole", "7.4.1, 10.4", [=] { return steps{send(binary(octets(size + 1))), fails(1009)}; });
    cases.add_large("limits/over/in-fragments", "7.4.1, 10.4",
                    [=] { return steps{send(binary(octets(size)).fragment(), last("x")), fails(1009)}; });
    cases.add("limits/over/second-fragment", "7.4.1, 10.4",
              {send(text("a").fragment()), hold(last("").claiming(limit), 0), fails(1009)});
    cases.add("limits/over/after-an-echo", "7.4.1, 10.4",
              {send(text("Hello")), expect(text("Hello")), hold(text("").claiming(limit + 1), 0), fails(1009)});
}

} // namespace conformance
