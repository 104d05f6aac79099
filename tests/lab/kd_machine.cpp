#include "kd_machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace lab {

Machine* machine;

constexpr std::uint64_t page_size = 0x1000;

void Machine::map(std::uint64_t page) {
    Bytes content(page_size);
    for (std::size_t i = 0; i < content.size(); i++) {
        content[i] = static_cast<std::uint8_t>(page / page_size * 7 + i * 3 + i / 256);
    }
    pages[page] = content;
}

std::uint8_t& Machine::at(std::uint64_t address) {
    return pages.at(address & ~(page_size - 1))[address & (page_size - 1)];
}

KD_STOP Machine::stop() {
    return {6, 0, processors, 0xFFFFF80000001000, context.data(), special.data()};
}

Bytes data_frame(std::uint16_t type, std::uint32_t id, std::span<const std::uint8_t> payload) {
    Bytes frame(16, 0x30);
    std::uint32_t sum = std::accumulate(payload.begin(), payload.end(), 0u);
    KdPut16(&frame[4], type);
    KdPut16(&frame[6], static_cast<std::uint16_t>(payload.size()));
    KdPut32(&frame[8], id);
    KdPut32(&frame[12], sum);
    frame.insert(frame.end(), payload.begin(), payload.end());
    frame.push_back(0xAA);
    return frame;
}

Bytes control_frame(std::uint16_t type, std::uint32_t id) {
    Bytes frame(16, 0x69);
    KdPut16(&frame[4], type);
    KdPut16(&frame[6], 0);
    KdPut32(&frame[8], id);
    KdPut32(&frame[12], 0);
    return frame;
}

std::vector<Packet> FrameReader::take(std::span<const std::uint8_t> bytes) {
    pending.insert(pending.end(), bytes.begin(), bytes.end());
    std::vector<Packet> packets;
    while (pending.size() >= 16) {
        std::uint8_t leader = pending[0];
        bool framed = (leader == 0x30 || leader == 0x69) &&
                      std::all_of(pending.begin(), pending.begin() + 4, [&](auto b) { return b == leader; });
        std::size_t count = KdGet16(&pending[6]);
        std::size_t size = leader == 0x30 ? 17 + count : 16;
        if (framed && count <= KdMaximumPayload && pending.size() < size) {
            break;
        }
        bool whole = framed && count <= KdMaximumPayload;
        Bytes payload;
        if (whole && leader == 0x30) {
            payload.assign(pending.begin() + 16, pending.begin() + static_cast<std::ptrdiff_t>(size) - 1);
            whole = pending[size - 1] == 0xAA &&
                    std::accumulate(payload.begin(), payload.end(), 0u) == KdGet32(&pending[12]);
        }
        if (!whole) {
            pending.erase(pending.begin());
            noise++;
            continue;
        }
        packets.push_back({leader, KdGet16(&pending[4]), KdGet32(&pending[8]), payload});
        pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(size));
    }
    return packets;
}

namespace {

TargetRun* current;
struct Abandoned {};

} // namespace

std::uint32_t TargetRun::get(std::uint8_t* bytes, std::uint32_t size) {
    TargetRun* run = current;
    if (run->input_.empty()) {
        if (run->idle_polls_ != 0) {
            run->idle_polls_--;
            return 0;
        }
        run->to_test_.release();
        run->to_target_.acquire();
        if (run->abandoned_) {
            throw Abandoned();
        }
        if (run->input_.empty()) {
            return 0;
        }
    }
    std::uint32_t got = 0;
    while (got < size && !run->input_.empty()) {
        bytes[got++] = run->input_.front();
        run->input_.pop_front();
    }
    return got;
}

void TargetRun::put(const std::uint8_t* bytes, std::uint32_t size) {
    current->output_.insert(current->output_.end(), bytes, bytes + size);
}

