// A simulated machine with one card below a root port, or a board, and its sources.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "hal/telemetry/makers.h"
#include "hal/telemetry/signals.h"
#include "test/sim/board/board.h"
#include "test/sim/fake_host.h"
#include "test/sim/front/conditions.h"

namespace drapci::hal {

inline PciAddress At(std::string_view address) { return PciAddress::Parse(address).value(); }

// "aer_fatal/root port = 1 (0000:00:01.0)"
inline std::string TextOf(const Reading& reading) {
  std::string text = reading.signal;
  if (!reading.instance.empty()) text += "/" + reading.instance;
  text += fmt::format(" = {}", reading.value);
  if (!reading.text.empty()) text += " (" + reading.text + ")";
  return text;
}

class TelemetryTest : public testing::Test {
 protected:
  // A root port, x16 at 32 GT/s, and a card of x16 at 16 GT/s below it.
  void Plug(const std::function<void(sim::FunctionSpec&)>& change = [](sim::FunctionSpec&) {}) {
    sim::FunctionSpec port = sim::Plain("0000:00:01.0", 0x1b36, 0x000c);
    port.class_code = 0x060400;
    port.root_bus = 0;
    port.buses = {1, 1};
    port.link_speed = port.max_link_speed = "32.0 GT/s PCIe";
    port.link_width = port.max_link_width = 16;
    ASSERT_TRUE(machine_.kernel.AddFunction(port));
    sim::FunctionSpec card = sim::Plain(kCard);
    card.parent = port.address;
    card.link_speed = card.max_link_speed = "16.0 GT/s PCIe";
    card.link_width = card.max_link_width = 16;
    change(card);
    ASSERT_TRUE(machine_.kernel.AddFunction(card));
  }
  void LoadBoard(const std::string& board) {
    const auto loaded = sim::LoadBoard(board, DRAPCI_SIM_BOARD_DIR);
    ASSERT_TRUE(loaded) << loaded.error().what;
    const auto installed = sim::Install(machine_.kernel, {*loaded});
    ASSERT_TRUE(installed) << installed.error().what;
  }

  PciFunction Scan(std::string_view address = kCard) {
    const std::vector<PciFunction> functions = machine_.scanner.Scan().value();
    for (const PciFunction& each : functions) {
      if (each.address == At(address)) return each;
    }
    ADD_FAILURE() << "no " << address;
    return {};
  }
  void Make(TelemetryMaker* maker, std::string_view address = kCard) {
    reader_ = maker(machine_.host, Scan(address));
    ASSERT_NE(reader_, nullptr);
  }
  // What the source made last says: readings as texts, or one text that begins with "error".
  std::vector<std::string> Read() {
    const auto readings = reader_->Read();
    if (!readings) {
      return {fmt::format("error {}: {}", CodeName(readings.error().code), readings.error().what)};
    }
    std::vector<std::string> texts;
    for (const Reading& reading : *readings) {
      EXPECT_NE(FindSignal(reading.signal), nullptr) << reading.signal;
      EXPECT_FALSE(reading.text.contains('\n'));
      texts.push_back(TextOf(reading));
    }
    return texts;
  }
  // As `drapci-sim inject` does it.
  void Inject(const std::vector<std::string>& words) {
    const auto injected = sim::InjectCondition(machine_.kernel, words);
    ASSERT_TRUE(injected) << words[0];
    ASSERT_TRUE(*injected) << injected->error().what;
  }
  // A file of the card says this.
  void Set(const std::string& name, const std::string& content) {
    machine_.kernel.SetFile(PathOf(name), content);
  }
  // Each further read of such a file fails, until the test ends.
  void FailReads(const std::string& name, int error) {
    machine_.kernel.faults().FailRead("*/" + name, error, sim::Faults::kForever);
  }
  static std::string PathOf(const std::string& name, std::string_view address = kCard) {
    return fmt::format("/sys/bus/pci/devices/{}/{}", address, name);
  }

  static constexpr std::string_view kCard = "0000:01:00.0";
  sim::FakeHost machine_;
  std::unique_ptr<TelemetryReader> reader_;
};

}  // namespace drapci::hal
