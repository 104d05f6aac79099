// Assembling: what comes out is what was asked for, and everything else is refused.
#include "base/text.h"
#include "code/assemble.h"
#include "code/decoder.h"
#include "code_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>

#include <charconv>
#include <map>
#include <set>

namespace poolkd::code {
namespace {

using ::testing::HasSubstr;

constexpr VirtAddr here{0xfffff80001234500};
const std::map<std::string, std::uint64_t, std::less<>> names{
    {"nt!ExFreePool", 0xfffff80001300000},     {"leaky!Near", 0xfffff80001234510},
    {"leaky!Counter", 0xfffff80001240008},     {"far!Away", 0xfffff90000000000},
    {"leaky!_imp_ExFree", 0xfffff80001241000}, {"x86!Counter", 0xffffffff80401234}};

/// Sums of numbers in hexadecimal and names.
Result<std::uint64_t> value_of(std::string_view text) {
    std::uint64_t sum = 0;
    bool minus = false;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == '+' || text[i] == '-') {
            minus = text[i++] == '-';
            continue;
        }
        std::size_t end = std::min(text.find_first_of("+-", i), text.size());
        std::string term(trim(text.substr(i, end - i)));
        i = end;
        std::uint64_t value = 0;
        if (auto known = names.find(term); known != names.end()) {
            value = known->second;
        } else {
            std::erase(term, '`');
            if (term.ends_with('h')) term.pop_back();
            if (term.starts_with("0x")) term.erase(0, 2);
            auto [stop, error] = std::from_chars(term.data(), term.data() + term.size(), value, 16);
            if (term.empty() || error != std::errc() || stop != term.data() + term.size())
                return fail(ErrorKind::not_found, "Couldn't resolve error at '{}'", term);
        }
        sum += minus ? 0 - value : value;
        minus = false;
    }
    return sum;
}

/// The bytes in hexadecimal, or the error.
std::string bytes_on(const Machine& machine, std::string_view text, VirtAddr address = here) {
    auto made = assemble(machine, text, address, value_of);
    if (!made) return made.error().message;
    EXPECT_EQ(made->address, address);
    std::string out;
    for (std::byte byte : made->bytes())
        out += fmt::format("{:02x}", static_cast<unsigned>(byte));
    return out;
}
std::string x64(std::string_view text) {
    return bytes_on(x64_machine(), text);
}
std::string x86(std::string_view text) {
    return bytes_on(x86_machine(), text, VirtAddr(0xffffffff80401000));
}

TEST(Assemble, TheConstantsOfALeakHunt) {
    EXPECT_EQ(x64("mov r8d,2061745Ah"), "41b85a746120");
    EXPECT_EQ(x64("mov r8d, 0x2061745a"), "41b85a746120");
    EXPECT_EQ(x64("  MOV  R8D , 2061745A"), "41b85a746120");
    EXPECT_EQ(x64("mov edx,a5a5a5a5"), "baa5a5a5a5");
    EXPECT_EQ(x86("push 2061745Ah"), "685a746120");
    EXPECT_EQ(x64("int 3"), "cc");
    EXPECT_EQ(x64("int3"), "cc");
    EXPECT_EQ(x64("int 2d"), "cd2d");
    EXPECT_EQ(x64("nop"), "90");
    EXPECT_EQ(x64("ret"), "c3");
    EXPECT_EQ(x86("ret 8"), "c20800");
    EXPECT_EQ(x64("xor eax,eax"), "31c0");
}

TEST(Assemble, BranchesTakeTheShortestForm) {
    EXPECT_EQ(x64("jmp leaky!Near"), "eb0e");
    EXPECT_EQ(x64("jmp leaky!Near+100"), "e90b010000");
    EXPECT_EQ(x64("jz leaky!Near"), "740e");
    EXPECT_EQ(x64("jne nt!ExFreePool"), "0f85fa"
                                        "ba0c00");
    EXPECT_EQ(x64("call nt!ExFreePool"), "e8fbba0c00");
    EXPECT_EQ(x64("call nt!ExFreePool (fffff800`01300000)"), "e8fbba0c00");
    EXPECT_EQ(x64("call rax"), "ffd0");
    EXPECT_EQ(x64("jmp qword ptr [rax+10]"), "ff6010");
    EXPECT_EQ(x86("call 80401000"), "e8fbffffff");
    EXPECT_THAT(x64("call far!Away"), HasSubstr("cannot be reached"));
    EXPECT_THAT(x64("jrcxz nt!ExFreePool"), HasSubstr("cannot be reached"));
}

