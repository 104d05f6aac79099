// What the parts of the debugger's target side share. The routines under "machine" are all that they need of the
// processor and the kernel: kdmachine.cpp has them for the kernel, the host tests have them for a machine in memory.
#pragma once

#include "kdlink.h"

constexpr uint32_t KdBreakpointTableSize = 32;
constexpr uint32_t KdInstructionStreamSize = 16;

// How a stop ends.
enum KD_CONTINUE {
    KdContinueStay,      // it does not: serve the next request
    KdContinueRepeat,    // repeat the state change
    KdContinueHandled,   // go on, the exception is over
    KdContinueUnhandled, // go on, the exception goes to its handlers
    KdContinueSwitch,    // KdpSelectedProcessor is to talk to the debugger
};

// The processor that reports.
struct KD_STOP {
    uint16_t ProcessorLevel;
    uint16_t Processor;
    uint32_t NumberProcessors;
    uint64_t Thread;
    uint8_t* Context; // CONTEXT of the architecture; changed by the debugger
    uint8_t* Special; // KSPECIAL_REGISTERS; changed by the debugger
};

struct KD_IMAGE {
    uint64_t Base;
    uint64_t ProcessId;
    uint32_t CheckSum;
    uint32_t Size;
};

struct KD_EXCEPTION {
    uint32_t Code;
    uint32_t Flags;
    uint64_t Record;
    uint64_t Address;
    uint32_t NumberParameters;
    uint64_t Information[15];
};

enum KD_BREAKPOINT_STATE : uint8_t { KdBreakpointFree, KdBreakpointPlanted, KdBreakpointOwed };

struct KD_BREAKPOINT {
    uint64_t Address;
    uint8_t State; // KD_BREAKPOINT_STATE
    uint8_t Content;
};

// Machine
// ---------------------------------------------------------------------------------------------------------------------

// Copy up to Size bytes and return how many: fewer when a page is not there. Writes go through write protection.
uint32_t KdpReadVirtual(uint64_t Address, void* Bytes, uint32_t Size);
uint32_t KdpWriteVirtual(uint64_t Address, const void* Bytes, uint32_t Size);
uint32_t KdpReadPhysical(uint64_t Address, void* Bytes, uint32_t Size);
uint32_t KdpWritePhysical(uint64_t Address, const void* Bytes, uint32_t Size);
// 1 read, 2 write, 4 execute; 0 when nothing is mapped.
uint32_t KdpQueryProtection(uint64_t Address);
uint32_t KdpQueryAddressSpace(uint64_t Address); // 0 process, 1 session, 2 kernel
// CONTEXT and KSPECIAL_REGISTERS of a processor that stands while another one reports.
uint8_t* KdpSavedContext(uint16_t Processor);
uint8_t* KdpSavedSpecial(uint16_t Processor);
// Where the x64 control space Selector lies that is an address: 0 control region, 1 its block, 3 current thread; 0 for
// any other.
uint64_t KdpControlAddress(uint16_t Processor, uint64_t Selector);
bool KdpReadMsr(uint32_t Msr, uint64_t* Value);
bool KdpWriteMsr(uint32_t Msr, uint64_t Value);
uint32_t KdpReadPort(uint16_t Port, uint32_t Size); // Size is 1, 2 or 4
void KdpWritePort(uint16_t Port, uint32_t Size, uint32_t Value);
void KdpGetVersion(uint8_t* VersionBlock); // 40 bytes
void KdpRestartMachine();
void KdpStartBugCheck();

// kdstate.cpp
// -----------------------------------------------------------------------------------------------------------------

extern "C" {
extern bool KdpHideContextEx; // boot word kdnoex: GetContextEx and SetContextEx are unknown requests
extern bool KdpLikeReactOs;   // boot word kdlike=reactos: what kdreactos.cpp says goes first
extern KD_BREAKPOINT KdpBreakpointTable[KdBreakpointTableSize];
extern bool KdpContextSent; // the debugger has read the context of this stop
extern uint16_t KdpSelectedProcessor;
}

KD_CONTINUE KdpReportException(const KD_STOP* Stop, const KD_EXCEPTION* Exception, bool FirstChance);
// Path is terminated, or null. Does nothing while no debugger is there.
KD_CONTINUE KdpReportImage(const KD_STOP* Stop, const char* Path, const KD_IMAGE* Image, bool Unload);

