// What the injection commands do to the model.
#include <fmt/format.h>

#include <csignal>
#include <cstring>

#include "hal/base/parse.h"
#include "test/sim/front/conditions.h"
#include "test/sim/front/control.h"

namespace drapci::sim {
namespace {

Answer Usage(std::string text) { return {.status = 2, .text = std::move(text) + "\n"}; }

Answer Told(const Result<>& result) {
  if (result) return {};
  return {.status = 1, .text = result.error().what + "\n"};
}

// "OK" is 0: that many matching operations pass before a later fault hits.
std::optional<int> ErrnoOf(const std::string& name) {
  if (name == "OK") return 0;
  constexpr int kLast = 133;  // EHWPOISON
  for (int number = 1; number <= kLast; ++number) {
    const char* known = strerrorname_np(number);
    if (known != nullptr && name == known) return number;
  }
  return std::nullopt;
}

std::string ShowWrites(Kernel& kernel, bool reset) {
  std::string text;
  auto writes = kernel.Writes();
  int accepted = 0;
  for (const WriteRecord& write : writes) {
    std::string_view value = write.value;
    if (value.ends_with('\n')) value.remove_suffix(1);
    std::string result = write.error == 0 ? "ok" : ErrnoName(write.error);
    text += fmt::format("{}\t{}\t{}\n", result, write.path, value);
    if (write.error == 0) ++accepted;
  }
  text += fmt::format("{} writes, {} accepted\n", writes.size(), accepted);
  if (reset) kernel.ResetWrites();
  return text;
}

// Writers name attributes by any link, FUSE sees where it leads: a plain path means that place.
std::string Pattern(const Kernel& kernel, const std::string& glob) {
  return kernel.Resolve(glob).value_or(glob);
}

// The words of one command, taken from the front.
class Arguments {
 public:
  explicit Arguments(const std::vector<std::string>& words) : words_(words) {}
  std::string Next() { return at_ < words_.size() ? words_[at_++] : ""; }
  std::optional<PciAddress> Device() {
    std::string text = Next();
    auto address = PciAddress::Parse(text);
    if (!address) problem_ = fmt::format("'{}' is no PCI address", text);
    return address;
  }
  int Number(int least) {
    std::string text = Next();
    auto number = ParseInt<int>(text);
    if (number && *number >= least) return *number;
    problem_ = fmt::format("'{}' is no number of at least {}", text, least);
    return least;
  }
  const std::string& problem() const { return problem_; }
  std::vector<std::string> Rest() const {
    return {words_.begin() + static_cast<long>(at_), words_.end()};
  }

