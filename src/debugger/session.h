#pragma once

#include "base/text.h"
#include "base/work.h"
#include "debugger/aliases.h"
#include "debugger/command.h"
#include "debugger/debuggee.h"
#include "debugger/expression.h"
#include "debugger/interpreter.h"
#include "debugger/output.h"
#include "debugger/process_space.h"
#include "debugger/range.h"
#include "debugger/session_expressions.h"
#include "debugger/symbol_service.h"

#include <fmt/format.h>
#include <nlohmann/json_fwd.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::debugger {

/// How the user ended the session.
enum class Quit {
    no,
    frozen,          ///< `q`: the target stays as it is
    running,         ///< `qd`: the target goes on, and writes to it are undone
    running_patched, ///< `qd /k`: it goes on with them
};

/// Where commands that continue took a rest, and how `d` and `e` alone look.
struct DisplayState {
    std::optional<VirtAddr> next_data; ///< of `d*`; nothing: the instruction pointer
    std::optional<PhysAddr> next_physical;
    std::optional<VirtAddr> next_code; ///< of `u`; nothing: the instruction pointer
    std::string last_dump = "db";
    std::string last_enter = "eb";
    std::uint32_t stack_frames = 256; ///< how many frames `k` shows (`.kframes`)
    bool source_lines = false;        ///< source lines in stacks (`.lines`)
    bool step_registers = true;       ///< `p` and `t` show the registers (`pr`, `tr`)
};

/// Registers that are looked at in place of a processor's own (`.thread`, `.trap`, `.cxr`).
struct RegisterContext {
    RegisterFile registers;
    VirtAddr thread; ///< whose they are; 0: the current one's
};

/// The process whose memory is looked at in place of the current one's (`.process`).
struct ProcessContext {
    VirtAddr process; ///< EPROCESS
    target::PageTables tables;
    VirtAddr user_end; ///< the first address that is no user's
};

/// One target being debugged: what commands share. Owns the target; text goes to one output.
class Session {
  public:
    Session(Output& console, const CommandTable& commands);

    // The target.
    void attach(std::unique_ptr<Debuggee> debuggee);
    [[nodiscard]] bool has_target() const { return debuggee_ != nullptr; }
    /// Only with a target: commands that say `needs_target` may ask without looking.
    [[nodiscard]] nt::Kernel& kernel() { return debuggee_->kernel; }
    [[nodiscard]] target::Target& target() { return *debuggee_->target; }
    /// As the process that is looked at sees it.
    [[nodiscard]] memory::AddressSpace& memory() {
        return process_space_ ? static_cast<memory::AddressSpace&>(*process_space_) : debuggee_->kernel.memory();
    }
    [[nodiscard]] control::Controller& controller() { return debuggee_->controller; }
    [[nodiscard]] control::Journal& journal() { return debuggee_->journal; }
    /// Call sites of the pool in the target's modules.
    [[nodiscard]] code::SiteStore& sites() { return debuggee_->sites; }
    [[nodiscard]] bool running() const { return debuggee_ && debuggee_->controller.running(); }
    /// Bytes of a pointer of the target; 8 without one.
    [[nodiscard]] unsigned pointer_size() const;

    /// The symbol path and the PDBs in use; kept when the target goes.
    [[nodiscard]] SymbolService& symbol_service() { return symbol_service_; }

    [[nodiscard]] std::uint32_t processor() const { return processor_; }
    void set_processor(std::uint32_t processor) { processor_ = processor; }
    /// The registers of a processor, read once while the target stands still; without one those of the context that is
    /// looked at, or else of the current processor.
    Result<RegisterFile> registers(std::optional<std::uint32_t> processor = std::nullopt);
    Result<void> set_registers(const RegisterFile& registers);
    /// One of the control and debug registers, which CONTEXT does not hold.
    Result<std::uint64_t> special_register(const RegisterSlot& slot,
                                           std::optional<std::uint32_t> processor = std::nullopt);
    /// What is looked at until the target goes on or another processor reports; nothing: what the processor itself
    /// does. Gives what was looked at before.
    std::optional<RegisterContext> look_at(std::optional<RegisterContext> context) {
        std::swap(context, context_);
        return context;
    }
    [[nodiscard]] const RegisterContext* context() const { return context_ ? &*context_ : nullptr; }
    void look_at_process(std::optional<ProcessContext> process);
    [[nodiscard]] const ProcessContext* process_context() const { return process_ ? &*process_ : nullptr; }
    /// Those that user addresses are seen through.
    Result<target::PageTables> page_tables();
    /// An error for an address of a process that is looked at only: a write would go to the current one.
    [[nodiscard]] Result<void> may_write(VirtAddr address) const;
    /// To be called after every stop: the current processor is the one that reports, nothing else is looked at, `u` and
    /// `d*` begin anew.
    void note_stop();
    /// Where the target stopped last, and the time before.
    [[nodiscard]] VirtAddr event_ip() const { return event_ip_; }
    [[nodiscard]] VirtAddr previous_event_ip() const { return previous_event_ip_; }
    /// EPROCESS and ETHREAD that are looked at, or else of the current processor.
    Result<VirtAddr> current_thread();
    Result<VirtAddr> current_process();
    /// EPROCESS whose user addresses are read: the one that was chosen, else the one that the current processor runs.
    Result<VirtAddr> process_of_memory();