// The last of the milliseconds is the poll that follows.
bool TargetRun::idle(std::uint32_t milliseconds) {
    current->idles_++;
    current->idle_polls_ -= std::min(current->idle_polls_, milliseconds - 1);
    return true;
}

void start_link(bool may_idle) {
    static const KD_PIPE plain = {TargetRun::get, TargetRun::put, 1};
    static const KD_PIPE idling = {TargetRun::get, TargetRun::put, 1, TargetRun::idle};
    KdpStartLink(may_idle ? &idling : &plain);
}

TargetRun::TargetRun(std::function<void()> body) {
    current = this;
    thread_ = std::thread([this, body = std::move(body)] {
        to_target_.acquire();
        try {
            body();
        } catch (const Abandoned&) { // the test is over before the target is
        }
        finished_ = true;
        to_test_.release();
    });
    resume();
}

TargetRun::~TargetRun() {
    abandoned_ = true;
    if (!finished_) {
        resume();
    }
    thread_.join();
}

void TargetRun::resume() {
    to_target_.release();
    to_test_.acquire();
}

void TargetRun::feed(std::span<const std::uint8_t> bytes) {
    ASSERT_FALSE(finished_);
    input_.insert(input_.end(), bytes.begin(), bytes.end());
    resume();
}

void TargetRun::pass(unsigned polls) {
    ASSERT_FALSE(finished_);
    idle_polls_ = polls;
    resume();
}

Bytes TargetRun::take_output() {
    return std::exchange(output_, {});
}

std::vector<Packet> TargetRun::take() {
    return reader_.take(take_output());
}

Packet Host::receive() {
    for (const Packet& packet : run_.take()) {
        packets_.push_back(packet);
    }
    if (packets_.empty() || packets_.front().leader != 0x30) {
        ADD_FAILURE() << "the target has sent no data packet";
        return {};
    }
    Packet packet = packets_.front();
    packets_.pop_front();
    run_.feed(control_frame(KdTypeAcknowledge, packet.id & ~KdSyncPacketId));
    return packet;
}

void Host::send(std::span<const std::uint8_t> payload, std::uint16_t type) {
    run_.feed(data_frame(type, id, payload));
    for (const Packet& packet : run_.take()) {
        packets_.push_back(packet);
    }
    ASSERT_FALSE(packets_.empty());
    EXPECT_EQ(packets_.front().leader, 0x69);
    EXPECT_EQ(packets_.front().type, KdTypeAcknowledge);
    EXPECT_EQ(packets_.front().id, id);
    packets_.pop_front();
    id ^= 1;
}

Bytes Host::request(std::span<const std::uint8_t> payload) {
    send(payload);
    Packet packet = receive();
    EXPECT_EQ(packet.type, KdTypeStateManipulate);
    EXPECT_GE(packet.payload.size(), KdManipulateSize);
    if (packet.payload.size() < KdManipulateSize) {
        packet.payload.resize(KdManipulateSize, 0xEE);
    }
    EXPECT_EQ(KdGet32(packet.payload.data()), KdGet32(payload.data())) << "the answer is to another request";
    return packet.payload;
}

void Host::go_on(std::uint32_t status, bool trace, std::uint64_t dr7) {
    send(lab::request(KdApiContinue2,
                      {{16, status}, {20, trace ? 1 : 0}, {24, dr7 & 0xFFFFFFFF}, {28, dr7 >> 32}, {32, 1}}));
}

Bytes request(std::uint32_t api, std::initializer_list<std::pair<std::size_t, std::uint64_t>> fields,
              const Bytes& data) {
    Bytes payload(KdManipulateSize);
    KdPut32(payload.data(), api);
    KdPut32(&payload[KdStatusField], 0x103);
    for (const auto& [offset, value] : fields) {
        KdPut32(&payload[offset], static_cast<std::uint32_t>(value));
    }
    payload.insert(payload.end(), data.begin(), data.end());
    return payload;
}

