// Static files: the handler that `server::files` makes of a folder.
//
// Only regular files below the folder are served: see io/file.hpp for what keeps it so. Has ranges, validators, and siblings
// that are compressed already ("app.js.gz" beside "app.js", if it is not older). A file is read on the loop's thread, at most
// 64 KiB a turn, as fast as the client takes it, so that memory does not depend on its size; a slow disk holds up the other
// connections for as long as such a read takes. A file that shrinks while it is sent breaks the connection off. Loop thread
// only.
#pragma once

#include <weir/coro/next_turn.hpp>
#include <weir/io/file.hpp>
#include <weir/io/loop.hpp>
#include <weir/protocol/http/accept_encoding.hpp>
#include <weir/protocol/http/conditions.hpp>
#include <weir/protocol/http/media_type.hpp>
#include <weir/protocol/http/range.hpp>
#include <weir/server/http_route.hpp>

namespace weir::inline v0 {

// Copied by the call that is given it.
struct files_options {
    // What is served for a path that ends with '/'. Empty: nothing.
    std::string_view index = "index.html";

    // The Cache-Control field of answers. By default browsers ask each time whether what they have is the newest, which is
    // answered by 304. Empty: no field.
    std::string_view cache_control = "no-cache";

    // Whether clients that take gzip are given "name.gz" for "name", if it is there and not older.
    bool gzip = true;

    // Whether files and folders may be served whose names begin with a dot.
    bool dot_files = false;
};

namespace detail {

// Answers a request for a folder without the slash: what its page refers to would be sought beside it.
template <class = void>
void redirect_to_slash(exchange& http) {
    const std::string_view path = http.request().path();
    response answer(http::status::moved_permanently, "The folder is here, with a slash.\n");
    answer.fields.add("Location", concat({"./", path.substr(path.rfind('/') + 1), "/"}));
    http.respond(std::move(answer));
}

template <class = void>
class file_handler final : public exchange_handler {
public:
    file_handler(std::string_view folder, const files_options& options)
        : x_folder(folder), x_index(options.index), x_cache_control(options.cache_control), x_gzip(options.gzip),
          x_dot_files(options.dot_files) {}

    task<> call(exchange& http) override { return serve(http); }

    // Whether the folder is there.
    result<> check() const override {
        const result<io::folder> root = io::folder::open(x_folder);
        if (!root) return root.error();
        return {};
    }

private:
    static constexpr std::size_t step_bytes = 64 * 1024;

    // A file that was found for a request.
    struct finding {
        io::file file;
        std::string etag;
        bool zipped;
    };

    task<> serve(exchange& http) const {
        std::string path(http.parameter("path"));
        result<finding> found = find(http, path);
        if (!found) co_return refuse(http, found.error());
        if (found->file.is_folder()) co_return redirect_to_slash(http);
        response head(http::status::ok);
        const http::byte_range range = judge(http, path, *found, head);
        if (head.status != http::status::ok && head.status != http::status::partial_content) co_return http.respond(std::move(head));
        response_stream& out = http.stream(std::move(head), range.count);
        if (http.request().method == "HEAD") co_return;
        std::uint64_t at = range.first, left = range.count;
        const block_loan room(io::loop::current()->blocks(), step_bytes);
        while (left > 0) {
            const std::size_t wish = left < step_bytes ? static_cast<std::size_t>(left) : step_bytes;
            const result<std::size_t> got = found->file.read(mutable_bytes(room.data(), wish), at);
            if (!got || *got == 0) co_return http.note(log_level::error, "a file could not be read to its end");
            at += *got;
            left -= *got;
            const send_status sent = co_await out.write(bytes_view(room.data(), *got));
            if (!sent) co_return;
            const result<> turned = co_await next_turn();
            if (!turned) co_return;
        }
    }

    // A block of the loop's pool, for as long as this lives.
    class block_loan {
    public:
        block_loan(block_pool& of, std::size_t bytes) noexcept : x_pool(of), x_block(of.take(bytes)) {}
        block_loan(const block_loan&) = delete;
        ~block_loan() { x_pool.give(x_block); }
        std::byte* data() const noexcept { return x_block.data; }

    private:
        block_pool& x_pool;
        block x_block;
    };

