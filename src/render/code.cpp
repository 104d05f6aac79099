#include "render/code.h"

#include "base/text.h"
#include "render/coverage.h"

#include <fmt/format.h>

namespace poolkd::render {

namespace {

nlohmann::json instruction_json(const code::Instruction& instruction) {
    nlohmann::json json{{"address", json_address(instruction.address)},
                        {"bytes", hex_text(instruction.bytes())},
                        {"mnemonic", instruction.mnemonic},
                        {"operands", instruction.operands},
                        {"kind", code::to_words(instruction.kind)}};
    if (instruction.target) json["target"] = json_address(*instruction.target);
    if (instruction.slot) json["slot"] = json_address(*instruction.slot);
    return json;
}

bool is_direct_branch(const code::Instruction& instruction) {
    return instruction.target && (instruction.kind == code::InstructionKind::jump ||
                                  instruction.kind == code::InstructionKind::conditional_jump);
}

constexpr std::string_view incomplete_flow = "Flow analysis was incomplete, some code may be missing\n";

} // namespace

std::string instruction_row(const code::Instruction& instruction, std::string_view note) {
    std::string row =
        fmt::format("{} {:<15} ", format_address(instruction.address.value, instruction.machine->pointer_size),
                    hex_text(instruction.bytes()));
    if (instruction.operands.empty() && note.empty()) return row + instruction.mnemonic;
    row += fmt::format("{:<7} {}", instruction.mnemonic, instruction.operands);
    if (!note.empty()) row += fmt::format(" {}", note);
    return row;
}

std::string listing_text(const code::Listing& listing) {
    std::string out;
    for (const code::ListingRow& row : listing.rows) {
        if (!row.label.empty()) out += row.label + ":\n";
        if (row.instruction) {
            out += instruction_row(*row.instruction) + "\n";
        } else {
            std::string byte = row.byte ? hex_text(Bytes(&*row.byte, 1)) : "??";
            out += fmt::format("{} {:<15} ???\n", format_address(row.address.value, listing.pointer_size), byte);
        }
    }
    return out;
}

nlohmann::json listing_json(const Answer<code::Listing>& answer) {
    nlohmann::json json{{"next", json_address(answer.value.next)},
                        {"coverage", to_json(answer.coverage)},
                        {"rows", nlohmann::json::array()}};
    for (const code::ListingRow& row : answer.value.rows) {
        nlohmann::json one = row.instruction
                                 ? instruction_json(*row.instruction)
                                 : nlohmann::json{{"address", json_address(row.address)}, {"mnemonic", nullptr}};
        if (!row.label.empty()) one["label"] = row.label;
        json["rows"].push_back(std::move(one));
    }
    return json;
}

std::string function_text(const Answer<code::FunctionListing>& answer) {
    std::string out;
    if (answer.value.indirect_jumps || !answer.coverage.complete()) out += incomplete_flow;
    bool first = true;
    for (const code::Block& block : answer.value.blocks) {
        if (!first) out += "\n";
        first = false;
        if (!block.label.empty()) out += block.label + ":\n";
        for (const code::Instruction& instruction : block.instructions)
            out += instruction_row(instruction) + (is_direct_branch(instruction) ? "  Branch\n" : "\n");
    }
    if (!answer.coverage.complete()) out += answer.coverage.sentence() + "\n";
    return out;
}

std::string function_calls_text(const Answer<code::FunctionListing>& answer, const code::AddressNamer& name) {
    auto named = [&](VirtAddr address) {
        std::string text = name(address);
        std::string bare = format_address(address.value, answer.value.pointer_size);
        return text.empty() ? bare : fmt::format("{} ({})", text, bare);
    };
    std::string out = named(answer.value.entry) + "\n";
    for (const code::Block& block : answer.value.blocks)
        for (const code::Instruction& instruction : block.instructions) {
            if (instruction.kind != code::InstructionKind::call) continue;
            out += fmt::format("  {}:\n    call to {}\n", named(instruction.address), instruction.operands);
        }
    if (!answer.coverage.complete()) out += answer.coverage.sentence() + "\n";
    return out;
}

nlohmann::json function_json(const Answer<code::FunctionListing>& answer) {
    nlohmann::json json{{"entry", json_address(answer.value.entry)},
                        {"instructions", answer.value.instructions},
                        {"indirect_jumps", answer.value.indirect_jumps},
                        {"coverage", to_json(answer.coverage)},
                        {"blocks", nlohmann::json::array()}};
    for (const code::Block& block : answer.value.blocks) {
        nlohmann::json rows = nlohmann::json::array();
        for (const code::Instruction& instruction : block.instructions)
            rows.push_back(instruction_json(instruction));
        json["blocks"].push_back({{"label", block.label}, {"rows", std::move(rows)}});
    }
    return json;
}

} // namespace poolkd::render
