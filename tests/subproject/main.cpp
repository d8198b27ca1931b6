// A program of somebody else's, built with weir as a Meson subproject and against an installed weir.
#include <weir.hpp>

#include <cstdio>

int main() {
    weir::block_pool pool;
    weir::buffer bytes(pool);
    if (!bytes.append(weir::as_bytes("hello"))) return 1;
    std::printf("weir %s says %.*s\n", weir::version, static_cast<int>(bytes.size()), weir::as_text(bytes.view()).data());
    return 0;
}
