// What came of the cases: a table, every case that did not pass, and a line of JSON.
#pragma once

#include "judge.hpp"

namespace conformance {

// How the bytes are cut on their way to the system under test.
struct cutting {
    std::size_t step = 0;   // pieces of so many bytes; 0: whole
    std::uint64_t seed = 0; // not 0: pieces of random sizes
    std::string name() const {
        return seed ? "cut at random, seed " + std::to_string(seed) : step ? "in pieces of " + std::to_string(step) : "whole";
    }
};

// How long the first piece of what is left is.
class cutter {
public:
    cutter(const cutting& how, std::size_t whole);
    std::size_t next(std::size_t left);

private:
    cutting x_how;
    std::uint64_t x_state;
};

// How each case was judged, by the worst of its runs.
class report {
public:
    void add(const test_case& of, side role, const std::string& cut, const outcome& what);

    // The table and, below it, the cases that were not passed; with `verbose` all of them.
    void print(const char* title, bool verbose = false) const;
    std::string json(const char* title) const;

    int count(verdict how) const;
    std::size_t runs() const { return x_runs; }

    struct line {
        std::string name;
        std::string rfc;
        side role;
        bool is_table;
        std::string cut;
        outcome what;
    };
    const std::vector<line>& lines() const { return x_lines; }

private:
    std::vector<line> x_lines;
    std::size_t x_runs = 0;
};

} // namespace conformance
