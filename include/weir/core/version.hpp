// The version of weir, stated once.
//
// Everything lives in the inline namespace `weir::v0`, so that object files built against two incompatible
// versions fail to link instead of misbehaving. Headers open it as `namespace weir::inline v0`.
#pragma once

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "weir needs C++20: compile with -std=c++20 or later"
#endif

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0
#define WEIR_VERSION_STRING "0.1.0"

namespace weir::inline v0 {

// The same as WEIR_VERSION_STRING, for code that would rather not use the preprocessor.
inline constexpr const char* version = WEIR_VERSION_STRING;

} // namespace weir::inline v0
