#include "kd/engine.h"
#include "kdlog.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>

/// Conversations with a kernel that this project did not write, recorded on a serial line: what its target sent is
/// played to the engine, which has to say byte for byte what the host in the recording said.
namespace poolkd::kd::test {
namespace {

using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// One packet of the recording, or a break-in byte, in the order in which they were complete.
struct Step {
    bool from_target = true;
    bool break_in = false;
    Frame frame;
    ByteVector raw;
};

std::string describe(const Frame& frame) {
    return fmt::format("type {} id {:08x} size {} sum {:x}", static_cast<int>(frame.type), frame.id,
                       frame.payload.size(), checksum(frame.payload));
}

std::vector<Step> steps_of(const std::vector<LogRecord>& records) {
    std::vector<Step> steps;
    Deframer target;
    Deframer host;
    for (const LogRecord& record : records) {
        if (!record.from_target && record.bytes == ByteVector{std::byte{break_in_byte}}) {
            steps.push_back({false, true, {}, record.bytes});
            continue;
        }
        Bytes rest = record.bytes;
        Deframer& deframer = record.from_target ? target : host;
        while (auto frame = deframer.next(rest)) {
            Step step{record.from_target, false, std::move(*frame), {}};
            if (step.frame.kind == Frame::Kind::control) {
                append_control_packet(step.raw, step.frame.type, step.frame.id);
            } else {
                append_data_packet(step.raw, step.frame.type, step.frame.id, step.frame.payload);
            }
            steps.push_back(std::move(step));
        }
    }
    EXPECT_EQ(target.garbage() + host.garbage(), 0u);
    return steps;
}

class Replay : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        const std::string path = std::string(POOLKD_SHARED_DATA) + "/kd/" + GetParam();
        auto read = read_kdlog(path);
        if (!read) GTEST_SKIP() << "needs " << path << ", which is not part of the project";
        records = std::move(*read);
        ASSERT_FALSE(records.empty());
    }

    /// Plays the recording against an engine; collects what it tells.
    void play() {
        EngineOptions options;
        options.trace = [this](bool sent, const Frame& frame) {
            if (sent) said.push_back(describe(frame));
        };
        Engine engine(options);
        Time now{std::chrono::hours(1)};
        for (const Step& step : steps_of(records)) {
            now += std::chrono::microseconds(50);
            if (step.from_target) {
                engine.receive(step.raw, now);
                if (step.frame.type == PacketType::manipulate) expected_replies.push_back(step.frame.payload);
            } else if (step.break_in) {
                engine.break_in();
            } else {
                expected.push_back(describe(step.frame));
                if (step.frame.type == PacketType::reset && !engine.resetting()) engine.reset(now);
                if (step.frame.kind == Frame::Kind::data) {
                    ASSERT_TRUE(engine.stopped() && engine.idle()) << "before " << expected.back();
                    const auto api = static_cast<Api>(load_or<std::uint32_t>(step.frame.payload, 0));
                    engine.request(step.frame.payload, api == Api::continue2 ? Expect::resumes : Expect::reply, now);
                }
            }
            engine.tick(now);
            EXPECT_LE(engine.take_output().size(), max_payload + 100);
            while (auto event = engine.next_event())
                collect(std::move(*event));
        }
        EXPECT_EQ(engine.statistics().rejected, 0u);
        EXPECT_EQ(engine.statistics().resends, 0u);
        EXPECT_EQ(engine.statistics().garbage, 0u);
    }

    void collect(Event event) {
        if (auto* print = std::get_if<PrintEvent>(&event)) prints.push_back(print->text);
        if (auto* stop = std::get_if<StopEvent>(&event)) stops.push_back(stop->change);
        if (auto* reply = std::get_if<ReplyEvent>(&event)) replies.push_back(reply->payload);
        if (std::holds_alternative<DoneEvent>(event)) ++continues;
        EXPECT_FALSE(std::holds_alternative<FailedEvent>(event));
        if (auto* notice = std::get_if<NoticeEvent>(&event)) ADD_FAILURE() << notice->text;
    }

