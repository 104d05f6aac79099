#pragma once

#include "kd/link.h"
#include "target_model.h"

#include <functional>
#include <thread>
#include <utility>

namespace poolkd::kd::test {

/// A carrier that ends in a target model, in real time and in one thread.
class ModelLink final : public ByteLink {
  public:
    explicit ModelLink(TargetModel& model) : model_(model) {}

    Result<void> open() override {
        if (refuse_to_open) return fail(ErrorKind::link, "Cannot open the model.");
        open_ = true;
        ++opened;
        return {};
    }
    Result<void> send(Bytes bytes) override {
        if (!open_) return fail(ErrorKind::link, "closed");
        ++writes;
        if (slow) {
            under_way_.insert(under_way_.end(), bytes.begin(), bytes.end());
        } else {
            model_.receive(bytes, std::chrono::steady_clock::now());
        }
        return {};
    }
    Result<void> receive(ByteVector& out, std::chrono::milliseconds limit) override {
        if (!open_) return fail(ErrorKind::link, "closed");
        const auto end = std::chrono::steady_clock::now() + limit;
        while (true) {
            if (meanwhile) meanwhile();
            model_.receive(std::exchange(under_way_, {}), std::chrono::steady_clock::now());
            model_.tick(std::chrono::steady_clock::now());
            const ByteVector bytes = model_.take_output();
            out.insert(out.end(), bytes.begin(), bytes.end());
            if (!out.empty() || std::chrono::steady_clock::now() >= end) return {};
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    void close() override {
        open_ = false;
        under_way_.clear();
    }

    std::function<void()> meanwhile; ///< called while the host waits
    bool slow = false;               ///< bytes arrive while the host waits, and are lost when it closes
    bool refuse_to_open = false;
    unsigned opened = 0;
    unsigned writes = 0;

  private:
    TargetModel& model_;
    bool open_ = false;
    ByteVector under_way_;
};

} // namespace poolkd::kd::test
