// Counts what a program allocates, in the file that BENCH_COUNTER names (eight bytes, which the load generator reads).
// To be preloaded: LD_PRELOAD=count_allocations.so. malloc and its kin are those of the system, counted.
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}

namespace {

std::uint64_t nowhere;
std::uint64_t* counter = &nowhere;

[[gnu::constructor]] void open_counter() {
    const char* const name = std::getenv("BENCH_COUNTER");
    if (!name) return;
    const int file = ::open(name, O_RDWR | O_CLOEXEC);
    void* const mapped = ::mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) counter = static_cast<std::uint64_t*>(mapped);
    ::close(file);
}

void count_one() { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

} // namespace

extern "C" {

void* malloc(std::size_t bytes) noexcept {
    count_one();
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
    count_one();
    return __libc_calloc(count, bytes);
}
void* realloc(void* block, std::size_t bytes) noexcept {
    count_one();
    return __libc_realloc(block, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    count_one();
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
    count_one();
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
    count_one();
    *block = __libc_memalign(alignment, bytes);
    return *block ? 0 : ENOMEM;
}
}
