// The byte pipes of the kernel. Each opens at most once; null when the machine has no such device.
#pragma once

#include "kdlink.h"

const KD_PIPE* KdpOpenSerial();
const KD_PIPE* KdpOpenVirtioConsole();

// Measures Pipe's polls per millisecond with the machine's timer.
void KdpCalibratePipe(KD_PIPE* Pipe);

// One shot of the machine's timer, for measuring others by it.
constexpr uint32_t KdpShotMilliseconds = 2;
void KdpStartShot();
bool KdpShotOver();

// The pipes' Idle: sleeps with the machine standing still. Until it is initialized, and on a machine that cannot be
// woken, it fails at once. Needs the processor's interrupt controller set up and interrupts off.
void KdpInitializeIdle();
bool KdpIdle(uint32_t Milliseconds);

inline uint8_t KdpIn8(uint16_t Port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(Port));
    return value;
}

inline uint16_t KdpIn16(uint16_t Port) {
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(Port));
    return value;
}

inline uint32_t KdpIn32(uint16_t Port) {
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(Port));
    return value;
}

inline void KdpOut8(uint16_t Port, uint8_t Value) {
    __asm__ volatile("outb %0, %1" : : "a"(Value), "Nd"(Port));
}

inline void KdpOut16(uint16_t Port, uint16_t Value) {
    __asm__ volatile("outw %0, %1" : : "a"(Value), "Nd"(Port));
}

inline void KdpOut32(uint16_t Port, uint32_t Value) {
    __asm__ volatile("outl %0, %1" : : "a"(Value), "Nd"(Port));
}
