// The settings of the family "idxd".
//
//   idxd.layout  target: function ("0000:6a:01.0")
//                value: whether the device is enabled, group and entries of each work queue, the
//                group of each engine; and what else is set for queues that are off:
//                "enabled wq0=0:16 wq1=0:16 engine0=0 engine1=0",
//                "disabled wq0=0:128:mode=dedicated,... engine0=0 engine1=-1"
//   idxd.queue   target: a work queue of the function ("0000:6a:01.0/wq2")
//                value: "off", "on mode=dedicated threshold=0 priority=10 type=user name=drapci
//                driver=user"; and off with what is set already: "off mode=..."
//
// The kernel lets a layout be written only while the device is disabled, so one layout serves all
// claims of the device. As a wish a layout may leave things out: those are as they are.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "hal/accel/idxd_device.h"
#include "hal/accel/setting.h"

namespace drapci::hal {

inline constexpr std::string_view kIdxdLayoutSetting = "idxd.layout";
inline constexpr std::string_view kIdxdQueueSetting = "idxd.queue";

struct IdxdLayout {
  struct Queue {
    int group = -1, size = 0;
    std::optional<IdxdQueueConfig> config = {};  // empty: a reset one, or it is on
    bool operator==(const Queue&) const = default;
  };
  IdxdState state = IdxdState::kDisabled;
  std::map<int, Queue> queues;
  std::map<int, int> engines;  // number -> group
  bool operator==(const IdxdLayout&) const = default;
};

struct IdxdQueueState {
  bool on = false;
  IdxdQueueConfig config;
  bool operator==(const IdxdQueueState&) const = default;
};

// Every layout and queue that can be read has a text, and the text means that again. Pure; names
// may be anything.
std::string FormatIdxdLayout(const IdxdLayout& layout);
std::optional<IdxdLayout> ParseIdxdLayout(std::string_view text);
std::string FormatIdxdQueue(const IdxdQueueState& queue);
std::optional<IdxdQueueState> ParseIdxdQueue(std::string_view text);

// "wq2"
std::string IdxdPartName(int queue);
std::optional<int> ParseIdxdPart(std::string_view name);

// Adds both to `table`. `host` must outlive it.
void AddIdxdSettings(Host& host, SettingTable& table);

}  // namespace drapci::hal
