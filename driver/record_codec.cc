#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "driver/journal.h"
#include "driver/json_fields.h"
#include "driver/text.h"

namespace drapci::driver {
namespace {

using nlohmann::json;
using Ordered = nlohmann::ordered_json;

// Raised only by a change that an older reader would misunderstand. New fields alone do not raise
// it: readers skip what they do not know.
constexpr int kVersion = 1;
constexpr int kMaxDepth = 16;
constexpr size_t kMaxListLength = JsonFields::kMaxListLength;

constexpr std::array kStates{ClaimState::kPreparing, ClaimState::kPrepared,
                             ClaimState::kUnpreparing};

std::string_view AccessName(hal::Access access) {
  return access == hal::Access::kVfio ? "vfio" : "kernel";
}

// JSON holds Unicode text only; the odd other byte string (a file name, what a register held) must
// survive too, since undoing a step writes it back.
Ordered Text(std::string_view text) {
  if (IsUtf8(text)) return text;
  std::string hex;
  for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return Ordered{{"hex", std::move(hex)}};
}

Ordered List(const std::vector<std::string>& texts) {
  Ordered list = Ordered::array();
  for (const std::string& text : texts) list.push_back(Text(text));
  return list;
}

Ordered EncodeDevice(const DeviceRequest& device) {
  Ordered out;
  out["requests"] = List(device.request_names);
  out["pool"] = Text(device.pool);
  out["device"] = Text(device.device);
  if (!device.share_id.empty()) out["shareID"] = Text(device.share_id);
  if (device.admin_access) out["adminAccess"] = true;
  out["access"] = AccessName(device.access);
  return out;
}

Ordered EncodeHolding(const Holding& holding) {
  Ordered out;
  out["accelerator"] = Text(holding.accelerator);
  out["device"] = Text(holding.device);
  out["part"] = Text(holding.part);
  out["consumes"] = Ordered::array();
  for (const auto& [counter, amount] : holding.consumes) {
    out["consumes"].push_back(Ordered{{"counter", Text(counter)}, {"amount", amount}});
  }
  return out;
}

Ordered EncodeStep(const Step& step) {
  Ordered out;
  out["accelerator"] = Text(step.accelerator);
  out["setting"] = Text(step.setting);
  out["target"] = Text(step.target);
  out["before"] = Text(step.before);
  out["want"] = Text(step.want);
  if (step.shared) out["shared"] = true;
  return out;
}

Ordered EncodePrepared(const PreparedDevice& device) {
  Ordered out;
  out["request"] = EncodeDevice(device.request);
  out["accelerator"] = Text(device.accelerator);
  out["part"] = Text(device.part);
  out["cdiIDs"] = List(device.cdi_ids);
  return out;
}

DeviceRequest DecodeDevice(JsonFields fields) {
  DeviceRequest device;
  device.request_names = fields.Texts("requests");
  device.pool = fields.Text("pool");
  device.device = fields.Text("device");
  device.share_id = fields.OptionalText("shareID");
  device.admin_access = fields.OptionalBool("adminAccess");
  const std::string access = fields.Text("access");
  if (access == AccessName(hal::Access::kVfio)) {
    device.access = hal::Access::kVfio;
  } else if (access != AccessName(hal::Access::kKernel)) {
    fields.Fault("access", fmt::format("is {}, which is unknown", Quoted(access)));
  }
  return device;
}

// Every item of the list `key`, by `decode`.
template <class T>
std::vector<T> DecodeList(JsonFields& fields, const char* key, bool mandatory,
                          T (*decode)(JsonFields)) {
  std::vector<T> list;
  for (const json* item : fields.Items(key, mandatory)) {
    list.push_back(decode(
        JsonFields(item, fmt::format("{}[{}]", fields.Path(key), list.size()), fields.error())));
    if (fields.error()) break;
  }
  return list;
}

using Consumption = std::pair<std::string, int64_t>;

Consumption DecodeConsumption(JsonFields fields) {
  return {fields.Text("counter"), fields.Amount("amount")};
}

Holding DecodeHolding(JsonFields fields) {
  Holding holding{.accelerator = fields.Text("accelerator"),
                  .device = fields.Text("device"),
                  .part = fields.Text("part"),
                  .consumes = {}};
  for (auto& [counter, amount] : DecodeList(fields, "consumes", true, DecodeConsumption)) {
    holding.consumes[std::move(counter)] = amount;
  }
  return holding;
}

Step DecodeStep(JsonFields fields) {
  return {.accelerator = fields.Text("accelerator"),
          .setting = fields.Text("setting"),
          .target = fields.Text("target"),
          .before = fields.Text("before"),
          .want = fields.Text("want"),
          .shared = fields.OptionalBool("shared")};
}

PreparedDevice DecodePrepared(JsonFields fields) {
  PreparedDevice device;
  device.request = DecodeDevice(fields.Object("request"));
  device.accelerator = fields.Text("accelerator");
  device.part = fields.Text("part");
  device.cdi_ids = fields.Texts("cdiIDs");
  return device;
}

// Brackets that are open at the same time, at most; strings are skipped. Asked before parsing,
// because a parser callback that looks at the depth makes parsing quadratic.
int Depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '[' || c == '{')) {
      deepest = std::max(deepest, ++depth);
    } else if (!in_string && (c == ']' || c == '}')) {
      --depth;
    }
  }
  return deepest;
}

// Null when it is no JSON or nested too deep.
json Parse(std::string_view text) {
  if (Depth(text) > kMaxDepth) return {};
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_discarded() ? json() : parsed;
}

