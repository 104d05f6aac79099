#include "render/stack.h"

#include "base/text.h"
#include "render/coverage.h"
#include "render/parameters.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

std::string header(const StackView& view, bool wide) {
    std::string out;
    if (view.numbers) out += " # ";
    if (view.sizes) out += "  Memory ";
    if (view.names_only) return out + "Call Site\n";
    if (!wide) return out + (view.arguments ? "ChildEBP RetAddr  Args to Child\n" : "ChildEBP RetAddr\n");
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

std::string arguments_text(const code::Frame& frame, const Machine& machine) {
    std::string out;
    const bool outermost = machine.pointer_size == 4 && !frame.base; // kd shows zeros there
    for (std::size_t i = 0; i < code::shown_arguments(machine); ++i)
        out += i < frame.arguments.size()  ? format_address(frame.arguments[i], machine.pointer_size) + " "
               : outermost                 ? "00000000 "
               : machine.pointer_size == 8 ? "????????`???????? "
                                           : "???????? ";
    return out;
}

/// The frame record in kd's words: arguments, locals and saved registers, counted in words.
std::string record_note(const code::Frame& frame, const code::FrameName& name) {
    using Kind = symbols::FrameRecord::Kind;
    constexpr std::uint32_t word = 4;
    const auto& record = frame.record;
    if (name.trap_frame)
        return fmt::format(" (FPO: [{},{}] TrapFrame @ {})", record ? record->parameters / word : 0,
                           record ? record->locals / word : 0, format_address(name.trap_frame->value, word));
    const bool by_ebp = !record || record->kind == Kind::frame_pointer ||
                        (record->kind == Kind::program && record->program.find(".raSearch") == std::string::npos);
    if (by_ebp) return name.module.empty() || frame.warning != code::FrameWarning::none ? "" : " (FPO: [Non-Fpo])";
    if (record->kind == Kind::task) return " (FPO: TaskGate)";
    return fmt::format(" (FPO: [{},{},{}])", record->parameters / word, record->locals / word,
                       record->saved_registers / word);
}

std::string note(const code::Frame& frame, const code::FrameName& name, bool wide) {
    if (!wide) return record_note(frame, name);
    return name.trap_frame ? fmt::format(" (TrapFrame @ {})", format_address(name.trap_frame->value)) : "";
}

std::string row(const code::Frame& frame, const code::FrameName& name, const StackView& view, const Machine& machine) {
    const bool wide = machine.pointer_size == 8;
    auto address = [&](VirtAddr value) { return format_address(value.value, machine.pointer_size) + " "; };
    std::string out;
    if (!view.names_only) {
        if (wide && view.child_sp) out += address(frame.sp);
        if (!wide) out += address(frame.base);
        out += address(frame.return_address);
        if (wide && view.numbers) out += "    ";
        if (view.arguments) out += wide ? ": " + arguments_text(frame, machine) + ": " : arguments_text(frame, machine);
    }
    out += name.site.substr(0, name.name_length);
    if (name.parameters) out += parameters_text(*name.parameters, view.parameter_lines, machine.pointer_size);
    out += name.site.substr(std::min(name.name_length, name.site.size()));
    if (view.notes) out += note(frame, name, wide);
    if (view.lines && name.line) out += fmt::format(" [{} @ {}]", name.line->file, name.line->line);
    return out + "\n";
}

} // namespace

std::string stack_text(const code::StackTrace& trace, std::span<const code::FrameName> names, const StackView& view) {
    const bool wide = trace.machine->pointer_size == 8;
    std::string out = header(view, wide);
    for (std::size_t i = 0; i < trace.frames.size() && i < names.size(); ++i) {
        const code::Frame& frame = trace.frames[i];
        out += warning_text(frame.warning);
        if (view.numbers) out += fmt::format("{:02x} ", i);
        // What a frame takes of the stack is the distance to its caller's; the first has nothing to count from.
        auto place = [&](const code::Frame& f) { return wide ? f.sp : f.base; };
        if (view.sizes)
            out += i == 0 || place(frame) < place(trace.frames[i - 1])
                       ? std::string(9, ' ')
                       : fmt::format("{:8x} ", place(frame) - place(trace.frames[i - 1]));
        out += row(frame, names[i], view, *trace.machine);
    }
    if (trace.end == code::StackEnd::limit && !view.own_count)
        out +=
            fmt::format("There are more than {} frames; `k <count>` or `.kframes` shows more\n", trace.frames.size());
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
        if (!frame.arguments.empty()) {
            one["arguments"] = nlohmann::json::array();
            for (std::uint64_t word : frame.arguments)
                one["arguments"].push_back(json_address(VirtAddr(word)));
        }
        if (answer.value.machine->pointer_size == 4) one["child_ebp"] = json_address(frame.base);
        if (name.trap_frame) one["trap_frame"] = json_address(*name.trap_frame);
        if (name.parameters) one["parameters"] = parameters_json(*name.parameters);
        if (name.line) one["source"] = {{"file", name.line->file}, {"line", name.line->line}};
        if (frame.warning != code::FrameWarning::none) one["warning"] = warning_word(frame.warning);
        json["frames"].push_back(std::move(one));
    }
    return json;
}

} // namespace poolkd::render
