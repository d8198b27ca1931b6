// Files below a folder, and the ways that do not lead out of it.
#include <doctest/doctest.h>

#include <weir/io/file.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <sys/stat.h>

using namespace weir;
namespace fs = std::filesystem;

namespace {

// A folder with something in it, and something beside it.
struct tree {
    tree() {
        std::string pattern = (fs::temp_directory_path() / "weir-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()));
        all = pattern;
        inside = all / "inside";
        fs::create_directories(inside / "sub" / "deep");
        write(all / "secret", "secret");
        write(inside / "a", "text");
        write(inside / "sub" / "deep" / "b", "more text");
        fs::create_symlink("a", inside / "link");
        fs::create_symlink("sub", inside / "sublink");
        fs::create_symlink("../secret", inside / "out");
        fs::create_symlink(all / "secret", inside / "absolute");
        fs::create_symlink("..", inside / "up");
        fs::create_symlink("/proc/self/root", inside / "magic");
        fs::create_symlink("loop", inside / "loop");
        fs::create_symlink("../inside/a", inside / "around");
        REQUIRE(::mkfifo((inside / "pipe").c_str(), 0600) == 0);
    }
    ~tree() { fs::remove_all(all); }
    static void write(const fs::path& to, const std::string& text) { std::ofstream(to) << text; }

    fs::path all, inside;
};

std::string content(const io::file& of) {
    std::string text(of.size() + 10, '?');
    const result<std::size_t> got = of.read(std::as_writable_bytes(std::span(text)), 0);
    REQUIRE(got);
    text.resize(*got);
    return text;
}

} // namespace

TEST_CASE("files below a folder") {
    const tree here;
    const result<io::folder> root = io::folder::open(here.inside.string());
    REQUIRE(root);
    for (const bool walks : {false, true}) {
        CAPTURE(walks);
        const result<io::file> a = root->open_below("a", walks);
        REQUIRE(a);
        CHECK(content(*a) == "text");
        CHECK(a->size() == 4);
        CHECK(!a->is_folder());
        CHECK(a->modified() > 1'500'000'000);
        std::byte some[2];
        CHECK(*a->read(some, 3) == 1);
        CHECK(*a->read(some, 4) == 0);
        CHECK(*a->read(some, 1'000'000) == 0);
        const result<io::file> b = root->open_below("sub/deep/b", walks);
        REQUIRE(b);
        CHECK(content(*b) == "more text");
        for (const char* each : {"", "sub", "sub/deep"}) {
            CAPTURE(each);
            const result<io::file> folder = root->open_below(each, walks);
            REQUIRE(folder);
            CHECK(folder->is_folder());
        }
        const result<io::file> linked = root->open_below("link", walks), below = root->open_below("sublink/deep/b", walks);
        CHECK(linked.has_value() == !walks); // where the kernel sees to it, links that stay inside are followed
        CHECK(below.has_value() == !walks);
    }
}

TEST_CASE("no way leads out of the folder") {
    const tree here;
    const result<io::folder> root = io::folder::open(here.inside.string());
    REQUIRE(root);
    for (const bool walks : {false, true}) {
        CAPTURE(walks);
        for (const std::string& each :
             {std::string(".."), std::string("../secret"), std::string("sub/../../secret"), std::string("sub/../a"), std::string("./a"),
              std::string("/a"), std::string("a/"), std::string("//a"), std::string("sub//deep/b"), (here.all / "secret").string(),
              std::string("a\0", 2), std::string("a\0b", 3), std::string("out"), std::string("absolute"), std::string("up"),
              std::string("up/secret"), std::string("magic"), std::string("magic/etc/passwd"), std::string("loop"),
              std::string("around"), std::string("pipe"), std::string("missing"), std::string("a/b"), std::string("sub/missing/b"),
              std::string(300, 'x'), std::string(5000, 'x'), std::string("link/b")}) {
            CAPTURE(each);
            const result<io::file> found = root->open_below(each, walks);
            CHECK(!found);
        }
    }
}

TEST_CASE("a folder that is none") {
    const tree here;
    const result<io::folder> missing = io::folder::open((here.all / "nowhere").string());
    REQUIRE(!missing);
    CHECK(missing.error() == std::errc::no_such_file_or_directory);
    CHECK(missing.error().message().starts_with("opening the folder "));
    CHECK(!io::folder::open((here.inside / "a").string()));
}
