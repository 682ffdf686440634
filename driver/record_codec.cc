#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "driver/claim_codec.h"
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

Ordered EncodeHolding(const Holding& holding) {
  Ordered out;
  out["accelerator"] = JsonText(holding.accelerator);
  out["device"] = JsonText(holding.device);
  out["part"] = JsonText(holding.part);
  if (!holding.share_id.empty()) out["shareID"] = JsonText(holding.share_id);
  out["consumes"] = JsonAmounts("counter", holding.consumes);
  if (!holding.card.empty()) out["card"] = JsonText(holding.card);
  return out;
}

Ordered EncodeStep(const Step& step) {
  Ordered out;
  out["accelerator"] = JsonText(step.accelerator);
  out["setting"] = JsonText(step.setting);
  out["target"] = JsonText(step.target);
  out["before"] = JsonText(step.before);
  out["want"] = JsonText(step.want);
  if (step.shared) out["shared"] = true;
  if (step.advisory) out["advisory"] = true;
  return out;
}

Holding DecodeHolding(JsonFields fields) {
  return {.accelerator = fields.Text("accelerator"),
          .device = fields.Text("device"),
          .part = fields.Text("part"),
          .share_id = fields.OptionalText("shareID"),
          .consumes = fields.Amounts("consumes", "counter", true),
          .card = fields.OptionalText("card")};
}

Step DecodeStep(JsonFields fields) {
  return {.accelerator = fields.Text("accelerator"),
          .setting = fields.Text("setting"),
          .target = fields.Text("target"),
          .before = fields.Text("before"),
          .want = fields.Text("want"),
          .shared = fields.OptionalBool("shared"),
          .advisory = fields.OptionalBool("advisory")};
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
  record.request.alias = fields.OptionalText("alias");
  record.request.devices = fields.List("devices", true, DecodeDevice);
  record.holdings = fields.List("holdings", true, DecodeHolding);
  record.plan = fields.List("plan", true, DecodeStep);
  record.answer.devices = fields.List("answer", false, DecodePrepared);
  record.cdi_spec = fields.OptionalText("cdiSpec");
  record.boot_id = fields.OptionalText("bootID");
  record.trouble = fields.OptionalText("trouble");
  record.prepared_at = fields.OptionalAmount("preparedAt").value_or(0);
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
    DRAPCI_CHECK(CheckDevice(device, "record.devices"));
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
    DRAPCI_CHECK(CheckPrepared(device, "record.answer"));
  }
  return {};
}

std::string EncodeRecord(const ClaimRecord& record) {
  Ordered out;
  out["version"] = kVersion;
  out["uid"] = JsonText(record.request.uid);
  out["namespace"] = JsonText(record.request.namespace_name);
  out["name"] = JsonText(record.request.name);
  if (!record.request.alias.empty()) out["alias"] = JsonText(record.request.alias);
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
  if (!record.cdi_spec.empty()) out["cdiSpec"] = JsonText(record.cdi_spec);
  if (!record.boot_id.empty()) out["bootID"] = JsonText(record.boot_id);
  if (!record.trouble.empty()) out["trouble"] = JsonText(record.trouble);
  if (record.prepared_at > 0) out["preparedAt"] = record.prepared_at;
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
