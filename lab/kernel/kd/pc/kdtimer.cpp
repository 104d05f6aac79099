// Shots of channel 2 of the interval timer, and by them how many polls of a pipe make a millisecond.
#include "../kdpipe.h"

constexpr uint16_t KdpTimerData2 = 0x42;
constexpr uint16_t KdpTimerCommand = 0x43;
constexpr uint16_t KdpTimerGate = 0x61;
constexpr uint8_t KdpTimerGateOn = 0x01;
constexpr uint8_t KdpTimerSpeakerOn = 0x02;
constexpr uint8_t KdpTimerOutput = 0x20;
constexpr uint8_t KdpTimerOneShot2 = 0xB0; // channel 2, both bytes, mode 0
constexpr uint32_t KdpTimerCount = 1193182 / 1000 * KdpShotMilliseconds;
constexpr uint32_t KdpTimerRounds = 8;
constexpr uint32_t KdpTimerBatch = 64;
constexpr uint32_t KdpTimerMaximumBatches = 1000000;

void KdpStartShot() {
    KdpOut8(KdpTimerGate, static_cast<uint8_t>((KdpIn8(KdpTimerGate) & ~KdpTimerSpeakerOn) | KdpTimerGateOn));
    KdpOut8(KdpTimerCommand, KdpTimerOneShot2);
    KdpOut8(KdpTimerData2, KdpTimerCount & 0xFF);
    KdpOut8(KdpTimerData2, KdpTimerCount >> 8);
}

bool KdpShotOver() {
    return (KdpIn8(KdpTimerGate) & KdpTimerOutput) != 0;
}

// Polls of one round; 0 without the timer.
static uint32_t KdpTimePolls(const KD_PIPE* Pipe) {
    KdpStartShot();
    uint32_t batches = 0;
    while (!KdpShotOver()) {
        uint8_t none;
        for (uint32_t i = 0; i < KdpTimerBatch; i++) {
            Pipe->Get(&none, 0); // a look that takes nothing
        }
        if (++batches == KdpTimerMaximumBatches) {
            return 0;
        }
    }
    return batches * KdpTimerBatch;
}

void KdpCalibratePipe(KD_PIPE* Pipe) {
    // An emulated processor may lose its host's in the middle of a round: the best round is the true one.
    uint32_t most = 0;
    for (uint32_t round = 0; round < KdpTimerRounds; round++) {
        uint32_t polls = KdpTimePolls(Pipe);
        if (polls == 0) {
            break;
        }
        most = polls > most ? polls : most;
    }
    if (most != 0) { // else the pipe's own guess stands
        Pipe->PollsPerMillisecond = most / KdpShotMilliseconds + 1;
    }
}
