#pragma once

#include "nt/kernel.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace poolkd::testing {

/// An x86 target in memory with a kernel image and drivers, in the loader's list, and a stack.
class CodeMachineX86 {
  public:
    static constexpr VirtAddr kernel_base{0xffffffff80400000};
    static constexpr VirtAddr driver_base{0xfffffffff8600000};
    static constexpr VirtAddr lists{0xffffffff81000000};
    static constexpr VirtAddr stack_bottom{0xfffffffff8ad0000};
    static constexpr std::uint64_t stack_size = 0x4000;
    static constexpr std::uint32_t image_size = 0x8000;

    CodeMachineX86() {
        target.edit_identity().machine = &x86_machine();
        target.edit_identity().kernel_base = kernel_base;
        target.edit_identity().loaded_module_list = lists;
        target.edit_registers() = RegisterFile(x86_machine(), ByteVector(x86_machine().context_size));
        memory().map(stack_bottom, stack_size);
        add_module("ntoskrnl.exe", kernel_base);
        add_module("leaky.sys", driver_base);
    }

    FakeMemory& memory() { return target.virtual_memory(); }
    /// The symbols of "nt" or of a driver.
    FakeSymbols& symbols(const std::string& module) {
        auto& found = symbols_[module];
        if (!found) found = std::make_shared<FakeSymbols>();
        return *found;
    }
    void code(VirtAddr at, std::initializer_list<unsigned> bytes) { memory().put(at, bytes); }
    void push(VirtAddr at, std::uint64_t value) { memory().put_value(at, static_cast<std::uint32_t>(value)); }
    void set(std::string_view name, std::uint64_t value) { target.edit_registers().set(name, value); }

    /// Writes the list and reads it as the debugger does.
    nt::Kernel& kernel() {
        if (kernel_) return *kernel_;
        auto entry_of = [](std::size_t i) { return lists + 0x200 * (i + 1); };
        memory().map(lists, 0x200 * (modules_.size() + 2));
        for (std::size_t i = 0; i < modules_.size(); ++i) {
            const VirtAddr entry = entry_of(i);
            push(entry, i + 1 < modules_.size() ? entry_of(i + 1).value : lists.value);
            push(entry + 0x18, modules_[i].base.value);
            push(entry + 0x20, image_size);
            for (std::uint64_t field : {0x24u, 0x2cu}) {
                memory().put_value(entry + field, static_cast<std::uint16_t>(2 * modules_[i].name.size()));
                push(entry + field + 4, entry.value + 0x100);
            }
            for (std::size_t c = 0; c < modules_[i].name.size(); ++c)
                memory().put_value(entry + 0x100 + 2 * c, static_cast<std::uint16_t>(modules_[i].name[c]));
        }
        push(lists, entry_of(0).value);
        kernel_ = std::make_unique<nt::Kernel>(target, [this](nt::Module& module) {
            auto found = symbols_.find(module.is_kernel ? "nt" : module.name);
            if (found == symbols_.end()) return;
            module.symbols = found->second;
            module.symbol_state = nt::SymbolState::loaded;
        });
        kernel_->reload();
        return *kernel_;
    }

    FakeTarget target;

  private:
    struct Entry {
        std::string name;
        VirtAddr base;
    };
    void add_module(std::string name, VirtAddr base) {
        memory().map(base, image_size);
        modules_.push_back({std::move(name), base});
    }

    std::vector<Entry> modules_;
    std::map<std::string, std::shared_ptr<FakeSymbols>> symbols_;
    std::unique_ptr<nt::Kernel> kernel_;
};

} // namespace poolkd::testing
