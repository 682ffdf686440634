#include "test/sim/drivers/idxd.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>

#include "hal/base/parse.h"

namespace drapci::sim {
namespace {

constexpr char kBus[] = "/sys/bus/dsa";

IdxdModel* ModelOf(const Function& function) {
  return dynamic_cast<IdxdModel*>(function.model.get());
}

// The model that has the device (bus_find_device_by_name); null when none has.
IdxdModel* Owner(Kernel::Impl& kernel, std::string_view device) {
  for (const auto& [address, function] : kernel.functions) {
    IdxdModel* model = ModelOf(*function);
    if (model != nullptr && model->Owns(device)) return model;
  }
  return nullptr;
}

// idxd_ida: the lowest number that no device has.
unsigned FreeNumber(Kernel::Impl& kernel) {
  for (unsigned number = 0;; ++number) {
    const bool taken = std::ranges::any_of(kernel.functions, [&](const auto& each) {
      const IdxdModel* model = ModelOf(*each.second);
      return model != nullptr && !model->name().empty() &&
             model->name().substr(3) == std::to_string(number);
    });
    if (!taken) return number;
  }
}

}  // namespace

std::optional<int64_t> KernelDecimal(std::string_view text) {
  text = Line(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  return ParseInt<int64_t>(text);
}

std::string IdxdModel::Dir(std::string_view device) const {
  const std::string dir = fmt::format("{}/{}", function().dir, name_);
  return device.empty() || device == name_ ? dir : fmt::format("{}/{}", dir, device);
}

std::string IdxdModel::QueueName(unsigned queue) const {
  return fmt::format("wq{}.{}", name_.substr(3), queue);
}

bool IdxdModel::Owns(std::string_view device) const {
  if (name_.empty() || device == name_) return !name_.empty();
  for (unsigned queue = 0; queue < queues_.size(); ++queue) {
    if (device == QueueName(queue)) return true;
  }
  return false;
}

ChildDevice IdxdModel::BusDevice(const std::string& path) const {
  ChildDevice device;
  device.path = path;
  device.subsystem = "dsa";
  return device;
}

void IdxdModel::File(const std::string& path, Show show, Store store) {
  const unsigned mode = store ? 0644 : 0444;
  Tree::Store stored;
  if (store) {
    stored = [store = std::move(store)](std::string_view value, size_t) { return store(value); };
  }
  tree().MakeFile(path, mode, std::move(show), std::move(stored));
}

void IdxdModel::Bound() {
  // drivers/dma/idxd/init.c idxd_pci_probe
  type_ = Given("type", "dsa");
  name_ = fmt::format("{}{}", type_, FreeNumber(kernel()));
  configurable_ = GivenNumber("configurable", 1) != 0;
  pasid_ = GivenNumber("pasid", 1) != 0;
  shared_queues_ = GivenNumber("shared-queues", 1) != 0;
  max_size_ = static_cast<unsigned>(GivenNumber("max-work-queues-size", 128));
  max_groups_ = static_cast<unsigned>(GivenNumber("max-groups", 4));
  queues_.assign(GivenNumber("max-work-queues", 8), {});
  engines_.assign(GivenNumber("max-engines", 4), -1);
  for (Queue& queue : queues_) DisableCleanup(queue);
  if (!configurable_) {
    // As the firmware has it: two dedicated queues (idxd_device_load_config).
    for (unsigned i = 0; i < 2; ++i) {
      queues_[i].group = 0;
      queues_[i].size = max_size_ / 2;
      queues_[i].dedicated = true;
      queues_[i].priority = 7;
    }
    std::ranges::fill(engines_, 0);
  } else if (is_iax() && GivenNumber("defaults", 0) != 0) {
    // defaults.c idxd_load_iaa_device_defaults
    Queue& queue = queues_[0];
    queue.group = 0;
    queue.size = max_size_;
    queue.priority = 10;
    queue.dedicated = true;
    queue.type = "kernel";
    queue.name = "iaa_crypto";
    queue.driver_name = "crypto";
    engines_[0] = 0;
  }
  MakeDrivers();
  MakeDevice();
}

void IdxdModel::Unbound() {
  RemoveDevice();
  for (unsigned queue = 0; queue < queues_.size(); ++queue) {
    kernel().RemoveChild(Dir(""), BusDevice(QueueName(queue)));
  }
  const std::string number = name_.substr(3);
  for (unsigned engine = 0; engine < engines_.size(); ++engine) {
    kernel().RemoveChild(Dir(""), BusDevice(fmt::format("engine{}.{}", number, engine)));
  }
  for (unsigned group = 0; group < max_groups_; ++group) {
    kernel().RemoveChild(Dir(""), BusDevice(fmt::format("group{}.{}", number, group)));
  }
  kernel().RemoveChild(function().dir, BusDevice(name_));
  name_.clear();
}

void IdxdModel::MakeDrivers() {
  std::vector<std::string> names{"idxd", "user", "dmaengine", "dsa"};
  if (Given("drivers", "") == "one") names = {"dsa"};
  for (const std::string& name : names) {
    const std::string dir = fmt::format("{}/drivers/{}", kBus, name);
    if (tree().Find(dir)) continue;
    auto store = [&](const char* file,
                     int (IdxdModel::*action)(const std::string&, std::string_view)) {
      tree().MakeFile(fmt::format("{}/{}", dir, file), 0200, {},
                      [&kernel = kernel(), name, action](std::string_view value, size_t) {
                        IdxdModel* owner = Owner(kernel, Line(value));
                        return owner == nullptr ? ENODEV : (owner->*action)(name, Line(value));
                      });
    };
    store("bind", &IdxdModel::Bind);
    store("unbind", &IdxdModel::Unbind);
  }
}

void IdxdModel::MakeDevice() {
  // sysfs.c idxd_device_attributes
  kernel().MakeChild(function().dir, BusDevice(name_));
  const std::string dir = Dir("") + "/";
  const auto text = [&](const char* name, const std::string& value) {
    tree().MakeText(dir + name, value + "\n");
  };
  text("version", Given("version", "0x100"));
  text("max_groups", std::to_string(max_groups_));
  text("max_work_queues", std::to_string(queues_.size()));
  text("max_work_queues_size", std::to_string(max_size_));
  text("max_engines", std::to_string(engines_.size()));
  text("numa_node", std::to_string(function().spec.numa_node));
  text("max_transfer_size", Given("max-transfer-size", "2147483648"));
  text("gen_cap", "0x40915f0107");
  text("configurable", configurable_ ? "1" : "0");
  text("pasid_enabled", pasid_ ? "1" : "0");
  text("clients", "0");
  text("errors", "00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000");
  text("cdev_major", is_iax() ? "2063" : "2062");
  if (!is_iax()) {
    text("max_batch_size", Given("max-batch-size", "1024"));
    text("max_read_buffers", Given("max-read-buffers", "96"));
  }
  File(dir + "state", [this] { return std::string(enabled_ ? "enabled\n" : "disabled\n"); });
  File(
      dir + "cmd_status", [this] { return fmt::format("{:#x}\n", cmd_status_); },
      [this](std::string_view) { return Refuse(0, 0); });
  for (unsigned queue = 0; queue < queues_.size(); ++queue) MakeQueue(queue);
  for (unsigned engine = 0; engine < engines_.size(); ++engine) MakeEngine(engine);
  for (unsigned group = 0; group < max_groups_; ++group) MakeGroup(group);
}

void IdxdModel::MakeGroup(unsigned group) {
  // group_engines_show, group_work_queues_show
  const std::string device = fmt::format("group{}.{}", name_.substr(3), group);
  kernel().MakeChild(Dir(""), BusDevice(device));
  const auto list = [](const std::vector<std::string>& names) {
    return names.empty() ? std::string() : fmt::format("{}\n", fmt::join(names, " "));
  };
  File(Dir(device) + "/engines", [this, group, list] {
    std::vector<std::string> names;
    for (size_t i = 0; i < engines_.size(); ++i) {
      if (engines_[i] != static_cast<int>(group)) continue;
      names.push_back(fmt::format("engine{}.{}", name_.substr(3), i));
    }
    return list(names);
  });
  File(Dir(device) + "/work_queues", [this, group, list] {
    std::vector<std::string> names;
    for (unsigned i = 0; i < queues_.size(); ++i) {
      if (queues_[i].group == static_cast<int>(group)) names.push_back(QueueName(i));
    }
    return list(names);
  });
}

void IdxdModel::MakeEngine(unsigned engine) {
  // engine_group_id_store; it does not ask whether the device is enabled
  const std::string device = fmt::format("engine{}.{}", name_.substr(3), engine);
  kernel().MakeChild(Dir(""), BusDevice(device));
  File(
      Dir(device) + "/group_id", [this, engine] { return fmt::format("{}\n", engines_[engine]); },
      [this, engine](std::string_view value) {
        const auto group = KernelDecimal(value);
        if (!group) return EINVAL;
        if (!configurable_) return EPERM;
        if (*group < -1 || *group >= max_groups_) return EINVAL;
        engines_[engine] = static_cast<int>(*group);
        return 0;
      });
}

std::unique_ptr<DriverModel> MakeIdxdModel(Kernel::Impl& kernel, const PciAddress& address) {
  return std::make_unique<IdxdModel>(kernel, address);
}

}  // namespace drapci::sim
