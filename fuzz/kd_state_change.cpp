// Payloads of a hostile target: every decoder stays inside the payload and inside its own limits.
#include "kd/messages.h"

#include <cstdlib>

using namespace poolkd;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes payload = std::as_bytes(std::span(data, size));
    if (const auto change = kd::decode_state_change(payload)) {
        for (std::uint16_t machine : {0x014c, 0x8664, 0xaa64, 0x01c4})
            check(change->control_report(machine).instruction_bytes.size() <= 16);
        if (const auto* exception = std::get_if<kd::ExceptionReport>(&change->report))
            check(exception->parameters.size() <= 15);
        if (const auto* module = std::get_if<kd::LoadSymbolsReport>(&change->report))
            check(module->path.size() <= size && module->path.find('\0') == std::string::npos);
        check(change->same_stop(*change));
    }
    if (const auto io = kd::decode_debug_io(payload)) {
        check(io->text.size() <= size);
        check(kd::encode_prompt_answer(io->processor, "answer", io->longest_answer).size() <=
              kd::debug_io_header_size + io->longest_answer);
    }
    if (const auto answer = kd::refuse_file_io(payload)) check(answer->size() == kd::file_io_header_size);
    check(kd::file_io_name(payload).size() <= size);
    if (const auto answer = kd::refuse_control_request(payload)) check(answer->size() == kd::control_request_size);
    (void)kd::decode_version(payload);
    return 0;
}
