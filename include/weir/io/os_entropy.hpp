// Unpredictable bytes from the kernel (getrandom).
#pragma once

#include <weir/core/entropy.hpp>

#include <cstdlib>

#include <errno.h>
#include <sys/random.h>

namespace weir::inline v0::io {

// One a loop; used on its thread. A kernel that cannot give random bytes ends the program: there is no safe way on.
class os_entropy final : public entropy {
private:
    void refill(mutable_bytes batch) noexcept override {
        std::size_t done = 0;
        while (done < batch.size()) {
            const ssize_t got = ::getrandom(batch.data() + done, batch.size() - done, 0);
            if (got > 0)
                done += static_cast<std::size_t>(got);
            else if (errno != EINTR)
                std::abort();
        }
    }
};

} // namespace weir::inline v0::io
