#include "app/live_session.h"

#include "app/answer_output.h"
#include "app/evidence_arguments.h"
#include "base/duration.h"
#include "base/text.h"
#include "commands/commands.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>

namespace poolkd::app {

namespace {

Result<std::chrono::milliseconds> duration_of(std::string_view option, std::string_view text) {
    if (auto duration = parse_duration(text)) return *duration;
    return fail(ErrorKind::usage, "{} takes a length of time like 500ms, 30s, 5m or 2h, not '{}'", option, text);
}

Result<std::size_t> count_of(std::string_view text) {
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || end != text.data() + text.size() || count == 0)
        return fail(ErrorKind::usage, "--count takes a number above 0, not '{}'", text);
    return count;
}

/// `--name=VALUE`, or `--name` and the word behind it.
Result<std::optional<std::string_view>> value_of(std::string_view name, std::span<const std::string> words,
                                                 std::size_t& at) {
    std::string_view word = words[at];
    if (!word.starts_with(name)) return std::nullopt;
    word.remove_prefix(name.size());
    if (word.starts_with('=')) {
        ++at;
        return word.substr(1);
    }
    if (!word.empty()) return std::nullopt;
    if (at + 1 >= words.size()) return fail(ErrorKind::usage, "{} needs a value", name);
    at += 2;
    return std::string_view(words[at - 1]);
}

/// As CLI11 wants what its callbacks refuse.
template <class T>
T value_or_throw(const char* option, Result<T> result) {
    if (!result) throw CLI::ValidationError(option, result.error().message);
    return *std::move(result);
}

} // namespace

void TargetArguments::add_to(CLI::App& command) {
    const char* group = "Target";
    command
        .add_option_function<std::string>(
            "-k", [this](const std::string& text) { options.connection = text; },
            "connect to this kernel (poolkd -? lists the forms)")
        ->type_name("CONNECTION")
        ->group(group);
    // A flag, so that it never takes the word behind it; its value comes with `=`. Without one it is "true" to CLI11.
    command.add_flag("--lab")
        ->description("start a practice machine for it (page)")
        ->option_text("[=SCENARIO]")
        ->each([this](const std::string& scenario) { options.lab = scenario == "true" ? "" : scenario; })
        ->group(group);
    add_lab_options(command, "--lab-", "Practice machine", options.lab_options);
    command
        .add_option_function<std::string>(
            "-y", [this](const std::string& path) { options.symbol_path = path; }, "symbol path")
        ->type_name("PATH")
        ->group(group);
    command.add_flag("-v", options.verbose, "tell on stderr what connecting tells")->group(group);
}

Result<bool> TargetArguments::take(std::span<const std::string> words, std::size_t& at) {
    const std::string_view word = words[at];
    const bool with_value = equals_ignore_case(word, "-k") || equals_ignore_case(word, "-y");
    const bool ours = with_value || word == "-v" || word.starts_with("--lab");
    if (!ours) return false;
    if (with_value && at + 1 >= words.size()) return fail(ErrorKind::usage, "{} needs a value", word);
    const std::size_t count = with_value ? 2 : 1;
    POOLKD_TRY(options, parse_options(words.subspan(at, count), options));
    at += count;
    return true;
}

void SampleArguments::add_to(CLI::App& command) {
    const char* group = "Sampling";
    command
        .add_option_function<std::string>(
            "--every",
            [this](const std::string& text) { every = value_or_throw("--every", duration_of("--every", text)); },
            "between two snapshots: 500ms, 30s, 5m, 2h")
        ->type_name("DURATION")
        ->group(group);
    command
        .add_option_function<std::string>(
            "--for", [this](const std::string& text) { period = value_or_throw("--for", duration_of("--for", text)); },
            "from the first snapshot to the last")
        ->type_name("DURATION")
        ->group(group);
    command
        .add_option_function<std::string>(
            "--count", [this](const std::string& text) { count = value_or_throw("--count", count_of(text)); },
            "snapshots")
        ->type_name("N")
        ->group(group);
}

