#pragma once

#include "hunt/live.h"

#include <chrono>

namespace poolkd::app {

/// While snapshots of a target are taken: how many there are, on stderr when that is a terminal and it takes over two
/// seconds. The line is gone when this is.
class SamplingProgress {
  public:
    SamplingProgress(hunt::LiveSource& source, hunt::SamplePlan plan);
    ~SamplingProgress();
    SamplingProgress(const SamplingProgress&) = delete;
    SamplingProgress& operator=(const SamplingProgress&) = delete;

  private:
    void show();

    hunt::LiveSource& source_;
    hunt::SamplePlan plan_;
    std::chrono::steady_clock::time_point begun_, due_;
    bool shown_ = false;
};

} // namespace poolkd::app