ClaimRecord Decode(JsonFields fields) {
  ClaimRecord record;
  const int64_t version = fields.Amount("version");
  if (version != kVersion) {
    fields.Fault("version", fmt::format("is {}; this driver reads {}", version, kVersion));
    return record;
  }
  record.request.uid = fields.Text("uid");
  record.request.namespace_name = fields.Text("namespace");
  record.request.name = fields.Text("name");
  const std::string state_name = fields.Text("state");
  bool state_known = false;
  for (const ClaimState state : kStates) {
    if (state_name != ClaimStateName(state)) continue;
    record.state = state;
    state_known = true;
  }
  if (!state_known)
    fields.Fault("state", fmt::format("is {}, which is unknown", Quoted(state_name)));
  record.request.devices = DecodeList(fields, "devices", true, DecodeDevice);
  record.holdings = DecodeList(fields, "holdings", true, DecodeHolding);
  record.plan = DecodeList(fields, "plan", true, DecodeStep);
  record.answer.devices = DecodeList(fields, "answer", false, DecodePrepared);
  record.cdi_spec = fields.OptionalText("cdiSpec");
  record.boot_id = fields.OptionalText("bootID");
  record.trouble = fields.OptionalText("trouble");
  record.standing = fields.OptionalBool("standing");
  return record;
}

}  // namespace

std::string_view ClaimStateName(ClaimState state) {
  switch (state) {
    case ClaimState::kPreparing: return "preparing";
    case ClaimState::kPrepared: return "prepared";
    case ClaimState::kUnpreparing: return "unpreparing";
  }
  return "unknown";
}

Result<> CheckRecord(const ClaimRecord& record) {
  if (!IsValidUid(record.request.uid)) {
    return Fail(Code::kInvalid, fmt::format("record.uid {} is not 1 to {} letters, digits and '-'",
                                            Quoted(record.request.uid), kMaxUidLength));
  }
  const auto too_long = [](std::string_view name, size_t size) {
    return Fail(Code::kInvalid, fmt::format("record.{} has {} entries; at most {} are allowed",
                                            name, size, kMaxListLength));
  };
  const auto& devices = record.request.devices;
  if (devices.size() > kMaxListLength) return too_long("devices", devices.size());
  if (record.holdings.size() > kMaxListLength) return too_long("holdings", record.holdings.size());
  if (record.plan.size() > kMaxListLength) return too_long("plan", record.plan.size());
  if (record.answer.devices.size() > kMaxListLength) {
    return too_long("answer", record.answer.devices.size());
  }
  for (const DeviceRequest& device : devices) {
    const size_t names = device.request_names.size();
    if (names > kMaxListLength) return too_long("devices.requests", names);
  }
  for (const Holding& holding : record.holdings) {
    if (holding.consumes.size() > kMaxListLength) {
      return too_long("holdings.consumes", holding.consumes.size());
    }
    for (const auto& [counter, amount] : holding.consumes) {
      if (amount < 0) {
        return Fail(Code::kInvalid, fmt::format("record.holdings: {} of counter {} is no amount",
                                                amount, Quoted(counter)));
      }
    }
  }
  for (const PreparedDevice& device : record.answer.devices) {
    const size_t names = std::max(device.request.request_names.size(), device.cdi_ids.size());
    if (names > kMaxListLength) return too_long("answer", names);
  }
  return {};
}

std::string EncodeRecord(const ClaimRecord& record) {
  Ordered out;
  out["version"] = kVersion;
  out["uid"] = Text(record.request.uid);
  out["namespace"] = Text(record.request.namespace_name);
  out["name"] = Text(record.request.name);
  out["state"] = ClaimStateName(record.state);
  out["devices"] = Ordered::array();
  for (const DeviceRequest& device : record.request.devices) {
    out["devices"].push_back(EncodeDevice(device));
  }
  out["holdings"] = Ordered::array();
  for (const Holding& holding : record.holdings) {
    out["holdings"].push_back(EncodeHolding(holding));
  }
  out["plan"] = Ordered::array();
  for (const Step& step : record.plan) out["plan"].push_back(EncodeStep(step));
  if (!record.answer.devices.empty()) {
    out["answer"] = Ordered::array();
    for (const PreparedDevice& device : record.answer.devices) {
      out["answer"].push_back(EncodePrepared(device));
    }
  }
  if (!record.cdi_spec.empty()) out["cdiSpec"] = Text(record.cdi_spec);
  if (!record.boot_id.empty()) out["bootID"] = Text(record.boot_id);
  if (!record.trouble.empty()) out["trouble"] = Text(record.trouble);
  if (record.standing) out["standing"] = true;
  return out.dump();
}

Result<ClaimRecord> DecodeRecord(std::string_view text) {
  if (text.size() > kMaxRecordBytes) {
    return Fail(Code::kInvalid, fmt::format("record has {} bytes; at most {} are allowed",
                                            text.size(), kMaxRecordBytes));
  }
  try {
    const json parsed = Parse(text);
    if (parsed.is_null()) {
      return Fail(Code::kInvalid, fmt::format("record {} is no JSON object nested at most {} deep",
                                              Quoted(text), kMaxDepth));
    }
    std::optional<Error> error;
    ClaimRecord record = Decode(JsonFields(&parsed, "record", error));
    if (error) return Fail(*std::move(error));
    DRAPCI_CHECK(CheckRecord(record));
    return record;
  } catch (const std::exception& failure) {
    return Fail(Code::kInvalid, fmt::format("record cannot be read: {}", failure.what()));
  }
}

}  // namespace drapci::driver
