// The backend that a test of I/O over sockets runs on.
//
// It is automatic, so that WEIR_BACKEND decides, unless WEIR_TEST_BACKEND names one that no program would ask for: "poll"
// (that of examples/custom_backend.cpp), "io_uring-old" (as on a kernel that lacks what can be done without), or
// "io_uring-tiny" (rings so small that they overflow all the time); the same of completion mode, "io_uring-completion-old"
// and "io_uring-completion-tiny" (which runs out of buffers and of room for output as well). Meson runs the same executables once for each.
#pragma once

#include <weir/io/backend.hpp>

namespace tests {

weir::result<weir::owned<weir::io::backend>> make_events();

} // namespace tests