    // Text.
    [[nodiscard]] LoggedOutput& out() { return out_; }
    void write(std::string_view text);
    template <class... Args>
    void print(fmt::format_string<Args...> format, Args&&... args) {
        write(fmt::format(format, std::forward<Args>(args)...));
    }
    /// One object on a line of its own; the running command's name is added as `command`.
    void write_json(nlohmann::json object);
    /// What is told beside the answers of commands: in JSON mode only answers go to the output, and this to stderr.
    void tell(std::string_view text);
    [[nodiscard]] std::string address_text(VirtAddr address) const {
        return format_address(address.value, pointer_size());
    }
    /// "nt!PoolHitTag+0x2" or, when nothing is known, empty.
    std::string symbol_text(VirtAddr address);

    // Expressions in arguments.
    Result<std::uint64_t> expression(Arguments& arguments);
    Result<VirtAddr> address(Arguments& arguments);
    Result<AddressRange> range(Arguments& arguments, unsigned element_size, std::uint64_t default_count);
    Result<std::uint64_t> evaluate_text(std::string_view text);
    [[nodiscard]] SessionExpressions& expressions() { return expressions_; }
    /// "Extra character error" when something is left.
    Result<void> no_more(Arguments& arguments);
    /// An error with a caret under the cursor, as kd shows them: "     ^ Range error in 'db 0 L99999999'".
    [[nodiscard]] std::unexpected<Error> caret_error(const Arguments& arguments, std::string_view what) const;

    // Lines.
    /// Runs a line of commands. False: one failed, and the rest of the line was not run. Errors are printed.
    bool execute_line(std::string_view line) { return interpreter_.run_line(line); }
    [[nodiscard]] Interpreter& interpreter() { return interpreter_; }
    [[nodiscard]] std::string prompt() const;
    [[nodiscard]] const CommandTable& commands() const { return commands_; }
    [[nodiscard]] Aliases& aliases() { return aliases_; }
    /// Where scripts are looked for that are named without a folder and are not in the current one.
    [[nodiscard]] const std::vector<std::filesystem::path>& script_folders() const { return script_folders_; }
    void set_script_folders(std::vector<std::filesystem::path> folders) { script_folders_ = std::move(folders); }
    [[nodiscard]] DisplayState& display() { return display_; }
    void request_quit(Quit how) { quit_ = how; }
    /// A signal that ends the process asks for the same as `qd`.
    [[nodiscard]] Quit quit() const { return quit_ == Quit::no && work_.end_requested() ? Quit::running : quit_; }

    /// Carries Ctrl-C and progress; passed to everything that can take long.
    [[nodiscard]] Work& work() { return work_; }
    /// All commands that can answer in JSON do.
    void set_json(bool on) { json_ = on; }
    [[nodiscard]] bool json() const { return json_; }
    /// A line of text for a command that asks (`eb` without values); nothing: no more input.
    using AskLine = std::function<std::optional<std::string>(std::string_view prompt)>;
    void set_ask_line(AskLine ask) { ask_line_ = std::move(ask); }
    std::optional<std::string> ask_line(std::string_view prompt);

  private:
    /// What the current processor runs, whatever is looked at.
    Result<VirtAddr> running_thread();
    void clear_progress();

    LoggedOutput out_;
    const CommandTable& commands_;
    Work work_;
    SymbolService symbol_service_{symbols::SymbolEnvironment::of_process(), work_}; ///< outlives the modules it serves
    std::unique_ptr<Debuggee> debuggee_;
    Aliases aliases_;
    SessionExpressions expressions_;
    Interpreter interpreter_;
    std::vector<std::filesystem::path> script_folders_;
    DisplayState display_;
    AskLine ask_line_;
    std::uint32_t processor_ = 0;
    std::optional<RegisterFile> registers_;
    std::optional<RegisterContext> context_;
    std::optional<ProcessContext> process_;
    std::unique_ptr<ProcessSpace> process_space_;
    std::uint32_t registers_processor_ = 0;
    VirtAddr event_ip_, previous_event_ip_;
    target::Epoch event_epoch_ = 0;
    target::Epoch registers_epoch_ = 0;
    bool json_ = false;
    Quit quit_ = Quit::no;
};

} // namespace poolkd::debugger
