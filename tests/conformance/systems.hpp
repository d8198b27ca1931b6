// The systems under test that the suite brings along or drives.
#pragma once

#include "report.hpp"

namespace conformance {

// What is to be tried: each of the cases, cut in each of the ways.
struct plan {
    const std::vector<test_case>& cases;
    std::vector<cutting> cuttings = {{}};
    std::uint64_t message_limit = 16 * 1024 * 1024; // of the system under test
    bool deflate = false;                           // it is to have compression switched on
};

void try_weir_in_memory(const plan& what, report& into);
void try_weir_on_sockets(const plan& what, report& into);

// True when the reference passes everything; when each of its defects fails the cases that it should and no others.
bool try_reference(const plan& what, report& into);
bool try_defects(const plan& what, bool verbose);

} // namespace conformance