 private:
  const std::vector<std::string>& words_;
  size_t at_ = 0;
  std::string problem_;
};

Answer Fault(Kernel& kernel, Arguments& words) {
  std::string glob = Pattern(kernel, words.Next()), name = words.Next();
  int count = words.Number(Faults::kForever);
  std::string operation = words.Next();
  auto error = ErrnoOf(name);
  if (!error) return Usage(fmt::format("'{}' is no errno name such as EBUSY", name));
  if (!words.problem().empty()) return Usage(words.problem());
  if (operation == "write") {
    kernel.faults().FailWrite(glob, *error, count);
  } else if (operation == "read") {
    kernel.faults().FailRead(glob, *error, count);
  } else {
    return Usage(fmt::format("'{}' is no operation: read or write", operation));
  }
  return {};
}

Answer Set(Kernel& kernel, Arguments& words) {
  std::string path = words.Next(), value = words.Next();
  bool create = words.Next() == "create";
  if (!create && !kernel.Stat(path, /*follow=*/true)) {
    return {.status = 1, .text = fmt::format("no attribute {}; --create makes one\n", path)};
  }
  kernel.SetFile(path, value + "\n");
  return {};
}

// As `ip link show` would print them, if it knew of simulated VFs.
Answer ShowVfs(Kernel& kernel, const PciAddress& pf) {
  const auto vfs = kernel.VfSettings(pf);
  if (!vfs) {
    return {.status = 1,
            .text = fmt::format("{} has no driver with settings for VFs\n", pf.ToString())};
  }
  std::string text;
  for (unsigned i = 0; i < vfs->size(); ++i) text += ShowVf(i, (*vfs)[i]);
  return {.status = 0, .text = std::move(text)};
}

Answer Carrier(Kernel& kernel, const PciAddress& device, Arguments& words) {
  const std::string wanted = words.Next();
  if (wanted != "on" && wanted != "off") return Usage("a carrier is on or off");
  return Told(kernel.SetCarrier(device, wanted == "on"));
}

Answer SendEvent(Kernel& kernel, const PciAddress& device, Arguments& words) {
  std::string action = words.Next();
  std::vector<std::pair<std::string, std::string>> extra;
  for (const std::string& pair : words.Rest()) {
    size_t equal = pair.find('=');
    if (equal == std::string::npos) return Usage(fmt::format("'{}' is not KEY=VALUE", pair));
    extra.emplace_back(pair.substr(0, equal), pair.substr(equal + 1));
  }
  auto state = kernel.State(device);
  if (!state) return {.status = 1, .text = state.error().what + "\n"};
  kernel.Emit(state->sysfs_path, action, std::move(extra));
  return {};
}

}  // namespace

void WriteTrap::Arm(int writes, int signal) {
  std::lock_guard lock(mutex_);
  left_ = writes;
  signal_ = signal;
}

void WriteTrap::Accepted(int pid) {
  std::lock_guard lock(mutex_);
  if (left_ == 0) return;
  --left_;
  if (left_ == 0 && pid > 0) kill(pid, signal_);
}

Answer Execute(Kernel& kernel, WriteTrap& trap, const std::vector<std::string>& all) {
  Arguments words(all);
  std::string command = words.Next();
  if (command == "fault") return Fault(kernel, words);
  if (command == "set") return Set(kernel, words);
  if (command == "writes")
    return {.status = 0, .text = ShowWrites(kernel, words.Next() == "reset")};
  if (command == "hold") return kernel.faults().Hold(Pattern(kernel, words.Next())), Answer{};
  if (command == "hold-reads") {
    return kernel.faults().HoldReads(Pattern(kernel, words.Next())), Answer{};
  }
  if (command == "release") return kernel.faults().Release(Pattern(kernel, words.Next())), Answer{};
  if (command == "clear") {
    kernel.ClearFaults();
    trap.Disarm();
    return {};
  }
  if (command == "delay") {
    std::string glob = Pattern(kernel, words.Next());
    Milliseconds delay(words.Number(0));
    if (!words.problem().empty()) return Usage(words.problem());
    kernel.faults().DelayWrite(glob, delay);
    return {};
  }
  if (command == "kill-after" || command == "stop-at") {
    int count = words.Number(1);
    if (!words.problem().empty()) return Usage(words.problem());
    trap.Arm(count, command == "stop-at" ? SIGSTOP : SIGKILL);
    return {};
  }
  if (const auto injected = InjectCondition(kernel, all)) {
    const bool nonsense = !*injected && injected->error().code == Code::kInvalid;
    return nonsense ? Usage(injected->error().what) : Told(*injected);
  }
  auto device = words.Device();
  if (!device) return Usage(command.empty() ? "no command" : words.problem());
  if (command == "unplug") return Told(kernel.Unplug(*device));
  if (command == "plug") return Told(kernel.Plug(*device));
  if (command == "event") return SendEvent(kernel, *device, words);
  if (command == "vf-settings") return ShowVfs(kernel, *device);
  if (command == "carrier") return Carrier(kernel, *device, words);
  if (command == "vf-delay" || command == "fewer-vfs") {
    int number = words.Number(0);
    if (!words.problem().empty()) return Usage(words.problem());
    if (auto state = kernel.State(*device); !state) {
      return {.status = 1, .text = state.error().what + "\n"};
    }
    if (command == "vf-delay") {
      kernel.LateVfs(*device, Milliseconds(number));
    } else {
      kernel.FewerVfs(*device, static_cast<unsigned>(number));
    }
    return {};
  }
  if (command == "aer") {
    std::string severity = words.Next(), name = words.Next();
    int count = words.Number(1);
    if (!words.problem().empty()) return Usage(words.problem());
    return Told(kernel.AddAerErrors(*device, severity, name, static_cast<unsigned>(count)));
  }
  return Usage(fmt::format("no command is called '{}'", command));
}

}  // namespace drapci::sim
