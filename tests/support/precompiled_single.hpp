// Precompiled for the tests that are built against the single header, to save compile time only. Never included.
#include <doctest/doctest.h>

#include <weir.hpp>
