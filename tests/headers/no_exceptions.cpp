// weir without exceptions and RTTI: this is compiled with -fno-exceptions -fno-rtti and run.
#include <weir.hpp>

int main() {
    weir::block_pool pool;
    weir::buffer bytes(pool, 8);
    if (!bytes.append(weir::as_bytes("12345678")) || bytes.append(weir::as_bytes("9"))) return 1;

    const weir::result<int> good = 7;
    const weir::result<int> bad = weir::errc::timed_out;
    if (good.value() != 7 || bad || bad.error() != weir::condition::timeout) return 2;
    return bad.error().message().empty() ? 3 : 0;
}
