// How many polls of a pipe make a millisecond, by channel 2 of the interval timer.
#include "../kdpipe.h"

constexpr uint16_t KdpTimerData2 = 0x42;
constexpr uint16_t KdpTimerCommand = 0x43;
constexpr uint16_t KdpTimerGate = 0x61;
constexpr uint8_t KdpTimerGateOn = 0x01;
constexpr uint8_t KdpTimerSpeakerOn = 0x02;
constexpr uint8_t KdpTimerOutput = 0x20;
constexpr uint8_t KdpTimerOneShot2 = 0xB0; // channel 2, both bytes, mode 0
constexpr uint32_t KdpTimerMilliseconds = 10;
constexpr uint32_t KdpTimerCount = 1193182 / 1000 * KdpTimerMilliseconds;
constexpr uint32_t KdpTimerBatch = 64;
constexpr uint32_t KdpTimerMaximumBatches = 1000000;

void KdpCalibratePipe(KD_PIPE* Pipe) {
    KdpOut8(KdpTimerGate, static_cast<uint8_t>((KdpIn8(KdpTimerGate) & ~KdpTimerSpeakerOn) | KdpTimerGateOn));
    KdpOut8(KdpTimerCommand, KdpTimerOneShot2);
    KdpOut8(KdpTimerData2, KdpTimerCount & 0xFF);
    KdpOut8(KdpTimerData2, KdpTimerCount >> 8);
    uint32_t batches = 0;
    while ((KdpIn8(KdpTimerGate) & KdpTimerOutput) == 0 && batches < KdpTimerMaximumBatches) {
        uint8_t none;
        for (uint32_t i = 0; i < KdpTimerBatch; i++) {
            Pipe->Get(&none, 0); // a look that takes nothing
        }
        batches++;
    }
    // A machine without the timer keeps the pipe's own guess.
    if (batches != 0 && batches < KdpTimerMaximumBatches) {
        Pipe->PollsPerMillisecond = batches * KdpTimerBatch / KdpTimerMilliseconds + 1;
    }
}