Result<bool> SampleArguments::take(std::span<const std::string> words, std::size_t& at) {
    POOLKD_TRY(auto every_text, value_of("--every", words, at));
    if (every_text) {
        POOLKD_TRY(every, duration_of("--every", *every_text));
        return true;
    }
    POOLKD_TRY(auto period_text, value_of("--for", words, at));
    if (period_text) {
        POOLKD_TRY(period, duration_of("--for", *period_text));
        return true;
    }
    POOLKD_TRY(auto count_text, value_of("--count", words, at));
    if (!count_text) return false;
    POOLKD_TRY(count, count_of(*count_text));
    return true;
}

hunt::SamplePlan SampleArguments::plan(std::chrono::milliseconds usual_interval) const {
    return {.interval = every.value_or(usual_interval), .count = count, .period = period, .machine = {}};
}

Result<void> TargetArguments::take_connection(std::vector<std::string>& words) {
    for (auto word = std::ranges::find_if(words, is_connection); word != words.end();
         word = std::ranges::find_if(words, is_connection)) {
        if (given()) return fail(ErrorKind::usage, "There can be one target only; {} is another", *word);
        options.connection = *word;
        words.erase(word);
    }
    return {};
}

void LiveSession::Console::write(std::string_view text) {
    if (sink) {
        sink(text);
    } else {
        fmt::print(stderr, "{}", text);
    }
}

LiveSession::LiveSession(const TargetArguments& arguments)
    : commands_(commands::all_commands()), session_(console_, commands_),
      interrupts_(session_.work(), InterruptHandler::Signals::all_endings), options_(arguments.options) {
    options_.quiet = !options_.verbose;
    options_.target_prints = options_.verbose;
    if (options_.symbol_path) session_.symbol_service().set_path(*options_.symbol_path);
}

Result<std::unique_ptr<LiveSession>> LiveSession::open(const TargetArguments& arguments) {
    if (arguments.options.connection && arguments.options.lab)
        return fail(ErrorKind::usage, "-k and --lab exclude each other");
    std::unique_ptr<LiveSession> made(new LiveSession(arguments));
    made->interrupts_.ctrl_c_ends(true);
    auto connected = connect(made->session_, made->options_);
    made->interrupts_.ctrl_c_ends(false);
    if (connected) made->connection_ = *std::move(connected); // it has to be taken down in any case
    const bool told = !connected && connected.error().kind == ErrorKind::stopped;
    if (made->work().end_requested() && !told)
        return fail(ErrorKind::stopped,
                    made->options_.image ? "Stopped while the image was opened." : "Stopped while connecting.");
    if (!connected) return std::unexpected(std::move(connected).error());
    const LabMachine* lab = made->connection_.lab ? &*made->connection_.lab : nullptr;
    const std::string text = connection_text(made->options_);
    made->machine_ = lab                        ? "lab:" + lab->options.scenario
                     : text.starts_with("lab:") ? text
                                                : made->session_.target().identity().connection;
    return made;
}

LiveSession::~LiveSession() {
    if (!session_.has_target()) return;
    Work& work = session_.work();
    work.request_end(); // it has come: a signal that asks for it now must not cut the leaving off
    work.clear_stop();
    // A machine that stood still for somebody stands still for them afterwards.
    if (connection_.was_stopped && !connection_.lab) {
        if (session_.running() && session_.controller().stop(work))
            session_.write("The target stood still when poolkd came, and does again.\n");
        session_.request_quit(debugger::Quit::frozen);
    }
    work.clear_stop();
    disconnect(session_, connection_);
}

std::unique_ptr<hunt::LiveSource> LiveSession::source(hunt::SamplePlan plan) {
    if (plan.machine.empty()) plan.machine = machine_;
    auto source = std::make_unique<hunt::LiveSource>(session_.kernel(), session_.controller(), std::move(plan));
    source->on_foreign_stop([this] { session_.request_quit(debugger::Quit::frozen); });
    return source;
}

void LiveSession::redirect(std::function<void(std::string_view)> sink) {
    console_.sink = std::move(sink);
    if (!console_.sink) {
        work().report_to({});
        return;
    }
    work().report_to([this](std::string_view what, std::uint64_t done, std::uint64_t total) {
        console_.sink(total != 0 ? fmt::format("{}: {} %", what, done * 100 / total)
                                 : fmt::format("{}: {}", what, done));
    });
}

int tell_no_session(const Error& error) {
    tell_line("poolkd: " + error.message);
    return error.kind == ErrorKind::usage ? exit_usage : exit_no_connection;
}

} // namespace poolkd::app
