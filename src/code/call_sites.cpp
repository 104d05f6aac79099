#include "code/call_sites.h"

#include "code/decoder.h"

#include <algorithm>
#include <array>

namespace poolkd::code {

std::size_t CallSites::read(VirtAddr address, MutableBytes out) {
    if (target::RunControl* control = kernel_.target().run_control(); control && !control->running()) {
        const target::Stop& stop = control->last_stop();
        std::uint64_t skip = address - stop.ip;
        if (skip < stop.instruction_stream.size()) {
            std::size_t count = std::min<std::size_t>(out.size(), stop.instruction_stream.size() - skip);
            std::copy_n(stop.instruction_stream.begin() + static_cast<std::ptrdiff_t>(skip), count, out.begin());
            return count;
        }
    }
    return kernel_.memory().read(address, out, work_).bytes;
}

CallSite CallSites::before(VirtAddr return_address) {
    constexpr std::size_t longest_call = 8, shortest_call = 2;
    nt::Module* module = kernel_.modules().containing(return_address);
    if (!module || return_address - module->base < longest_call) return {};
    std::array<std::byte, longest_call> bytes{};
    if (kernel_.memory().read(return_address - longest_call, bytes, work_).bytes != longest_call)
        return {CallBefore::unknown, std::nullopt};
    CallSite found;
    for (std::size_t length = shortest_call; length <= longest_call; ++length) {
        auto call = decode(kernel_.machine(), Bytes(bytes).last(length), return_address - length);
        if (!call || call->kind != InstructionKind::call || call->length != length) continue;
        // Of several readings the direct call counts: five bytes are less often right by chance than two.
        if (call->target) return {CallBefore::direct, call->target};
        found.kind = CallBefore::indirect;
    }
    return found;
}

} // namespace poolkd::code
