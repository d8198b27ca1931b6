// Every case, in the order of the report.
#include "../case.hpp"

#include <iterator>

namespace conformance {

std::vector<test_case> all_cases(std::uint64_t message_limit, std::uint64_t largest, bool deflate) {
    case_list cases;
    add_framing(cases);
    add_control(cases);
    add_reserved(cases);
    add_fragments(cases);
    add_utf8(cases);
    add_masking(cases);
    add_close(cases);
    add_server_handshake(cases);
    add_client_handshake(cases);
    add_limits(cases, message_limit);
    if (deflate) add_compression(cases);
    std::vector<test_case> all = cases.take(), table = size_table(largest);
    all.insert(all.end(), std::make_move_iterator(table.begin()), std::make_move_iterator(table.end()));
    return all;
}

} // namespace conformance
