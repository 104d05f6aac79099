// A machine in memory under the practice kernel's KD target side, and the other end of its pipe. The target runs in a
// thread of its own, but only ever one of the two threads runs: the target until it finds the pipe empty, then the
// test.
#pragma once

#include "kdp.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <semaphore>
#include <span>
#include <thread>
#include <vector>

namespace lab {

using Bytes = std::vector<std::uint8_t>;

struct Packet {
    std::uint8_t leader = 0;
    std::uint16_t type = 0;
    std::uint32_t id = 0;
    Bytes payload;
};

// The machine that the requests act on.
struct Machine {
    std::map<std::uint64_t, Bytes> pages; // virtual, by page address
    std::map<std::uint64_t, Bytes> physical;
    std::map<std::uint32_t, std::uint64_t> msrs;
    std::map<std::uint16_t, std::uint32_t> ports;
    unsigned restarts = 0;
    unsigned bug_checks = 0;
    Bytes context = Bytes(0x4D0);
    Bytes special = Bytes(0xF0);
    std::uint32_t processors = 1; // the first one reports
    Bytes other_context = Bytes(0x4D0);
    Bytes other_special = Bytes(0xF0);

    void map(std::uint64_t page);
    std::uint8_t& at(std::uint64_t address);
    KD_STOP stop();
};

extern Machine* machine;

// Puts one frame together as it travels.
Bytes data_frame(std::uint16_t type, std::uint32_t id, std::span<const std::uint8_t> payload);
Bytes control_frame(std::uint16_t type, std::uint32_t id);

// Finds frames in a stream of bytes; what is not one is counted as noise.
struct FrameReader {
    Bytes pending;
    std::size_t noise = 0;

    std::vector<Packet> take(std::span<const std::uint8_t> bytes);
};

class TargetRun {
  public:
    // Starts Body, the target's code, and runs it until it waits for input. The link must have been started by
    // start_link().
    explicit TargetRun(std::function<void()> body);
    ~TargetRun();
    TargetRun(const TargetRun&) = delete;
    TargetRun& operator=(const TargetRun&) = delete;

    // Gives the target bytes and lets it run until it waits again.
    void feed(std::span<const std::uint8_t> bytes);
    // Lets the target wait in vain for so many polls; one poll is one millisecond.
    void pass(unsigned polls);
    Bytes take_output();
    std::vector<Packet> take();
    bool finished() const { return finished_; }
    // How often the target has slept.
    unsigned idles() const { return idles_; }

  private:
    void resume();

    FrameReader reader_;
    std::binary_semaphore to_target_{0};
    std::binary_semaphore to_test_{0};
    bool finished_ = false;
    bool abandoned_ = false;
    unsigned idle_polls_ = 0;
    unsigned idles_ = 0;
    std::deque<std::uint8_t> input_;
    Bytes output_;
    std::thread thread_;

    static std::uint32_t get(std::uint8_t* bytes, std::uint32_t size);
    static void put(const std::uint8_t* bytes, std::uint32_t size);
    static bool idle(std::uint32_t milliseconds);
    friend void start_link(bool);
};

// With may_idle the pipe has an Idle.
void start_link(bool may_idle = false);

// A debugger that obeys the rules and loses nothing.
class Host {
  public:
    explicit Host(TargetRun& run) : run_(run) {}

    // The next data packet of the target, which is acknowledged.
    Packet receive();
    // Sends a request and gives its answer, both without framing.
    Bytes request(std::span<const std::uint8_t> payload);
    // Sends a request that has no answer; its acknowledgement is checked.
    void send(std::span<const std::uint8_t> payload, std::uint16_t type = KdTypeStateManipulate);
    void go_on(std::uint32_t status = 0x00010001, bool trace = false, std::uint64_t dr7 = 0x400);

    std::uint32_t id = KdInitialPacketId;

  private:
    TargetRun& run_;
    std::deque<Packet> packets_;
};

// A request with its fields as (offset, 4-byte value) pairs.
Bytes request(std::uint32_t api, std::initializer_list<std::pair<std::size_t, std::uint64_t>> fields = {},
              const Bytes& data = {});
Bytes memory_request(std::uint32_t api, std::uint64_t address, std::uint32_t count, const Bytes& data = {});

} // namespace lab
