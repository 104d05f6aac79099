// A driver that gathers samples and drops all of them every six seconds: it grows and shrinks, and leaks nothing.
#include "../counted.h"

constexpr ULONG SAWTOOTH_TAG = DriverTag("SawT");
constexpr LONGLONG SAWTOOTH_ROUND = 20; // ms
constexpr ULONG SAWTOOTH_SAMPLES = 300;
constexpr SIZE_T SAWTOOTH_SAMPLE_BYTES = 200;

static BLOCK_LIST SawtoothList;

extern "C" {
volatile DRIVER_COUNTERS SawtoothSamples;

__attribute__((noinline)) VOID SawtoothTakeSample(VOID) {
    PVOID sample = ExAllocatePoolWithTag(NonPagedPoolNx, SAWTOOTH_SAMPLE_BYTES, SAWTOOTH_TAG);
    CountAllocation(&SawtoothSamples, sample, SAWTOOTH_SAMPLE_BYTES);
    if (sample != nullptr) {
        PushBlock(&SawtoothList, sample);
    }
}

__attribute__((noinline)) VOID SawtoothDropSamples(VOID) {
    while (PVOID sample = PopBlock(&SawtoothList)) {
        ExFreePoolWithTag(sample, SAWTOOTH_TAG);
        CountFree(&SawtoothSamples, SAWTOOTH_SAMPLE_BYTES);
    }
}

__attribute__((noinline)) VOID SawtoothServe(VOID) {
    SawtoothTakeSample();
    if (SawtoothSamples.LiveBlocks >= SAWTOOTH_SAMPLES) {
        SawtoothDropSamples();
    }
}

__attribute__((noinline)) VOID SawtoothWorker(PVOID) {
    for (;;) {
        DriverSleep(SAWTOOTH_ROUND);
        SawtoothServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += SAWTOOTH_ROUND) {
        SawtoothServe();
    }
    return DriverStartThread(SawtoothWorker);
}
}