    template <class Report>
    std::vector<Report> reports() const {
        std::vector<Report> found;
        for (const StateChange& stop : stops)
            if (const auto* report = std::get_if<Report>(&stop.report)) found.push_back(*report);
        return found;
    }

    std::vector<LogRecord> records;
    std::vector<std::string> expected;
    std::vector<std::string> said;
    std::vector<std::string> prints;
    std::vector<StateChange> stops;
    std::vector<ByteVector> replies;
    std::vector<ByteVector> expected_replies;
    unsigned continues = 0;
};

TEST_P(Replay, EveryPacketParsesInPiecesOfAnySize) {
    for (std::size_t step : {1u, 3u, 17u, 4096u}) {
        Deframer deframer;
        std::size_t frames = 0;
        ByteVector all;
        for (const LogRecord& record : records)
            if (record.from_target) all.insert(all.end(), record.bytes.begin(), record.bytes.end());
        for (std::size_t at = 0; at < all.size(); at += step) {
            Bytes piece = Bytes(all).subspan(at, std::min(step, all.size() - at));
            while (auto frame = deframer.next(piece)) {
                EXPECT_NE(frame->kind, Frame::Kind::bad);
                ++frames;
            }
        }
        EXPECT_GT(frames, 100u);
        EXPECT_EQ(deframer.garbage(), 0u);
        EXPECT_FALSE(deframer.inside());
    }
}

TEST_P(Replay, TheEngineSaysWhatTheHostSaid) {
    play();
    EXPECT_EQ(said, expected);
    EXPECT_EQ(replies, expected_replies);
    EXPECT_EQ(continues,
              static_cast<unsigned>(std::count_if(expected.begin(), expected.end(),
                                                  [](const auto& line) { return line.starts_with("type 2 "); })) -
                  expected_replies.size());
}

TEST_P(Replay, PrintsModulesAndStopsAreDecoded) {
    play();
    std::size_t print_packets = 0;
    std::size_t modules_named = 0;
    for (const Step& step : steps_of(records)) {
        if (!step.from_target || step.frame.kind != Frame::Kind::data) continue;
        if (step.frame.type == PacketType::debug_io) ++print_packets;
        if (step.frame.type == PacketType::state_change_64 &&
            load_or<std::uint32_t>(step.frame.payload, 0) == state_load_symbols)
            ++modules_named;
    }
    EXPECT_THAT(prints, SizeIs(print_packets));
    EXPECT_THAT(reports<LoadSymbolsReport>(), SizeIs(modules_named));
    for (const LoadSymbolsReport& module : reports<LoadSymbolsReport>()) {
        EXPECT_FALSE(module.path.empty());
        EXPECT_GT(module.image_size, 0u);
        EXPECT_EQ(module.base % 4096, 0u);
    }
    for (const std::string& line : prints)
        EXPECT_EQ(line.find('\0'), std::string::npos) << line;
    for (const StateChange& stop : stops) {
        EXPECT_EQ(stop.processors, 1u);
        EXPECT_EQ(stop.processor, 0u);
    }
    EXPECT_FALSE(reports<ExceptionReport>().empty());
    if (std::string_view(GetParam()).starts_with("x64")) {
        std::vector<std::string> paths;
        for (const auto& module : reports<LoadSymbolsReport>())
            paths.push_back(module.path);
        EXPECT_THAT(paths, Contains(EndsWith("\\ntoskrnl.exe")));
        EXPECT_THAT(prints, Contains(HasSubstr("ReactOS")));
    }
}

INSTANTIATE_TEST_SUITE_P(Logs, Replay, testing::Values("x64-boot.kdlog.gz", "x86-poolhittag-Gh05.kdlog.gz"),
                         [](const auto& test) { return std::string(test.param).substr(0, 3); });

} // namespace
} // namespace poolkd::kd::test
