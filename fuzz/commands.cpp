// Lines of the command language without a target: control tokens, aliases, formats, expressions. Nothing may crash, nor
// run on once it is asked to stop; and after every line the session takes the next one.
#include "commands/general.h"
#include "commands/registers.h"
#include "commands/script.h"
#include "debugger/session.h"

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

using namespace poolkd;

namespace {

/// Ctrl-C for a line that takes long, as a loop without an end does.
class Impatient {
  public:
    explicit Impatient(Work& work)
        : thread_([this, &work](const std::stop_token& over) {
              std::unique_lock lock(mutex_);
              while (!wake_.wait_for(lock, over, std::chrono::milliseconds(20), [] { return false; }) &&
                     !over.stop_requested())
                  work.request_stop();
          }) {}

  private:
    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::jthread thread_;
};

const debugger::CommandTable& table() {
    static const debugger::CommandTable made = [] {
        debugger::CommandTable commands;
        // Not those that read and write files.
        commands::add_flow_commands(commands);
        commands::add_print_commands(commands);
        commands::add_alias_commands(commands);
        commands::add_evaluate_commands(commands);
        commands::add_register_commands(commands);
        return commands;
    }();
    return made;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (input.find("/f") != std::string_view::npos) return 0; // as /f and .foreach /f read files
    debugger::TextOutput console;
    debugger::Session session(console, table());
    {
        const Impatient impatient(session.work());
        // A NUL parts lines, so that one input can set aliases and use them.
        for (std::size_t at = 0; at <= input.size();) {
            const std::size_t end = std::min(input.find('\0', at), input.size());
            session.execute_line(input.substr(at, end - at));
            at = end + 1;
        }
    }
    session.execute_line("ad *");
    console.take();
    if (!session.execute_line(".echo alive") || console.take() != "alive\n") std::abort();
    return 0;
}
