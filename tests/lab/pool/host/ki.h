// What the pool needs of the rest of the kernel; pool_machine.cpp supplies it on the host.
#pragma once

#include "nt.h"
#include "nt_addresses.h"

extern "C" {
PVOID MiAllocatePoolPages(BOOLEAN paged, SIZE_T pages);
SIZE_T MiFreePoolPages(PVOID base);
KIRQL KeAcquireSpinLockRaiseToDpc(ULONG_PTR* lock);
void KeReleaseSpinLock(ULONG_PTR* lock, KIRQL irql);
void KxAcquireSpinLock(ULONG_PTR* lock);
void KxReleaseSpinLock(ULONG_PTR* lock);
KIRQL KfRaiseIrql(KIRQL irql);
void KeLowerIrql(KIRQL irql);
KIRQL KeGetCurrentIrql();
ULONG KeGetCurrentProcessorNumber();
[[noreturn]] void KeBugCheckEx(ULONG code, ULONG_PTR first, ULONG_PTR second, ULONG_PTR third, ULONG_PTR fourth);
void DbgBreakPoint();

BOOLEAN KeGetBootOption(const char* name, char* value, SIZE_T value_size);
void ExInitSystem();
void ExCreatePoolTagTable(ULONG processor);

extern ULONG NtGlobalFlag;
extern PVOID MmNonPagedPoolStart;
extern PVOID MmNonPagedPoolEnd; // first byte after
extern PVOID MmPagedPoolStart;
extern PVOID MmPagedPoolEnd; // last byte
}
