// Which family drives which function: one constant table.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "hal/accel/accelerator.h"

namespace drapci::hal {

struct Family {
  std::string_view name;
  // Whether this family drives the function. Families are asked in the table's order.
  bool (*matches)(const PciFunction& function);
  // `in_host_use` is the reason why the machine needs the function itself, empty when it does not.
  std::unique_ptr<Accelerator> (*make)(Host& host, PciFunction function, AcceleratorPolicy policy,
                                       std::string in_host_use);
  // Adds the family's own settings; null when it needs only the common ones.
  void (*add_settings)(Host& host, SettingTable& table);
  // The most real card that it has been seen working on; for people.
  std::string_view seen_on;
  // Whether anybody uses a function that `driver` drives, where that shows by more than who has the
  // function's nodes open: kBusy, naming them. Null where it does not.
  struct UseCheck {
    std::string_view driver;
    Result<> (*check)(Host& host, const PciAddress& function) = nullptr;
  } check_unused = {};
};

// From the most specific to "any PCI function".
std::span<const Family> Families();

// The family for `function`; null for what is never managed (bridges, VFs: those are parts of their
// PF).
const Family* MatchFamily(const PciFunction& function);

// Refuses with kBusy, naming who it is, when `driver` is bound to the function and somebody uses
// it: a driver that goes meanwhile crashes its users, or waits for them without end.
Result<> CheckUnusedBy(Host& host, const PciAddress& function, std::string_view driver);

// Family::seen_on of the family with this name; empty when there is none.
std::string_view SeenOn(std::string_view family);

// All settings of all families.
SettingTable MakeSettings(Host& host);

// "pci-0000-02-00-0"
std::string AcceleratorName(const PciAddress& address);
// And back; nothing when it is no such name.
std::optional<PciAddress> AcceleratorAddress(std::string_view name);

}  // namespace drapci::hal
