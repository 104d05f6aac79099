// A CONTEXT is what a debugger sees of an interrupted thread; a trap keeps the same registers in two frames.
#include "../ke.h"

constexpr ULONG ContextFull = 0x10001F; // AMD64 with control, integer, segments, floating point, debug registers
constexpr USHORT KernelDataSelector = 0x18;
constexpr USHORT UserDataSelector = 0x2B;
constexpr USHORT UserTebSelector = 0x53;
constexpr ULONG KiInitialMxCsr = 0x1F80;
constexpr ULONG64 EflagsSanitize = 0x3F7FD5; // bits that a debugger may set

#define KI_COPY_VOLATILE(To, From)                                                                                     \
    (To)->Rax = (From)->Rax, (To)->Rcx = (From)->Rcx, (To)->Rdx = (From)->Rdx, (To)->R8 = (From)->R8,                  \
    (To)->R9 = (From)->R9, (To)->R10 = (From)->R10, (To)->R11 = (From)->R11, (To)->Rbp = (From)->Rbp,                  \
    (To)->Rsp = (From)->Rsp, (To)->Rip = (From)->Rip
#define KI_COPY_NONVOLATILE(To, From)                                                                                  \
    (To)->Rbx = (From)->Rbx, (To)->Rdi = (From)->Rdi, (To)->Rsi = (From)->Rsi, (To)->R12 = (From)->R12,                \
    (To)->R13 = (From)->R13, (To)->R14 = (From)->R14, (To)->R15 = (From)->R15

extern "C" VOID KeContextFromKframes(const KTRAP_FRAME* TrapFrame, const KEXCEPTION_FRAME* ExceptionFrame,
                                     PCONTEXT Context) {
    memset(Context, 0, sizeof(*Context));
    Context->ContextFlags = ContextFull;
    KI_COPY_VOLATILE(Context, TrapFrame);
    KI_COPY_NONVOLATILE(Context, ExceptionFrame);
    Context->EFlags = TrapFrame->EFlags;
    Context->SegCs = TrapFrame->SegCs;
    Context->SegSs = TrapFrame->SegSs;
    Context->SegDs = Context->SegEs = Context->SegGs = UserDataSelector;
    Context->SegFs = UserTebSelector;
    Context->MxCsr = KiInitialMxCsr; // the kernel does no floating point
    Context->FltSave.MxCsr = KiInitialMxCsr;
}

extern "C" VOID KeContextToKframes(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME ExceptionFrame, const CONTEXT* Context) {
    KI_COPY_VOLATILE(TrapFrame, Context);
    KI_COPY_NONVOLATILE(ExceptionFrame, Context);
    TrapFrame->EFlags = static_cast<ULONG>(Context->EFlags & EflagsSanitize);
    TrapFrame->SegCs = KGDT64_R0_CODE;
    TrapFrame->SegSs = KernelDataSelector;
}

extern "C" VOID KiSaveSpecial(PKSPECIAL_REGISTERS Special) {
    Special->Cr0 = KiReadCr0();
    Special->Cr2 = KiReadCr2();
    Special->Cr3 = KiReadCr3();
    Special->Cr4 = KiReadCr4();
    Special->Cr8 = KiReadCr8();
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
    Special->MxCsr = KiInitialMxCsr;
    Special->MsrGsBase = KiReadMsr(MSR_GS_BASE);
    Special->MsrGsSwap = KiReadMsr(MSR_GS_SWAP);
    Special->MsrFsBase = KiReadMsr(MSR_FS_BASE);
    Special->MsrStar = KiReadMsr(MSR_STAR);
    Special->MsrLStar = KiReadMsr(MSR_LSTAR);
    Special->MsrCStar = KiReadMsr(MSR_CSTAR);
    Special->MsrSyscallMask = KiReadMsr(MSR_SYSCALL_MASK);
}

extern "C" VOID KiRestoreSpecial(const KSPECIAL_REGISTERS* Special) {
    if (KiReadCr3() != Special->Cr3) {
        KiWriteCr3(Special->Cr3);
    }
    KiWriteCr0(Special->Cr0);
    KiWriteCr2(Special->Cr2);
    KiWriteCr4(Special->Cr4);
    KiWriteCr8(Special->Cr8);
    KiWriteDr0(Special->KernelDr0);
    KiWriteDr1(Special->KernelDr1);
    KiWriteDr2(Special->KernelDr2);
    KiWriteDr3(Special->KernelDr3);
    KiWriteDr6(Special->KernelDr6);
    KiWriteDr7(Special->KernelDr7);
}
