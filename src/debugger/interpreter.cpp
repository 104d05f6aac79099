#include "debugger/interpreter.h"

#include "base/text.h"
#include "debugger/lexer.h"
#include "debugger/session.h"

#include <nlohmann/json.hpp>

#include <exception>
#include <utility>

namespace poolkd::debugger {

namespace {

constexpr unsigned nesting_limit = 64; ///< blocks and scripts within each other; each takes a piece of our own stack
constexpr std::string_view json_flag = "--json";

/// Takes `--json` out of a command, outside quotes; true when it was there.
bool take_json_flag(std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        if (std::size_t behind = end_of_quoted(text, at); behind != at) {
            at = behind;
            continue;
        }
        std::size_t end = at + json_flag.size();
        bool begins = at > 0 && is_blank(text[at - 1]);
        if (begins && std::string_view(text).substr(at).starts_with(json_flag) &&
            (end == text.size() || is_blank(text[end]))) {
            text.erase(at - 1, json_flag.size() + 1);
            return true;
        }
        ++at;
    }
    return false;
}

/// Sets a variable and puts back what it held.
template <class T>
class Restore {
  public:
    Restore(T& variable, T value) : variable_(variable), kept_(std::exchange(variable, std::move(value))) {}
    Restore(const Restore&) = delete;
    Restore& operator=(const Restore&) = delete;
    ~Restore() { variable_ = std::move(kept_); }

  private:
    T& variable_;
    T kept_;
};

} // namespace

bool Interpreter::run_line(std::string_view typed) {
    auto line = session_.aliases().expand_line(trim(typed).empty() && depth_ == 0 ? std::string_view(repeat_) : typed);
    if (depth_ == 0) {
        session_.work().clear_stop();
        if (session_.work().end_requested()) return true; // else the line would never hear of it
        session_.work().restart();
        repeat_.clear();
        dropped_.clear();
    }
    Restore loops(loops_, 0u);
    Restore catches(catches_, 0u);
    Restore at_stop(at_stop_, false);
    run_expanded(std::move(line));
    const Unwind why = std::exchange(unwind_, Unwind::none);
    return why != Unwind::failed && why != Unwind::stopped;
}

std::string Interpreter::run_at_stop(std::string_view commands) {
    Restore loops(loops_, 0u);
    Restore catches(catches_, 0u);
    Restore at_stop(at_stop_, true);
    Restore resume(resume_, std::string());
    const Unwind why = run_block(commands);
    if (why == Unwind::resume) unwind_ = Unwind::none;
    // An error is of these commands alone; a stop and the end are of what runs around them, too.
    if (why == Unwind::failed) unwind_ = Unwind::none;
    return resume_;
}

Unwind Interpreter::run_block(std::string_view text, const AliasMap& locals) {
    run_expanded(session_.aliases().expand_block(text, locals));
    return unwind_;
}

bool Interpreter::run_round(std::string_view body, const AliasMap& locals) {
    Restore loops(loops_, loops_ + 1);
    switch (run_block(body, locals)) {
    case Unwind::none: return true;
    case Unwind::continue_: unwind_ = Unwind::none; return true;
    case Unwind::break_: unwind_ = Unwind::none; return false;
    default: return false;
    }
}

void Interpreter::run_guarded(std::string_view text) {
    Restore catches(catches_, catches_ + 1);
    const Unwind why = run_block(text);
    if (why == Unwind::failed || why == Unwind::leave) unwind_ = Unwind::none;
}

void Interpreter::run_lines(std::string_view text, bool echo) {
    for (std::string_view line : split(text, '\n')) {
        line = trim(line);
        if (line.empty()) continue; // layout, not a repetition
        if (echo) session_.print("{}{}\n", session_.prompt(), line);
        run_expanded(session_.aliases().expand_line(line));
        if (unwind_ != Unwind::none) return;
    }
}

std::optional<std::string> Interpreter::capture(std::string_view commands) {
    std::string text;
    const bool json = session_.json();
    session_.set_json(false);
    std::string* outer = session_.out().capture_into(&text);
    const Unwind why = run_block(commands);
    session_.out().capture_into(outer);
    session_.set_json(json);
    return why == Unwind::none ? std::optional(std::move(text)) : std::nullopt;
}

