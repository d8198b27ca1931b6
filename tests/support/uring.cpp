// The one unit of a test program that knows io_uring: `automatic` and WEIR_BACKEND find it there in all of it.
#include <weir/io/uring.hpp>
