#include "app/poolmon_command.h"

#include "app/answer_output.h"
#include "app/poolmon_keys.h"
#include "app/poolmon_options.h"
#include "app/screen.h"
#include "base/text.h"
#include "hunt/recent.h"

#include <fstream>

namespace poolkd::app {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto poolmon_interval = 5s; // PoolMon's
constexpr std::size_t least_judged = 4;

/// Everything between the target and whoever shows it.
class Monitor {
  public:
    Monitor(LiveSession& session, const PoolmonOptions& options, const hunt::TagLists& tags)
        : session_(session), tags_(tags), source_(session.source(options.sample.plan(poolmon_interval))) {}

    /// False: the end.
    Result<bool> refresh() {
        hunt::Snapshot snapshot;
        POOLKD_TRY(bool more, source_->next(snapshot, session_.work()));
        if (!more) return false;
        recent_.add(std::move(snapshot));
        POOLKD_CHECK(judge());
        return true;
    }
    [[nodiscard]] render::PoolmonFrame frame() const {
        render::PoolmonFrame frame;
        frame.now = recent_.last();
        frame.before = recent_.before_last();
        frame.report = report_ ? &*report_ : nullptr;
        frame.tags = &tags_;
        frame.machine = session_.machine();
        frame.cost = source_->cost();
        return frame;
    }
    [[nodiscard]] hunt::LiveSource& source() { return *source_; }
    [[nodiscard]] bool empty() const { return recent_.size() == 0; }

  private:
    /// Of all refreshes so far; not more often than it takes a twentieth of the time.
    Result<void> judge() {
        const Clock::time_point begin = Clock::now();
        if (recent_.size() < least_judged || begin < next_judging_) return {};
        hunt::VerdictOptions options;
        options.tags = &tags_;
        auto source = recent_.source();
        auto report = hunt::judge(*source, options, session_.work());
        if (!report && report.error().kind != ErrorKind::stopped) return std::unexpected(std::move(report).error());
        if (report) report_ = *std::move(report);
        next_judging_ = Clock::now() + 20 * (Clock::now() - begin);
        return {};
    }

    LiveSession& session_;
    const hunt::TagLists& tags_;
    std::unique_ptr<hunt::LiveSource> source_;
    hunt::RecentSnapshots recent_;
    std::optional<hunt::Report> report_;
    Clock::time_point next_judging_{};
};

int failed(const Error& error) {
    tell_line("poolkd: " + error.message);
    return exit_command_failed;
}

/// Refreshes one after the other on standard output, as redirected PoolMon writes them.
Result<void> write_refreshes(Monitor& monitor, const PoolmonOptions& options) {
    for (bool first = true;; first = false) {
        POOLKD_TRY(bool more, monitor.refresh());
        if (!more) return {};
        if (options.json) {
            write_json_answer(render::poolmon_json(monitor.frame(), options.view));
        } else {
            write_answer((first ? "" : "\n") + render::poolmon_text(monitor.frame(), options.view));
        }
        std::fflush(stdout);
        if (std::ferror(stdout) != 0) return fail(ErrorKind::io, "The output cannot be written");
    }
}

class Viewer {
  public:
    Viewer(Monitor& monitor, LiveSession& session, render::PoolmonView view)
        : monitor_(monitor), session_(session), view_(std::move(view)) {
        session_.redirect([this](std::string_view text) {
            tell(trim(text));
            show();
        });
        monitor_.source().on_tick([this] { return tick(); });
    }
    ~Viewer() {
        monitor_.source().on_tick({});
        session_.redirect({});
    }

    Result<void> run() {
        while (true) {
            POOLKD_TRY(bool more, monitor_.refresh());
            if (!more) return {};
            if (Clock::now() > notice_until_) notice_.clear();
            show();
        }
    }

  private:
    void tell(std::string_view notice) {
        notice_ = notice;
        notice_until_ = Clock::now() + 5s;
    }

    void show() {
        if (monitor_.empty()) return;
        render::PoolmonFrame frame = monitor_.frame();
        frame.notice = notice_;
        const auto& notes = monitor_.source().notes();
        if (frame.notice.empty() && !notes.empty()) frame.notice = notes.back();
        screen_.show(render::poolmon_screen(frame, view_, screen_.size()));
    }

    bool tick() {
        if (screen_.serve_signals()) show();
        const std::string typed = screen_.read_keys();
        bool refresh = false;
        for (Key key : typed.empty() ? keys_.pause() : keys_.feed(typed))
            refresh = press(key) || refresh;
        return refresh;
    }

    bool press(Key key) {
        constexpr std::size_t lines_beside_rows = 4;
        const render::ScreenSize size = screen_.size();
        const std::size_t page = size.rows > lines_beside_rows ? size.rows - lines_beside_rows : 1;
        const std::size_t rows = monitor_.empty() ? 0 : render::poolmon_rows(monitor_.frame(), view_).size();
        notice_.clear();
        const KeyEffect effect = apply_key(view_, key, page, rows);
        if (effect == KeyEffect::unsupported) tell("The pools of sessions cannot be shown, only the system's.");
        if (effect == KeyEffect::quit) session_.work().request_stop();
        show();
        return effect == KeyEffect::refresh;
    }

    Monitor& monitor_;
    LiveSession& session_;
    render::PoolmonView view_;
    KeyReader keys_;
    std::string notice_;
    Clock::time_point notice_until_{};
    Screen screen_;
};

Result<void> write_snapshot(Monitor& monitor, const PoolmonOptions& options) {
    POOLKD_TRY(bool taken, monitor.refresh());
    if (!taken) return fail(ErrorKind::stopped, "Stopped before the snapshot was taken");
    std::ofstream file(*options.snapshot, std::ios::binary | std::ios::trunc);
    file << render::poolmon_snapshot_text(monitor.frame(), options.view);
    file.close();
    if (!file) return fail(ErrorKind::io, "{} cannot be written", options.snapshot->string());
    return {};
}

Result<void> show(Monitor& monitor, LiveSession& session, const PoolmonOptions& options) {
    if (options.snapshot) return write_snapshot(monitor, options);
    if (options.json || !Screen::available()) return write_refreshes(monitor, options);
    return Viewer(monitor, session, options.view).run();
}

} // namespace

int run_poolmon(std::span<const std::string> words) {
    auto options = parse_poolmon_options(words);
    if (!options) {
        tell_line("poolkd: " + options.error().message);
        return exit_usage;
    }
    if (options->help) {
        fmt::print("{}", poolmon_usage_text());
        return exit_good;
    }
    hunt::TagLists tags;
    if (options->tag_list)
        if (auto added = tags.add(*options->tag_list); !added) return failed(added.error());
    auto session = LiveSession::open(options->target);
    if (!session) return tell_no_session(session.error());
    Monitor monitor(**session, *options, tags);
    const Result<void> shown = show(monitor, **session, *options);
    for (const std::string& note : monitor.source().notes())
        tell_line(note);
    return shown ? exit_good : failed(shown.error());
}

} // namespace poolkd::app
