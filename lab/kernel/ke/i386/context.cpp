// A CONTEXT is what a debugger sees of an interrupted thread; a trap keeps the same registers in its frame.
#include "../ke.h"

constexpr ULONG ContextFull = 0x1003F;     // i386 with control, integer, segments, floating point, debug and extended
constexpr ULONG EflagsSanitize = 0x3F7FD5; // bits that a debugger may set
constexpr ULONG FrameEdited = 0xFFF8;      // see trap.S
constexpr ULONG SET_OF_INVALID_CONTEXT = 0x30;

#define KI_COPY_REGISTERS(To, From)                                                                                    \
    (To)->Eax = (From)->Eax, (To)->Ecx = (From)->Ecx, (To)->Edx = (From)->Edx, (To)->Ebx = (From)->Ebx,                \
    (To)->Esi = (From)->Esi, (To)->Edi = (From)->Edi, (To)->Ebp = (From)->Ebp, (To)->Eip = (From)->Eip

// The processor pushes no esp when the kernel is interrupted: the interrupted stack goes on behind the frame.
static ULONG KiEspFromTrapFrame(const KTRAP_FRAME* TrapFrame) {
    return (TrapFrame->SegCs & FrameEdited) == 0 ? TrapFrame->TempEsp
                                                 : reinterpret_cast<ULONG_PTR>(&TrapFrame->HardwareEsp);
}

extern "C" VOID KeContextFromKframes(const KTRAP_FRAME* TrapFrame, const KEXCEPTION_FRAME*, PCONTEXT Context) {
    memset(Context, 0, sizeof(*Context));
    Context->ContextFlags = ContextFull;
    KI_COPY_REGISTERS(Context, TrapFrame);
    Context->EFlags = TrapFrame->EFlags;
    Context->Esp = KiEspFromTrapFrame(TrapFrame);
    Context->SegCs = TrapFrame->SegCs & 0xFFFF;
    Context->SegSs = KGDT_R0_DATA;
    Context->SegDs = TrapFrame->SegDs & 0xFFFF;
    Context->SegEs = TrapFrame->SegEs & 0xFFFF;
    Context->SegFs = TrapFrame->SegFs & 0xFFFF;
    Context->SegGs = TrapFrame->SegGs & 0xFFFF;
}

// A stack pointer can be moved up only: below lies the frame itself.
static VOID KiEspToTrapFrame(PKTRAP_FRAME TrapFrame, ULONG Esp) {
    ULONG old = KiEspFromTrapFrame(TrapFrame);
    if (Esp == old) {
        return;
    }
    if (Esp < old) {
        KeBugCheckEx(SET_OF_INVALID_CONTEXT, Esp, old, reinterpret_cast<ULONG_PTR>(TrapFrame), 0);
    }
    TrapFrame->TempSegCs = TrapFrame->SegCs;
    TrapFrame->SegCs &= ~FrameEdited;
    TrapFrame->TempEsp = Esp;
}

extern "C" VOID KeContextToKframes(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME, const CONTEXT* Context) {
    KI_COPY_REGISTERS(TrapFrame, Context);
    TrapFrame->EFlags = Context->EFlags & EflagsSanitize;
    KiEspToTrapFrame(TrapFrame, Context->Esp);
}

extern "C" VOID KiSaveSpecial(PKSPECIAL_REGISTERS Special) {
    Special->Cr0 = KiReadCr0();
    Special->Cr2 = KiReadCr2();
    Special->Cr3 = KiReadCr3();
    Special->Cr4 = KiReadCr4();
    Special->KernelDr0 = KiReadDr0();
    Special->KernelDr1 = KiReadDr1();
    Special->KernelDr2 = KiReadDr2();
    Special->KernelDr3 = KiReadDr3();
    Special->KernelDr6 = KiReadDr6();
    Special->KernelDr7 = KiReadDr7();
    KiWriteDr7(0); // no data breakpoint while the debugger itself looks at memory
    __asm__ volatile("sgdt %0" : "=m"(Special->Gdtr.Limit));
    __asm__ volatile("sidt %0" : "=m"(Special->Idtr.Limit));
    __asm__ volatile("str %0" : "=m"(Special->Tr));
    __asm__ volatile("sldt %0" : "=m"(Special->Ldtr));
}

extern "C" VOID KiRestoreSpecial(const KSPECIAL_REGISTERS* Special) {
    if (KiReadCr3() != Special->Cr3) {
        KiWriteCr3(Special->Cr3);
    }
    KiWriteCr0(Special->Cr0);
    KiWriteCr2(Special->Cr2);
    KiWriteCr4(Special->Cr4);
    KiWriteDr0(Special->KernelDr0);
    KiWriteDr1(Special->KernelDr1);
    KiWriteDr2(Special->KernelDr2);
    KiWriteDr3(Special->KernelDr3);
    KiWriteDr6(Special->KernelDr6);
    KiWriteDr7(Special->KernelDr7);
}