TEST(Assemble, MemoryByName) {
    EXPECT_EQ(x64("mov eax,[leaky!Counter]"), "8b0502bb0000");
    EXPECT_EQ(x64("mov eax,dword ptr leaky!Counter"), "8b0502bb0000");
    EXPECT_EQ(x64("inc dword ptr [leaky!Counter]"), "ff0502bb0000");
    EXPECT_EQ(x64("mov dword ptr [leaky!Counter],12345678"), "c705feba000078563412")
        << "the distance counts from the end";
    EXPECT_EQ(x64("call qword ptr [leaky!_imp_ExFree (fffff800`01241000)]"), "ff15faca0000");
    EXPECT_EQ(x64("lea rcx,[leaky!Counter+8]"), "488d0d09bb0000");
    EXPECT_EQ(x64("mov rax,offset leaky!Counter"), "48b80800240100f8ffff");
    EXPECT_EQ(x86("inc dword ptr [x86!Counter]"), "ff0534124080");
    EXPECT_EQ(x86("mov eax,x86!Counter"), "b834124080");
    EXPECT_THAT(x64("mov ecx,[far!Away]"), HasSubstr("far!Away"));
    EXPECT_THAT(x64("mov eax,[nowhere!X]"), HasSubstr("Couldn't resolve"));
}

TEST(Assemble, MemoryByRegisters) {
    EXPECT_EQ(x64("mov rax,[rcx]"), "488b01");
    EXPECT_EQ(x64("mov rax,[rcx+rdx*8-8]"), "488b44d1f8");
    EXPECT_EQ(x64("mov rax,8[rcx]"), "488b4108");
    EXPECT_EQ(x64("mov rax,[8][rcx]"), "488b4108");
    EXPECT_EQ(x64("mov byte ptr [rsp+40h],1"), "c644244001");
    EXPECT_EQ(x64("mov rax,[rax+rsp]"), "488b0404");
    EXPECT_EQ(x64("mov rax,qword ptr gs:[188h]"), "65488b042588010000");
    EXPECT_EQ(x64("mov rax,gs:188"), "65488b042588010000");
    EXPECT_EQ(x86("mov eax,fs:[00000018h]"), "64a118000000");
    EXPECT_EQ(x64("movzx eax,byte ptr [r9]"), "410fb601");
    EXPECT_EQ(x64("lock xadd dword ptr [rcx],eax"), "f00fc101");
    EXPECT_EQ(x64("rep movsb"), "f3a4");
    EXPECT_EQ(x64("rep stos dword ptr [rdi]"), "f3ab");
    EXPECT_EQ(x64("fld st(1)"), "d9c1");
}

TEST(Assemble, NonsenseIsRefused) {
    for (const char* text : {"",
                             "mov",
                             "mov eax",
                             "mov rax,[rcx",
                             "mov rax,rcx]",
                             "mov rax,[]",
                             "mov rax,[[rcx]]",
                             "frobnicate eax",
                             ".byte 1",
                             "mov eax,1; nop",
                             "mov eax,,1",
                             "mov eax,1,",
                             "mov rax,[rcx+rdx+rsi]",
                             "mov rax,[rcx*3]",
                             "mov rax,[8-rcx]",
                             "mov al,1ff",
                             "mov eax,112345678",
                             "inc [rax]",
                             "mov dword [rax],1",
                             "push eax",
                             "mov eax,ebx ecx",
                             "jmp",
                             "lock",
                             "mov rax,[rcx+112345678]",
                             "mov eax # 1",
                             "1 mov",
                             "mov rax,gs:",
                             "vaddps zmm0{k1},zmm1,zmm2",
                             "poolkd_there",
                             "call poolkd_there",
                             "mov dword ptr,1",
                             "bogus: nop"}) {
        auto made = assemble(x64_machine(), text, here, value_of);
        EXPECT_FALSE(made) << text << " became " << (made ? made->mnemonic + " " + made->operands : "");
        if (!made) {
            EXPECT_NE(made.error().message, "") << text;
        }
    }
    EXPECT_FALSE(assemble(x86_machine(), "mov rax,1", here, value_of));
    EXPECT_FALSE(assemble(x86_machine(), "mov r8d,1", here, value_of));
    EXPECT_THAT(x86("push es"), HasSubstr("something else")) << "LLVM makes it a push of 16 bits";
}