// kdapi.cpp
// -------------------------------------------------------------------------------------------------------------------

KD_CONTINUE KdpServeRequest(const KD_STOP* Stop, KD_MESSAGE* Message);
// Sends the answer: the request's own fixed part as the handlers left it, with a status and data.
void KdpReply(KD_MESSAGE* Message, uint32_t Status, const void* Data, uint32_t DataSize);

// kdreactos.cpp
// ---------------------------------------------------------------------------------------------------------------

// Whether the request is one that ReactOS serves in its own way; Next tells how it went on.
bool KdpServeLikeReactOs(KD_MESSAGE* Message, KD_CONTINUE* Next);

// kdmemory.cpp, kdcontext.cpp, kdbreak.cpp
// ------------------------------------------------------------------------------------

void KdpServeRead(KD_MESSAGE* Message, bool Physical);
void KdpServeWrite(KD_MESSAGE* Message, bool Physical);
void KdpServeSearch(KD_MESSAGE* Message);
void KdpServeFill(KD_MESSAGE* Message);
void KdpServeQuery(KD_MESSAGE* Message);

// Stop is here of the processor that the request names, or null when there is none such.
void KdpStartContext(const KD_STOP* Stop);
void KdpServeGetContext(const KD_STOP* Stop, KD_MESSAGE* Message);
void KdpServeSetContext(const KD_STOP* Stop, KD_MESSAGE* Message);
void KdpServeGetContextEx(const KD_STOP* Stop, KD_MESSAGE* Message);
void KdpServeSetContextEx(const KD_STOP* Stop, KD_MESSAGE* Message);

// Handles are index + 1; 0 when the address has a breakpoint already or the table is full.
uint32_t KdpAddBreakpoint(uint64_t Address);
bool KdpDeleteBreakpoint(uint32_t Handle);
void KdpDeleteBreakpointRange(uint64_t First, uint64_t Last);
// Plants the breakpoints whose pages were not there before.
void KdpPlantOwedBreakpoints();
void KdpServeWriteBreakpoint(KD_MESSAGE* Message);
void KdpServeRestoreBreakpoint(KD_MESSAGE* Message);
void KdpServeWriteBreakpointEx(KD_MESSAGE* Message);
void KdpServeRestoreBreakpointEx(KD_MESSAGE* Message);

// kdio.cpp
// --------------------------------------------------------------------------------------------------------------------

// A print of up to KdMaximumPrint bytes. Does nothing while no debugger is there.
void KdpSendPrint(const KD_STOP* Stop, const char* Text, uint32_t Length);
// Asks until there is an answer; returns its length, at most ResponseSize.
uint32_t KdpSendPrompt(const KD_STOP* Stop, const char* Text, uint32_t Length, char* Response, uint32_t ResponseSize);

// amd64/kdreport.cpp, i386/kdreport.cpp
// ----------------------------------------------------------------------------------------------------------

extern const uint8_t KdpBreakpointInstruction;
extern const uint32_t KdpContextSize;
uint64_t KdpProgramCounter(const KD_STOP* Stop);
// Fills the control report of a state change; Stream holds the instruction bytes at the program counter.
void KdpFillControlReport(const KD_STOP* Stop, uint8_t* Report, const uint8_t* Stream, uint32_t StreamSize);
// What Continue2 asks for: the trace flag for the processor that reports, debug registers for each.
void KdpSetTrace(const KD_STOP* Stop, const uint8_t* Union);
void KdpSetDebugControl(uint8_t* Special, const uint8_t* Union);
// An address of a request in the one form that it is compared in.
uint64_t KdpCanonicalAddress(uint64_t Address);
// Control space Where of a processor: a selector on x64, an offset into KPROCESSOR_STATE on x86. Reads up to Size bytes
// and returns how many, 0 when there is none such. Writes all of Size or nothing; returns whether it did.
uint32_t KdpReadControl(const KD_STOP* Stop, uint64_t Where, uint8_t* Bytes, uint32_t Size);
bool KdpWriteControl(const KD_STOP* Stop, uint64_t Where, const uint8_t* Bytes, uint32_t Size);