    // Finds the file for `path`, to which that of the index is added.
    result<finding> find(const exchange& http, std::string& path) const {
        if (!x_dot_files && (path.starts_with('.') || path.find("/.") != path.npos)) return missing();
        const bool in_folder = path.empty() || path.ends_with('/');
        if (in_folder && x_index.empty()) return missing();
        if (in_folder) path += x_index;
        const result<io::folder> root = io::folder::open(x_folder);
        if (!root) return root.error();
        result<io::file> plain = root->open_below(path);
        if (!plain) return plain.error();
        if (plain->is_folder() && (in_folder || x_index.empty() || !root->open_below(concat({path, "/", x_index})))) return missing();
        bool zipped = false;
        if (x_gzip && !plain->is_folder() && http::accepts_coding(http.request().fields, "gzip")) {
            result<io::file> other = root->open_below(path + ".gz");
            zipped = other && !other->is_folder() && !is_older(*other, *plain);
            if (zipped) plain = std::move(other);
        }
        std::string etag = concat({"\"", number_text(plain->size(), 16), "-",
            number_text(plain->modified(), 16), ".", number_text(plain->modified_nanoseconds(), 16),
            zipped ? "-gzip\"" : "\""});
        return finding{std::move(*plain), std::move(etag), zipped};
    }

    static std::error_code missing() noexcept { return std::make_error_code(std::errc::no_such_file_or_directory); }

    static bool is_older(const io::file& a, const io::file& b) noexcept {
        if (a.modified() != b.modified()) return a.modified() < b.modified();
        return a.modified_nanoseconds() < b.modified_nanoseconds();
    }

    // Fills in the head of the answer, and says which bytes of the file go with it.
    http::byte_range judge(const exchange& http, std::string_view path, const finding& found, response& head) const {
        const http::request_head& request = http.request();
        const http::validators state{found.etag, found.file.modified()};
        const std::uint64_t size = found.file.size();
        head.fields.add("ETag", found.etag);
        head.fields.add("Last-Modified", http::format_date(found.file.modified()));
        if (!x_cache_control.empty()) head.fields.add("Cache-Control", x_cache_control);
        if (x_gzip) head.fields.add("Vary", "Accept-Encoding");
        const http::precondition may = http::judge_conditions(request, state);
        if (may != http::precondition::holds) {
            head.status = may == http::precondition::not_modified ? http::status::not_modified : http::status::precondition_failed;
            return {};
        }
        http::byte_range range{http::byte_range::whole, 0, size};
        const std::optional<std::string_view> asked = request.fields.get("Range");
        if (asked && request.method == "GET" && http::if_range_holds(request, state)) range = http::parse_range(*asked, size);
        head.fields.add("Accept-Ranges", "bytes");
        if (range.what == http::byte_range::unsatisfiable) {
            head = response(http::status::range_not_satisfiable, "The file does not have these bytes.\n");
            head.fields.add("Content-Range", concat({"bytes */", number_text(size)}));
            return range;
        }
        head.content_type = http::media_type_of(path);
        head.fields.add("X-Content-Type-Options", "nosniff");
        if (found.zipped) head.fields.add("Content-Encoding", "gzip");
        if (range.what == http::byte_range::part) {
            head.status = http::status::partial_content;
            head.fields.add("Content-Range", concat({"bytes ", number_text(range.first), "-",
                number_text(range.first + range.count - 1), "/", number_text(size)}));
        }
        return range;
    }

    static void refuse(exchange& http, const error& why) {
        if (!why.context().empty()) http.note(log_level::error, why.message());
        const bool missing = why == std::errc::no_such_file_or_directory || why == std::errc::not_a_directory ||
                             why == std::errc::too_many_symbolic_link_levels || why == std::errc::cross_device_link ||
                             why == std::errc::filename_too_long || why == std::errc::permission_denied;
        if (!missing) return http.respond(response(http::status::internal_server_error, "The server failed to answer.\n"));
        http.respond(response(http::status::not_found, "There is nothing at this path.\n"));
    }

    std::string x_folder;
    std::string x_index;
    std::string x_cache_control;
    bool x_gzip;
    bool x_dot_files;
};

// Sends those on who ask for the folder without its slash.
template <class = void>
class slash_handler final : public exchange_handler {
public:
    task<> call(exchange& http) override { return redirect(http); }

private:
    static task<> redirect(exchange& http) {
        redirect_to_slash(http);
        co_return;
    }
};

} // namespace detail

} // namespace weir::inline v0
