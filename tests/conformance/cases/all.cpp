// Every case, in the order of the report.
#include "../case.hpp"

namespace conformance {

std::vector<test_case> all_cases(std::uint64_t message_limit) {
    case_list cases;
    add_framing(cases);
    add_control(cases);
    add_reserved(cases);
    add_fragments(cases);
    add_utf8(cases);
    add_masking(cases);
    add_close(cases);
    (void)message_limit;
    return cases.take();
}

} // namespace conformance
