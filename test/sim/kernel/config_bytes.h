// Configuration space of a simulated function, byte by byte (PCI Express Base Specification chapter
// 7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "test/sim/kernel/spec.h"

namespace drapci::sim {

// 4096 bytes for PCI Express, 256 otherwise: header, power management, MSI-X, PCI Express;
// extended: AER, serial number, ARI, SR-IOV. A VF reads 0xffff as vendor and device, as the
// specification says.
std::vector<std::byte> MakeConfig(const FunctionSpec& function, bool virtual_function);

// Writes what changes at run time: memory and bus master enable, and NumVFs with VF enable.
void UpdateConfig(std::vector<std::byte>& config, bool enabled, unsigned vfs);

// "pci:v00008086d000010C9sv...", drivers/pci/pci-sysfs.c modalias_show.
std::string Modalias(const FunctionSpec& function);

// The speed code of LnkCap for "8.0 GT/s PCIe"; 0 when it is none that the kernel prints.
uint8_t LinkSpeedCode(const std::string& text);

}  // namespace drapci::sim
