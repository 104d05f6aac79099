#include "render/stack.h"

#include "base/text.h"
#include "render/coverage.h"

#include <fmt/format.h>

namespace poolkd::render {

namespace {

constexpr std::string_view unreadable_word = "????????`????????";

std::string header(const StackView& view) {
    std::string out;
    if (view.numbers) out += " # ";
    if (view.sizes) out += "  Memory ";
    if (view.names_only) return out + "Call Site\n";
    if (view.child_sp) out += "Child-SP          ";
    out += "RetAddr           ";
    if (view.numbers) out += "    "; // newer builds mark inlined frames there
    if (view.arguments) out += fmt::format(": {:<71} : ", "Args to Child");
    return out + "Call Site\n";
}

std::string_view warning_text(code::FrameWarning warning) {
    switch (warning) {
    case code::FrameWarning::none: return {};
    case code::FrameWarning::no_module:
        return "WARNING: Frame IP not in any known module. Following frames may be wrong.\n";
    case code::FrameWarning::no_unwind_info:
        return "WARNING: Stack unwind information not available. Following frames may be wrong.\n";
    }
    return {};
}

std::string_view warning_word(code::FrameWarning warning) {
    return warning == code::FrameWarning::no_module ? "no_module" : "no_unwind_info";
}

std::string_view end_word(code::StackEnd end) {
    switch (end) {
    case code::StackEnd::complete: return "complete";
    case code::StackEnd::user_mode: return "user_mode";
    case code::StackEnd::limit: return "limit";
    case code::StackEnd::unreadable: return "unreadable";
    case code::StackEnd::implausible: return "implausible";
    }
    return "complete";
}

std::string arguments_text(const code::Frame& frame) {
    std::string out;
    for (std::size_t i = 0; i < 4; ++i)
        out += frame.arguments ? format_address((*frame.arguments)[i]) + " " : std::string(unreadable_word) + " ";
    return out;
}

std::string row(const code::Frame& frame, const code::FrameName& name, const StackView& view) {
    std::string out;
    if (!view.names_only) {
        if (view.child_sp) out += format_address(frame.sp.value) + " ";
        out += format_address(frame.return_address.value) + " ";
        if (view.numbers) out += "    ";
        if (view.arguments) out += ": " + arguments_text(frame) + ": ";
    }
    out += name.site;
    if (view.notes && name.trap_frame) out += fmt::format(" (TrapFrame @ {})", format_address(name.trap_frame->value));
    if (view.lines && name.line) out += fmt::format(" [{} @ {}]", name.line->file, name.line->line);
    return out + "\n";
}

} // namespace

std::string stack_text(const code::StackTrace& trace, std::span<const code::FrameName> names, const StackView& view) {
    std::string out = header(view);
    for (std::size_t i = 0; i < trace.frames.size() && i < names.size(); ++i) {
        const code::Frame& frame = trace.frames[i];
        out += warning_text(frame.warning);
        if (view.numbers) out += fmt::format("{:02x} ", i);
        // What a frame takes of the stack is the distance to its caller's; the first has nothing to count from.
        if (view.sizes) out += i == 0 ? std::string(9, ' ') : fmt::format("{:8x} ", frame.sp - trace.frames[i - 1].sp);
        out += row(frame, names[i], view);
    }
    if (!trace.note.empty()) out += fmt::format("The stack ends here: {}\n", trace.note);
    return out;
}

nlohmann::json stack_json(const Answer<code::StackTrace>& answer, std::span<const code::FrameName> names) {
    nlohmann::json json{{"end", end_word(answer.value.end)}, {"coverage", to_json(answer.coverage)}};
    if (!answer.value.note.empty()) json["note"] = answer.value.note;
    json["frames"] = nlohmann::json::array();
    for (std::size_t i = 0; i < answer.value.frames.size() && i < names.size(); ++i) {
        const code::Frame& frame = answer.value.frames[i];
        const code::FrameName& name = names[i];
        nlohmann::json one{{"index", i},
                           {"ip", json_address(frame.ip)},
                           {"child_sp", json_address(frame.sp)},
                           {"return_address", json_address(frame.return_address)},
                           {"site", name.site},
                           {"module", name.module},
                           {"caller_found_by", code::to_words(frame.method)}};
        one["arguments"] = nullptr;
        if (frame.arguments) {
            one["arguments"] = nlohmann::json::array();
            for (std::uint64_t word : *frame.arguments)
                one["arguments"].push_back(json_address(VirtAddr(word)));
        }
        if (name.trap_frame) one["trap_frame"] = json_address(*name.trap_frame);
        if (name.line) one["source"] = {{"file", name.line->file}, {"line", name.line->line}};
        if (frame.warning != code::FrameWarning::none) one["warning"] = warning_word(frame.warning);
        json["frames"].push_back(std::move(one));
    }
    return json;
}

} // namespace poolkd::render
