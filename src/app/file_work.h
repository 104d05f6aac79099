#pragma once

#include "app/interrupt.h"
#include "base/work.h"

namespace poolkd::app {

/// Takes the line of progress away, before something else is written.
void clear_progress(Work& work);

/// Work on files: what takes over two seconds shows its progress on stderr when that is a terminal, and Ctrl-C asks it
/// to stop. The line of progress is gone when this is.
class FileWork {
  public:
    FileWork();
    ~FileWork() { clear_progress(work_); }
    FileWork(const FileWork&) = delete;
    FileWork& operator=(const FileWork&) = delete;
    [[nodiscard]] Work& work() { return work_; }

  private:
    Work work_;
    InterruptHandler interrupts_;
};

} // namespace poolkd::app