void Interpreter::note_break_in() {
    if (depth_ <= 1) return;
    show_error({ErrorKind::stopped, "Stopped by the user; the commands behind are not run"}, running_command_);
    unwind_ = Unwind::stopped;
}

void Interpreter::run_expanded(Result<std::string> text) {
    if (text) {
        run_commands(*text);
    } else {
        show_error(text.error(), running_command_);
        unwind_ = Unwind::failed;
    }
}

void Interpreter::run_commands(std::string_view text) {
    if (depth_ >= nesting_limit) {
        show_error({ErrorKind::refused, "Blocks and scripts are nested too deeply"}, running_command_);
        unwind_ = Unwind::failed;
        return;
    }
    Restore depth(depth_, depth_ + 1);
    const std::vector<CommandText> commands = split_commands(text);
    if (commands.empty()) (void)stop_asked(); // an empty loop must end, too
    for (std::size_t i = 0; i < commands.size() && unwind_ == Unwind::none && !stop_asked();) {
        const std::string_view command = commands[i++].text;
        if (auto result = run_command(command); !result) {
            const ErrorKind kind = result.error().kind;
            show_error(result.error(), command);
            unwind_ = kind == ErrorKind::stopped || kind == ErrorKind::link ? Unwind::stopped : Unwind::failed;
        }
        if (session_.quit() != Quit::no) unwind_ = Unwind::quit;
        if (unwind_ == Unwind::again) {
            unwind_ = Unwind::none;
            i = 0;
        }
        if (unwind_ == Unwind::failed && depth_ == 1)
            for (; i < commands.size(); ++i)
                dropped_.emplace_back(trim(commands[i].text));
    }
}

bool Interpreter::stop_asked() {
    if (!session_.work().stop_requested()) return false;
    show_error({ErrorKind::stopped, "Stopped by the user"}, running_command_);
    unwind_ = Unwind::stopped;
    return true;
}

Result<void> Interpreter::run_command(std::string_view text) {
    auto found = session_.commands().find(text);
    if (!found) {
        if (found.error().message.starts_with('^'))
            return fail(ErrorKind::not_found, "{}{}", std::string(session_.prompt().size(), ' '),
                        found.error().message);
        return std::unexpected(found.error());
    }
    const Command& command = *found->command;
    if (depth_ == 1) {
        repeat_ = command.repeat == Repeat::same        ? std::string(text)
                  : command.repeat == Repeat::continued ? std::string(text.substr(0, found->arguments))
                                                        : std::string();
    }
    return call(*found, text);
}

Result<void> Interpreter::call(const CommandTable::Found& found, std::string_view text) {
    const Command& command = *found.command;
    std::string kept(text);
    const bool json = command.json && (take_json_flag(kept) || session_.json());
    Arguments arguments(kept, found.arguments);
    arguments.processor = found.processor;
    arguments.json = json;
    if (arguments.all() == "-?" || arguments.all() == "/?") {
        session_.write(help_text(command));
        return {};
    }
    if (command.needs_target && !session_.has_target())
        return fail(ErrorKind::unsupported, "{} needs a target, and none is connected", command.names.front());
    if (command.needs_target && command.needs_stop && session_.running())
        return fail(ErrorKind::unsupported,
                    "{} needs a target that stands still; it is running (g waits for it, and Ctrl-C then breaks in)",
                    command.names.front());
    if (at_stop_ && command.resumes) {
        resume_ = text;
        unwind_ = Unwind::resume;
        return {};
    }
    Restore running(running_command_, command.names.front());
    try {
        return command.run(session_, arguments);
    } catch (const std::exception& exception) {
        // None is expected; but one in a command must not end the session and leave the target standing.
        return fail(ErrorKind::malformed, "{} failed inside poolkd: {}", command.names.front(), exception.what());
    }
}

void Interpreter::show_error(const Error& error, std::string_view command) {
    // Also where the output of commands is taken: an error is for the user.
    std::string* captured = session_.out().capture_into(nullptr);
    if (session_.json()) {
        const nlohmann::json object{{"command", command}, {"error", trim(error.message)}};
        session_.write(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    } else {
        session_.write(error.message + "\n");
    }
    session_.out().capture_into(captured);
}

} // namespace poolkd::debugger
