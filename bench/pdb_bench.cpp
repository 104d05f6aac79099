// A PDB of 40 MB (bench/make_big_pdb.py makes one): what the first questions cost. Aims, in CPU time: the first symbol
// by name and by address after opening under 10 ms, a type after one build of the index under 100 ms; anonymous
// memory after all questions under 60 MB. POOLKD_BIG_PDB names the file.
#include "symbols/pdb/pdb_symbols.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

using namespace poolkd::symbols;

constexpr const char* function_name = "BigFunctionOfFile17WithNumber1234";
constexpr const char* type_name = "_BIG_17_123";

std::string big_pdb() {
    const char* path = std::getenv("POOLKD_BIG_PDB");
    return path ? path : "big.pdb";
}

std::shared_ptr<PdbSymbols> open(benchmark::State& state) {
    auto file = PdbFile::open(big_pdb());
    if (!file) {
        state.SkipWithError((file.error().message + "; make one with bench/make_big_pdb.py").c_str());
        return nullptr;
    }
    auto symbols = PdbSymbols::open(std::move(*file));
    if (!symbols) {
        state.SkipWithError(symbols.error().message.c_str());
        return nullptr;
    }
    return *symbols;
}

double anonymous_megabytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("RssAnon:")) return std::strtod(line.c_str() + 8, nullptr) / 1024;
    return 0;
}

/// Each round opens the file anew and asks one question; `ask` returns whether the answer was right.
template <class Ask>
void first_question(benchmark::State& state, Ask ask) {
    double peak = 0; // with the tables that the question made
    for (auto _ : state) {
        auto pdb = open(state);
        if (!pdb) return;
        if (!ask(*pdb)) {
            state.SkipWithError("wrong answer");
            return;
        }
        peak = std::max(peak, anonymous_megabytes());
    }
    state.counters["anonymous_MB"] = peak;
}

void first_by_name(benchmark::State& state) {
    first_question(state, [](PdbSymbols& pdb) { return pdb.find(function_name).has_value(); });
}

void first_by_name_in_another_case(benchmark::State& state) {
    first_question(state, [](PdbSymbols& pdb) { return pdb.find("bigfunctionoffile17withnumber1234").has_value(); });
}

void first_by_address(benchmark::State& state) {
    std::uint32_t rva = 0;
    if (auto pdb = open(state)) rva = pdb->find(function_name).value_or(Symbol{}).rva;
    first_question(state, [&](PdbSymbols& pdb) {
        auto symbol = pdb.nearest(rva + 5);
        return symbol && symbol->name == function_name;
    });
}

void first_name_that_is_not_there(benchmark::State& state) {
    first_question(state, [](PdbSymbols& pdb) { return !pdb.find("NoSuchName").has_value(); });
}

void first_type(benchmark::State& state) {
    first_question(state, [](PdbSymbols& pdb) { return pdb.layout(type_name).has_value(); });
}

void first_line(benchmark::State& state) {
    std::uint32_t rva = 0;
    if (auto pdb = open(state)) rva = pdb->find(function_name).value_or(Symbol{}).rva;
    first_question(state, [&](PdbSymbols& pdb) { return pdb.line(rva).has_value(); });
}

void all_by_pattern(benchmark::State& state) {
    first_question(state, [](PdbSymbols& pdb) { return pdb.match("*File17*Number1234", 100).size() == 1; });
}

void by_name_when_warm(benchmark::State& state) {
    auto pdb = open(state);
    if (!pdb) return;
    for (auto _ : state)
        benchmark::DoNotOptimize(pdb->find(function_name));
}

void by_address_when_warm(benchmark::State& state) {
    auto pdb = open(state);
    if (!pdb) return;
    const std::uint32_t rva = pdb->find(function_name).value_or(Symbol{}).rva;
    for (auto _ : state)
        benchmark::DoNotOptimize(pdb->nearest(rva + 5));
}

} // namespace

BENCHMARK(first_by_name)->Unit(benchmark::kMillisecond);
BENCHMARK(first_by_name_in_another_case)->Unit(benchmark::kMillisecond);
BENCHMARK(first_by_address)->Unit(benchmark::kMillisecond);
BENCHMARK(first_name_that_is_not_there)->Unit(benchmark::kMillisecond);
BENCHMARK(first_type)->Unit(benchmark::kMillisecond);
BENCHMARK(first_line)->Unit(benchmark::kMillisecond);
BENCHMARK(all_by_pattern)->Unit(benchmark::kMillisecond);
BENCHMARK(by_name_when_warm)->Unit(benchmark::kMicrosecond);
BENCHMARK(by_address_when_warm)->Unit(benchmark::kMicrosecond);