TEST(Assemble, AllOfACorpusOfListings) {
    // Listings of instructions that kernels are made of: each must come back with the same meaning.
    for (const char* text : {"mov qword ptr [rsp+8],rbx",
                             "sub rsp,28h",
                             "test dword ptr [rcx],eax",
                             "cmp qword ptr [rax+8],0FFFFFFFFFFFFFFFFh",
                             "and rax,0FFFFFFFFFFFFFFF0h",
                             "shl eax,1",
                             "shr rdx,cl",
                             "sar eax,1Fh",
                             "imul eax,eax,1234h",
                             "imul rcx,rdx",
                             "bt rax,3Fh",
                             "bts dword ptr [rcx],4",
                             "cmovne rax,rcx",
                             "setae al",
                             "movups xmm0,xmmword ptr [rcx]",
                             "movaps xmmword ptr [rsp+20h],xmm6",
                             "pxor xmm0,xmm0",
                             "mov cr8,rax",
                             "mov rax,cr3",
                             "swapgs",
                             "iretq",
                             "syscall",
                             "cpuid",
                             "rdmsr",
                             "wrmsr",
                             "cli",
                             "sti",
                             "hlt",
                             "pushfq",
                             "popfq",
                             "xchg eax,ecx",
                             "xchg rax,qword ptr [rcx]",
                             "cmpxchg8b qword ptr [rsi]",
                             "cmpxchg16b xmmword ptr [rsi]",
                             "prefetchw [rcx]",
                             "movsxd rax,ecx",
                             "movsx eax,word ptr [rcx]",
                             "bswap eax",
                             "cdq",
                             "cqo",
                             "cdqe",
                             "in al,dx",
                             "out dx,al",
                             "in eax,60h",
                             "lfence",
                             "invlpg [rax]",
                             "lgdt [rcx]",
                             "sidt [rcx]",
                             "ltr ax",
                             "fxsave [rcx]",
                             "push 0FFFFFFFFFFFFFFFFh",
                             "push 20h",
                             "push rbp",
                             "pop r15",
                             "leave",
                             "nop dword ptr [rax]",
                             "ud2",
                             "xgetbv",
                             "vmovups ymm0,ymmword ptr [rcx]",
                             "adc eax,0",
                             "sbb rax,rax",
                             "neg rcx",
                             "not dl",
                             "mul rdx",
                             "div qword ptr [rcx]",
                             "lea rax,[rcx+rcx*2]",
                             "scas byte ptr [rdi]",
                             "repne scas word ptr [rdi]",
                             "lods dword ptr [rsi]",
                             "test al,1",
                             "enter 10h,0",
                             "mov ax,1234h",
                             "mov al,0FFh",
                             "add ax,0FFFFh",
                             "cmp cl,80h"}) {
        auto made = assemble(x64_machine(), text, here, value_of);
        ASSERT_TRUE(made) << text << ": " << made.error().message;
    }
}

/// The code of the C++ library: what a compiler makes, and the same whatever this program was built with.
Bytes compiled_code() {
    Bytes code;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* out) {
            if (std::string_view(info->dlpi_name).find("libstdc++") == std::string_view::npos) return 0;
            for (const auto& part : std::span(info->dlpi_phdr, info->dlpi_phnum))
                if (part.p_type == PT_LOAD && (part.p_flags & PF_X) != 0)
                    *static_cast<Bytes*>(out) = {reinterpret_cast<const std::byte*>(info->dlpi_addr + part.p_vaddr),
                                                 part.p_memsz};
            return 1;
        },
        &code);
    return code;
}

/// Assembles what its bytes say as instructions of a machine. Returns how many of them came back.
struct Sweep {
    std::size_t tried = 0, same = 0;
    std::map<std::string, std::string> refused; ///< one example for each mnemonic
};
Sweep assemble_compiled_code(const Machine& machine) {
    constexpr std::size_t most = 4'000;
    const Bytes code = compiled_code();
    std::set<std::string> seen;
    Sweep sweep;
    VirtAddr address = machine.canonical(here.value);
    for (std::size_t at = code.size() / 2; at + 16 < code.size() && sweep.tried < most;) {
        auto listed = decode(machine, code.subspan(at, 16), address);
        if (!listed) {
            ++at;
            continue;
        }
        at += listed->length;
        const std::string text = listed->mnemonic + " " + listed->operands;
        if (!seen.insert(text).second) continue;
        ++sweep.tried;
        auto made = assemble(machine, text, address, value_of);
        if (!made) {
            sweep.refused.emplace(listed->mnemonic, text + ": " + made.error().message);
            continue;
        }
        // Only the order of xchg and test is free.
        if (listed->mnemonic != "xchg" && listed->mnemonic != "test" && listed->mnemonic != "lea") {
            EXPECT_EQ(made->mnemonic + " " + made->operands, text);
        }
        // A branch with an operand-size prefix is written anew without it.
        if (!listed->target) {
            EXPECT_LE(made->length, listed->length) << text;
        }
        ++sweep.same;
    }
    return sweep;
}

TEST(Assemble, RealCodeComesBack) {
    for (const Machine* machine : {&x64_machine(), &x86_machine()}) {
        const Sweep sweep = assemble_compiled_code(*machine);
        EXPECT_EQ(sweep.tried, 4'000u);
        // What LLVM's and Zydis' notations do not share, such as pushes of segment registers.
        EXPECT_LE(sweep.refused.size(), 5u) << machine->name;
        EXPECT_GT(sweep.same * 1000, sweep.tried * 995) << machine->name;
    }
}

} // namespace
} // namespace poolkd::code