Bytes memory_request(std::uint32_t api, std::uint64_t address, std::uint32_t count, const Bytes& data) {
    return request(api, {{16, address & 0xFFFFFFFF}, {20, address >> 32}, {24, count}}, data);
}

} // namespace lab

// The machine as the target's code sees it
// ----------------------------------------------------------------------------------

using lab::machine;

static std::uint32_t copy(std::map<std::uint64_t, lab::Bytes>& pages, std::uint64_t address, std::uint32_t size,
                          const std::function<void(std::uint8_t&, std::uint32_t)>& each) {
    for (std::uint32_t i = 0; i < size; i++) {
        auto page = pages.find((address + i) & ~(lab::page_size - 1));
        if (page == pages.end()) {
            return i;
        }
        each(page->second[(address + i) & (lab::page_size - 1)], i);
    }
    return size;
}

static std::uint32_t read(std::map<std::uint64_t, lab::Bytes>& pages, std::uint64_t address, void* bytes,
                          std::uint32_t size) {
    return copy(pages, address, size,
                [&](std::uint8_t& byte, std::uint32_t i) { static_cast<std::uint8_t*>(bytes)[i] = byte; });
}

static std::uint32_t write(std::map<std::uint64_t, lab::Bytes>& pages, std::uint64_t address, const void* bytes,
                           std::uint32_t size) {
    return copy(pages, address, size,
                [&](std::uint8_t& byte, std::uint32_t i) { byte = static_cast<const std::uint8_t*>(bytes)[i]; });
}

std::uint32_t KdpReadVirtual(std::uint64_t address, void* bytes, std::uint32_t size) {
    return read(machine->pages, address, bytes, size);
}

std::uint32_t KdpWriteVirtual(std::uint64_t address, const void* bytes, std::uint32_t size) {
    return write(machine->pages, address, bytes, size);
}

std::uint32_t KdpReadPhysical(std::uint64_t address, void* bytes, std::uint32_t size) {
    return read(machine->physical, address, bytes, size);
}

std::uint32_t KdpWritePhysical(std::uint64_t address, const void* bytes, std::uint32_t size) {
    return write(machine->physical, address, bytes, size);
}

std::uint32_t KdpQueryProtection(std::uint64_t address) {
    return machine->pages.contains(address & ~(lab::page_size - 1)) ? 5 : 0;
}

std::uint32_t KdpQueryAddressSpace(std::uint64_t address) {
    return address >> 63 != 0 ? 2 : 0;
}

std::uint64_t KdpControlAddress(std::uint16_t processor, std::uint64_t selector) {
    return selector > 3 ? 0 : 0xFFFFF80000010000 + processor * 0x1000u + selector * 0x180;
}

std::uint8_t* KdpSavedContext(std::uint16_t processor) {
    return processor == 0 ? machine->context.data() : machine->other_context.data();
}

std::uint8_t* KdpSavedSpecial(std::uint16_t processor) {
    return processor == 0 ? machine->special.data() : machine->other_special.data();
}

bool KdpReadMsr(std::uint32_t msr, std::uint64_t* value) {
    auto found = machine->msrs.find(msr);
    if (found == machine->msrs.end()) {
        return false;
    }
    *value = found->second;
    return true;
}

bool KdpWriteMsr(std::uint32_t msr, std::uint64_t value) {
    machine->msrs[msr] = value;
    return true;
}

std::uint32_t KdpReadPort(std::uint16_t port, std::uint32_t) {
    return machine->ports[port];
}

void KdpWritePort(std::uint16_t port, std::uint32_t, std::uint32_t value) {
    machine->ports[port] = value;
}

void KdpGetVersion(std::uint8_t* block) {
    std::memset(block, 0, 40);
    KdPut16(block, 0x000F);
    KdPut16(block + 8, 0x8664);
    KdPut64(block + 16, 0xFFFFF80000000000);
}

void KdpRestartMachine() {
    machine->restarts++;
}

void KdpStartBugCheck() {
    machine->bug_checks++;
}
