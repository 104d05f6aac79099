// Code that clang compiles here, compared with what llvm-readobj says of its unwind records.

#include "code/decoder.h"
#include "code/unwind_tables.h"
#include "code_machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <set>

namespace poolkd::code {
namespace {

using poolkd::testing::CodeMachine;

constexpr const char* source = R"(
__attribute__((noinline)) int sink(void*, int, int, int, int);
int leaf(int x) { return x + 1; }
int small_frame(int x) { char b[16]; return sink(b, x, 1, 2, 3) + x; }
int large_frame(int x) { char b[3000]; return sink(b, x, 1, 2, 3) + x; }
int huge_frame(int x) { char b[600000]; return sink(b, x, 1, 2, 3) + x; }
int dynamic_frame(int x) { char* b = __builtin_alloca(x); return sink(b, x, 1, 2, 3) + x; }
double vectors(double a, double b, double c) { sink(0, 1, 2, 3, 4); return a * b + c * sink(0, 0, 0, 0, 0); }
void __chkstk(void) {}
int _fltused;
__attribute__((noinline)) int sink(void* a, int b, int c, int d, int e) { return *(volatile int*)a + b + c + d + e; }
int entry(int x) { return small_frame(x) + large_frame(x) + huge_frame(x) + dynamic_frame(x) + (int)vectors(x, x, x); }
)";

constexpr const char* assembly = R"(
.intel_syntax noprefix
.text
.globl trap_with_code
.seh_proc trap_with_code
trap_with_code:
    .seh_pushframe @code
    push rbp
    .seh_pushreg rbp
    sub rsp, 0x158
    .seh_stackalloc 0x158
    lea rbp, [rsp+0x80]
    .seh_setframe rbp, 0x80
    mov [rsp+0x148], rsi
    .seh_savereg rsi, 0x148
    movaps [rsp+0x20], xmm6
    .seh_savexmm xmm6, 0x20
    .seh_endprologue
    nop
    iretq
.seh_endproc
.globl trap
.seh_proc trap
trap:
    .seh_pushframe
    sub rsp, 8
    .seh_stackalloc 8
    .seh_endprologue
    nop
    iretq
.seh_endproc
)";

void write_text(const std::filesystem::path& path, const char* text) {
    std::ofstream(path) << text;
}

std::string output_of(const std::string& command) {
    std::string out;
    std::FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) return out;
    std::array<char, 4096> piece{};
    while (std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe))
        out.append(piece.data(), got);
    pclose(pipe);
    return out;
}

TEST(CompiledImage, RecordsAreReadAsLlvmReadsThem) {
    for (const char* tool : {"clang-19", "lld-link-19", "llvm-readobj-19"})
        if (std::system(fmt::format("command -v {} >/dev/null", tool).c_str()) != 0)
            GTEST_SKIP() << "not installed: " << tool;
    auto folder = std::filesystem::temp_directory_path() / fmt::format("poolkd-code-{}", ::getpid());
    std::filesystem::create_directories(folder);
    write_text(folder / "a.c", source);
    write_text(folder / "b.S", assembly);
    std::string build = fmt::format(
        "cd {} && clang-19 --target=x86_64-pc-windows-msvc -ffreestanding -O1 -w -fno-stack-protector -c a.c -o a.obj "
        "&& "
        "clang-19 --target=x86_64-pc-windows-msvc -c b.S -o b.obj && "
        "lld-link-19 /driver /subsystem:native /entry:entry /nodefaultlib /opt:noref,noicf /out:a.sys a.obj b.obj",
        folder.string());
    ASSERT_EQ(std::system(build.c_str()), 0);
    std::string text = output_of(fmt::format("llvm-readobj-19 --unwind {}", (folder / "a.sys").string()));
    ByteVector image = poolkd::testing::load_image(folder / "a.sys");
    std::filesystem::remove_all(folder);

    CodeMachine machine;
    machine.add_module("ntoskrnl.exe", CodeMachine::kernel_base, image);
    auto tables = UnwindTables::open(*machine.kernel().modules().kernel().image);
    ASSERT_TRUE(tables) << tables.error().message;

    // One line a function: prolog, frame and codes, from both.
    std::vector<std::string> theirs, ours;
    static const std::regex field(R"((PrologSize|FrameOffset|UnwindCodeCount): (\S+))");
    static const std::regex code(
        R"(0x([0-9A-F]+): ([A-Z0-9_]+)(?: reg=(\w+))?(?: errcode=(\w+))?(?:,? ?(?:size|offset)=(0x[0-9A-F]+|\d+))?)");
    std::string line;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = std::min(text.find('\n', at), text.size());
        std::string row = text.substr(at, end - at);
        at = end + 1;
        std::smatch match;
        if (row.contains("RuntimeFunction {")) theirs.emplace_back();
        if (theirs.empty()) continue;
        if (std::regex_search(row, match, field) && match[1] == "PrologSize") theirs.back() += match[2].str() + ":";
        if (std::regex_search(row, match, code)) {
            std::string op = match[2];
            std::uint64_t operand = match[5].matched ? std::stoull(match[5], nullptr, 0) : 0;
            if (op == "SET_FPREG") operand = 0;
            theirs.back() += fmt::format(" {:x} {} {}", std::stoul(match[1], nullptr, 16), op, operand);
            if (op == "PUSH_MACHFRAME") theirs.back() += match[4] == "yes" ? "+code" : "";
        }
    }
    std::set<std::string_view> seen;
    for (std::uint32_t i = 0; i < tables->count(); ++i) {
        auto function = tables->entry(i);
        ASSERT_TRUE(function);
        auto info = tables->info(*function);
        ASSERT_TRUE(info) << info.error().message;
        std::string row = fmt::format("{}:", info->prolog_size);
        for (const UnwindCode& one : info->codes) {
            row += fmt::format(" {:x} {} {}", one.prolog_offset, to_words(one.op), one.operand);
            if (one.op == UnwindOp::push_machframe) row += one.info == 1 ? "+code" : "";
            seen.insert(to_words(one.op));
        }
        ours.push_back(row);
    }
    EXPECT_EQ(ours, theirs) << text;
    for (std::string_view op :
         {"PUSH_NONVOL", "ALLOC_SMALL", "ALLOC_LARGE", "SET_FPREG", "SAVE_NONVOL", "SAVE_XMM128", "PUSH_MACHFRAME"})
        EXPECT_TRUE(seen.contains(op)) << op;
}

} // namespace
} // namespace poolkd::code
