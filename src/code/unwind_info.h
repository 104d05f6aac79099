#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace poolkd::code {

/// One entry of .pdata (IMAGE_RUNTIME_FUNCTION_ENTRY of x64): 12 bytes. Source of the whole file: "x64 exception
/// handling" in the vendor's ABI documentation; version 2 from what compilers emit (see `Epilogs`).
struct RuntimeFunction {
    std::uint32_t begin = 0;  ///< RVA
    std::uint32_t end = 0;    ///< RVA behind the last byte
    std::uint32_t unwind = 0; ///< RVA of UNWIND_INFO; bit 0 set: RVA of another RUNTIME_FUNCTION

    [[nodiscard]] bool contains(std::uint32_t rva) const { return rva >= begin && rva < end; }
    bool operator==(const RuntimeFunction&) const = default;
};

inline constexpr std::size_t runtime_function_bytes = 12;
/// Nothing when `bytes` is too short.
std::optional<RuntimeFunction> parse_runtime_function(Bytes bytes);

enum class UnwindOp : std::uint8_t {
    push_nonvol = 0,
    alloc_large = 1,
    alloc_small = 2,
    set_fpreg = 3,
    save_nonvol = 4,
    save_nonvol_far = 5,
    epilog = 6, ///< version 2; in version 1 the abandoned SAVE_XMM
    spare = 7,  ///< in version 1 the abandoned SAVE_XMM_FAR
    save_xmm128 = 8,
    save_xmm128_far = 9,
    push_machframe = 10,
};
std::string_view to_words(UnwindOp op);

struct UnwindCode {
    UnwindOp op = UnwindOp::push_nonvol;
    std::uint8_t prolog_offset = 0; ///< bytes from the function's begin to the end of the instruction
    std::uint8_t info = 0;          ///< register, or 1 for a machine frame with error code
    std::uint32_t operand = 0;      ///< bytes: size of an allocation, offset of a saved register
};

/// Where the epilogs are, as version 2 tells. An epilog there is the run of pops and the return or tail jump behind
/// them; freeing the local area before it is not part of it.
struct Epilogs {
    std::uint8_t size = 0;               ///< bytes of each, some filling behind the last instruction included
    std::vector<std::uint32_t> from_end; ///< bytes from an epilog's start to the function's end
};

struct UnwindInfo {
    static constexpr std::uint8_t flag_exception_handler = 1, flag_unwind_handler = 2, flag_chained = 4;

    std::uint8_t version = 1;
    std::uint8_t flags = 0;
    std::uint8_t prolog_size = 0;    ///< bytes
    std::uint8_t frame_register = 0; ///< 0: none (rax can not be one)
    std::uint32_t frame_offset = 0;  ///< bytes from the stack pointer to what the frame register holds
    std::vector<UnwindCode> codes; ///< in the order of the table: the prolog's last instruction first; without epilogs
    std::optional<Epilogs> epilogs;
    std::optional<RuntimeFunction> chained;
    std::uint32_t handler = 0; ///< RVA; 0: none

    /// Bytes of the whole record up to the chained entry or the handler, from its first four bytes.
    static std::size_t size_of(Bytes head);
};

/// Reads UNWIND_INFO from `bytes`, which may be longer than the record. Kind `malformed` says what contradicts the
/// format; kind `unsupported`: a version that is not known.
Result<UnwindInfo> parse_unwind_info(Bytes bytes);

} // namespace poolkd::code
