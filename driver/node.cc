#include "driver/node.h"

#include <fmt/format.h>
#include <pthread.h>

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "hal/accel/match.h"
#include "hal/base/log.h"
#include "hal/base/parse.h"

namespace drapci::driver {
namespace {

// Events that come within this time of each other are one look at the machine.
constexpr std::chrono::milliseconds kQuiet{5};
// However long they keep coming, a look happens this often.
constexpr std::chrono::milliseconds kPatience{50};
// More than this many unread events mean a look at everything, which needs no details.
constexpr size_t kMaxEvents = 4096;

// What a burst of events asks for.
struct Errand {
  bool look = false;                   // scan the bus
  std::set<std::string> accelerators;  // read these anew
};

// Accelerators by name, and which of them a function that is one of its parts belongs to.
struct Known {
  std::set<std::string> accelerators;
  std::map<std::string, std::string> parts;
};

Known Remember(const NodeManager& manager) {
  Known known;
  for (std::string& name : manager.Accelerators()) known.accelerators.insert(std::move(name));
  // Parts that have come since are of accelerators that are stale already.
  const auto snapshot = manager.LastSnapshot();
  if (snapshot == nullptr) return known;
  for (const AcceleratorView& accelerator : snapshot->accelerators) {
    for (const Device& device : accelerator.devices) {
      const auto address = device.part.attributes.find("address");
      if (device.part.name.empty() || address == device.part.attributes.end()) continue;
      known.parts[std::get<std::string>(address->second)] = accelerator.name;
    }
  }
  return known;
}

void Consider(const hal::Sysfs& sysfs, const Known& known, const hal::DeviceEvent& event,
              Errand& errand) {
  if (event.lost) {
    errand.look = true;
    return;
  }
  if (event.subsystem != "pci") return;
  const auto address = hal::PciAddress::Parse(event.devpath.substr(event.devpath.rfind('/') + 1));
  if (!address) return;
  const std::string name = hal::AcceleratorName(*address);
  if (known.accelerators.contains(name)) {
    if (event.action != "change") {
      errand.look = true;
    } else {
      errand.accelerators.insert(name);
    }
    return;
  }
  if (event.action == "remove") {
    // Its links are gone with it; a bridge is nobody's part.
    const auto owner = known.parts.find(address->ToString());
    if (owner != known.parts.end()) errand.accelerators.insert(owner->second);
    return;
  }
  const auto physfn = hal::LinkName(sysfs, address->SysfsPath() + "/physfn");
  const auto pf = physfn ? hal::PciAddress::Parse(*physfn) : std::nullopt;
  if (pf) {
    errand.accelerators.insert(hal::AcceleratorName(*pf));
  } else if (event.action == "add") {
    errand.look = true;
  }
}

// What the monitor watches: whatever is listed, whether it is offered or not.
std::vector<MonitoredCard> Watched(const NodeManager& manager) {
  std::vector<MonitoredCard> cards;
  for (AcceleratorView& view : manager.Cards()) {
    MonitoredCard& card = cards.emplace_back();
    card.name = std::move(view.name);
    card.family = std::move(view.family);
    card.identity = view.gone ? "" : hal::CardIdentity(view.function);
    card.function = std::move(view.function);
    card.gone = view.gone;
  }
  return cards;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::Open(hal::Host& host, hal::PciScanner& scanner,
                                         const Config& config) {
  std::unique_ptr<Node> node(new Node(host, config));
  std::string report;
  DRAPCI_TRY(node->journal_, OpenJournal(config.state_dir, report));
  if (!report.empty()) Log(LogLevel::kError, "{}", report);
  DRAPCI_TRY(node->cdi_dir_, hal::OpenStateDir(config.cdi_dir));
  DRAPCI_TRY(const std::string boot_id, host.sysfs.Read("/proc/sys/kernel/random/boot_id"));
  node->manager_ = std::make_unique<NodeManager>(host, scanner, config, *node->journal_,
                                                 *node->cdi_dir_, std::string(Trim(boot_id)));
  return node;
}

Result<> Node::Start() {
  // Listening begins before the first scan, so that nothing that happens during it is missed.
  MakeMonitor();
  host_.events.Listen([this](const hal::DeviceEvent& event) { OnEvent(event); });
  DRAPCI_CHECK(manager_->Recover());
  follower_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "follow");
    Follow();
  });
  // Nobody waits for the first verdicts: until they are there, the cards' health is unknown.
  if (monitor_ != nullptr) {
    cards_changed_ = manager_->Listen([this] { monitor_->CardsChanged(); });
    monitor_->Start();
  }
  return {};
}

void Node::MakeMonitor() {
  if (!config_.health.enabled) return;
  const auto publish = [this](const std::string& card, const Health* health) {
    if (health == nullptr) return manager_->DropHealth(card);
    manager_->SetHealth(card, *health);
  };
  monitor_ = std::make_unique<HealthMonitor>(
      host_, config_.health, hal::TelemetrySources(),
      HealthMonitor::Wiring{.cards = [this] { return Watched(*manager_); }, .publish = publish});
}

size_t Node::StopMonitor() {
  if (monitor_ == nullptr) return 0;
  return monitor_->Stop();
}

Node::~Node() {
  host_.events.Listen({});
  cards_changed_.reset();
  if (const size_t left = StopMonitor(); left > 0) {
    Log(LogLevel::kWarning, "{} readings of sensors do not come back: left behind", left);
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (follower_.joinable()) follower_.join();
}

void Node::OnEvent(const hal::DeviceEvent& event) {
  if (monitor_ != nullptr) monitor_->OnEvent(event);
  {
    const std::lock_guard lock(mutex_);
    if (events_.size() >= kMaxEvents) {
      events_.clear();
      events_.push_back({.action = {}, .subsystem = {}, .devpath = {}, .lost = true});
    } else {
      events_.push_back(event);
    }
  }
  wake_.notify_one();
}

void Node::Ask(std::function<void()> answer) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back(std::move(answer));
  }
  wake_.notify_one();
}

void Node::Follow() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !events_.empty() || !questions_.empty(); });
    for (const auto& answer : std::exchange(questions_, {})) answer();
    if (events_.empty() && !stopping_) continue;
    const auto patience = std::chrono::steady_clock::now() + kPatience;
    for (size_t seen = 0; !stopping_ && seen != events_.size();) {
      seen = events_.size();
      const auto until = std::min(patience, std::chrono::steady_clock::now() + kQuiet);
      wake_.wait_until(lock, until, [&] { return stopping_ || events_.size() != seen; });
      if (std::chrono::steady_clock::now() >= patience) break;
    }
    if (stopping_) return;
    std::deque<hal::DeviceEvent> events;
    events.swap(events_);
    lock.unlock();
    Errand errand;
    const Known known = Remember(*manager_);
    for (const hal::DeviceEvent& event : events) Consider(host_.sysfs, known, event, errand);
    if (errand.look) {
      if (auto looked = manager_->Look(); !looked) Log(LogLevel::kError, "{}", looked.error().what);
    } else {
      for (const std::string& name : errand.accelerators) manager_->MarkStale(name);
    }
    lock.lock();
  }
}

}  // namespace drapci::driver
