#include "nt/bug_check.h"

#include "dumps/image.h"

namespace poolkd::nt {

namespace {

std::optional<BugCheck> from_kernel(Kernel& kernel) {
    const auto data = kernel.variable("KiBugCheckData", Kdbg::bugcheck_data);
    if (!data) return std::nullopt;
    const unsigned pointer = kernel.machine().pointer_size;
    BugCheck bug_check;
    auto bytes = memory::read_exact(kernel.memory(), *data, (1 + bug_check.parameters.size()) * pointer);
    if (!bytes) return std::nullopt;
    bug_check.code = load_unsigned(*bytes, 0, pointer).value_or(0);
    if (bug_check.code == 0) return std::nullopt;
    for (std::size_t i = 0; i < bug_check.parameters.size(); ++i)
        bug_check.parameters[i] = load_unsigned(*bytes, (1 + i) * pointer, pointer).value_or(0);
    return bug_check;
}

std::optional<BugCheck> from_header(const Kernel& kernel, const target::Target& target) {
    const dumps::MemoryImage* image = target.memory_image();
    if (!image || !image->facts.bug_check || image->facts.bug_check->code == 0) return std::nullopt;
    const dumps::BugCheck& stated = *image->facts.bug_check;
    BugCheck bug_check{stated.code, stated.parameters, true};
    if (kernel.machine().pointer_size == 4)
        for (std::uint64_t& parameter : bug_check.parameters)
            parameter &= 0xffffffff;
    return bug_check;
}

} // namespace

std::optional<BugCheck> read_bug_check(Kernel& kernel) {
    if (auto own = from_kernel(kernel)) return own;
    return from_header(kernel, kernel.target());
}

} // namespace poolkd::nt
