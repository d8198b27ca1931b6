// Files below a folder, for reading, and nothing outside of it.
//
// The kernel sees to that (openat2, RESOLVE_BENEATH): neither ".." nor a symbolic link leads out of the folder. Where it
// cannot, since it is older than Linux 5.6 or a container forbids the call, the path is walked segment by segment and no
// symbolic link is followed at all. Reading may wait for the disk: whoever does it on a loop's thread reads little at a time.
#pragma once

#include <weir/core/bytes.hpp>
#include <weir/core/result.hpp>
#include <weir/io/unique_descriptor.hpp>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace weir::inline v0::io {

// An open file or folder, as it was when it was opened.
class file {
public:
    // Regular files and folders only: reading from others, a pipe for instance, may never end.
    template <class = void>
    static result<file> make(unique_descriptor&& open) {
        struct stat found;
        if (::fstat(open.get(), &found) != 0) return last_error();
        if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) return std::make_error_code(std::errc::no_such_file_or_directory);
        file made;
        made.x_descriptor = std::move(open);
        made.x_is_folder = S_ISDIR(found.st_mode);
        made.x_bytes = static_cast<std::uint64_t>(found.st_size);
        made.x_modified = found.st_mtim.tv_sec < 0 ? 0 : static_cast<std::uint64_t>(found.st_mtim.tv_sec);
        made.x_nanoseconds = static_cast<std::uint32_t>(found.st_mtim.tv_nsec);
        return made;
    }

    bool is_folder() const noexcept { return x_is_folder; }
    std::uint64_t size() const noexcept { return x_bytes; }

    // When it was changed last: seconds since 1970, and the fraction of a second.
    std::uint64_t modified() const noexcept { return x_modified; }
    std::uint32_t modified_nanoseconds() const noexcept { return x_nanoseconds; }

    // Reads from `offset` on. Gives how many bytes there were, 0 at the end.
    template <class = void>
    result<std::size_t> read(mutable_bytes into, std::uint64_t offset) const noexcept {
        ssize_t got;
        do {
            got = ::pread(x_descriptor.get(), into.data(), into.size(), static_cast<off_t>(offset));
        } while (got < 0 && errno == EINTR);
        if (got < 0) return last_error();
        return static_cast<std::size_t>(got);
    }

private:
    file() noexcept = default;

    unique_descriptor x_descriptor;
    std::uint64_t x_bytes = 0;
    std::uint64_t x_modified = 0;
    std::uint32_t x_nanoseconds = 0;
    bool x_is_folder = false;
};

class folder {
public:
    template <class = void>
    static result<folder> open(const std::string& path) {
        unique_descriptor open(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!open) return error(last_error(), "opening the folder " + path);
        return folder(std::move(open));
    }

    // Opens what is at `path` below the folder. Its segments are names with a '/' between them; an empty path is the folder
    // itself. `walks`: as where the kernel cannot see to it. Fails with ENOENT for all that is no such path.
    template <class = void>
    result<file> open_below(std::string_view path, bool walks = false) const {
        if (!is_plain(path)) return std::make_error_code(std::errc::no_such_file_or_directory);
        if (path.empty()) path = ".";
        unique_descriptor open;
        if (walks || !open_at_once(std::string(path), open)) open = walk(path);
        if (!open) return last_error();
        return file::make(std::move(open));
    }

private:
    static constexpr int how = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

    explicit folder(unique_descriptor&& open) noexcept : x_descriptor(std::move(open)) {}

    // Whether no segment is empty or leads elsewhere.
    template <class = void>
    static bool is_plain(std::string_view path) noexcept {
        if (path.find('\0') != path.npos) return false;
        if (path.empty()) return true;
        for (std::size_t at = 0; at <= path.size();) {
            const std::size_t end = path.find('/', at) == path.npos ? path.size() : path.find('/', at);
            const std::string_view name = path.substr(at, end - at);
            if (name.empty() || name == "." || name == "..") return false;
            at = end + 1;
        }
        return true;
    }

    // False where the system does not do that.
    template <class = void>
    bool open_at_once(const std::string& path, unique_descriptor& open) const noexcept {
        struct {
            std::uint64_t flags, mode, resolve;
        } const wish{how, 0, beneath | no_magic_links};
        for (int round = 0; round < 16; ++round) { // EAGAIN: something was renamed meanwhile
            open = unique_descriptor(static_cast<int>(::syscall(SYS_openat2, x_descriptor.get(), path.c_str(), &wish, sizeof wish)));
            if (open || errno != EAGAIN) break;
        }
        return open || (errno != ENOSYS && errno != EPERM && errno != EINVAL);
    }

    template <class = void>
    unique_descriptor walk(std::string_view path) const {
        unique_descriptor above;
        for (;;) {
            const std::size_t slash = path.find('/');
            const std::string name(path.substr(0, slash));
            const int from = above ? above.get() : x_descriptor.get();
            const bool last = slash == path.npos;
            unique_descriptor next(::openat(from, name.c_str(), O_NOFOLLOW | (last ? how : O_PATH | O_DIRECTORY | O_CLOEXEC)));
            if (!next || last) {
                const int failed = errno;
                above.close();
                errno = failed;
                return next;
            }
            above = std::move(next);
            path.remove_prefix(slash + 1);
        }
    }

    static constexpr std::uint64_t no_magic_links = 0x02, beneath = 0x08; // of <linux/openat2.h>

    unique_descriptor x_descriptor;
};

} // namespace weir::inline v0::io
