#include "plugin/claims/claim_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "hal/base/parse.h"

namespace drapci::plugin::claims {
namespace {

// The API server's own limits; of status.devices it has none, each entry belongs to a result.
constexpr size_t kMaxConditions = 8, kMaxBindingConditions = 4, kMaxTerms = 64, kMaxStatuses = 256;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

Result<AllocatedDevice> ViewResult(const JsonField& result) {
  AllocatedDevice device;
  DRAPCI_TRY(device.request, result["request"].Text());
  DRAPCI_TRY(device.pool, result["pool"].Text());
  DRAPCI_TRY(device.device, result["device"].Text());
  DRAPCI_TRY(device.share_id, result["shareID"].Text());
  DRAPCI_TRY(const auto conditions, result["bindingConditions"].Items(kMaxBindingConditions));
  for (const JsonField& condition : conditions) {
    DRAPCI_TRY(device.binding_conditions.emplace_back(), condition.Text());
  }
  return device;
}

// The scheduler names the one node of node-local devices by its field, never by a label.
Result<> ViewNodes(const JsonField& selector, std::vector<std::string>& nodes) {
  DRAPCI_TRY(const auto terms, selector["nodeSelectorTerms"].Items(kMaxTerms));
  for (const JsonField& term : terms) {
    DRAPCI_TRY(const auto fields, term["matchFields"].Items(kMaxTerms));
    for (const JsonField& field : fields) {
      DRAPCI_TRY(const std::string key, field["key"].Text());
      DRAPCI_TRY(const std::string relation, field["operator"].Text());
      if (key != "metadata.name" || relation != "In") continue;
      DRAPCI_TRY(const auto values, field["values"].Items(kMaxTerms));
      for (const JsonField& value : values) {
        DRAPCI_TRY(nodes.emplace_back(), value.Text());
      }
    }
  }
  return {};
}

Result<> ViewStatus(const JsonField& entry, std::string_view driver_name,
                    std::vector<WrittenCondition>& written) {
  DRAPCI_TRY(const std::string driver, entry["driver"].Text());
  if (driver != driver_name) return {};
  DRAPCI_TRY(const auto conditions, entry["conditions"].Items(kMaxConditions));
  for (const JsonField& condition : conditions) {
    WrittenCondition one;
    DRAPCI_TRY(one.pool, entry["pool"].Text());
    DRAPCI_TRY(one.device, entry["device"].Text());
    DRAPCI_TRY(one.share_id, entry["shareID"].Text());
    DRAPCI_TRY(one.type, condition["type"].Text());
    DRAPCI_TRY(const std::string status, condition["status"].Text());
    DRAPCI_TRY(const std::string since, condition["lastTransitionTime"].Text());
    one.is_true = status == "True";
    one.since = ParseRfc3339(since);
    written.push_back(std::move(one));
  }
  return {};
}

}  // namespace

Result<ClaimView> ViewClaim(const JsonField& claim, std::string_view driver_name) {
  ClaimView view;
  DRAPCI_CHECK(claim.IsObject());
  const JsonField metadata = claim["metadata"];
  DRAPCI_TRY(view.namespace_name, metadata["namespace"].Text());
  DRAPCI_TRY(view.name, metadata["name"].Text());
  DRAPCI_TRY(view.uid, metadata["uid"].Text());
  DRAPCI_TRY(view.pod_claim_name,
             metadata["annotations"]["resource.kubernetes.io/pod-claim-name"].Text());
  const JsonField allocation = claim["status"]["allocation"];
  DRAPCI_TRY(const std::string allocated_at, allocation["allocationTimestamp"].Text());
  view.allocated_at = ParseRfc3339(allocated_at);
  DRAPCI_TRY(const auto results,
             allocation["devices"]["results"].Items(driver::kMaxDevicesPerClaim));
  for (const JsonField& result : results) {
    DRAPCI_TRY(const std::string driver, result["driver"].Text());
    if (driver != driver_name) continue;
    DRAPCI_TRY(view.devices.emplace_back(), ViewResult(result));
  }
  DRAPCI_CHECK(ViewNodes(allocation["nodeSelector"], view.nodes));
  DRAPCI_TRY(const auto statuses, claim["status"]["devices"].Items(kMaxStatuses));
  for (const JsonField& entry : statuses) {
    DRAPCI_CHECK(ViewStatus(entry, driver_name, view.conditions));
  }
  return view;
}

Result<ClaimView> ViewClaim(std::string_view json, std::string_view driver_name) {
  DRAPCI_TRY(const auto document, ParseJson(json));
  return ViewClaim(JsonField(document, ""), driver_name);
}

bool IsClusterClaim(const driver::ClaimRequest& claim) {
  // The API server makes version 4 UUIDs in lower case: 8-4-4-4-12.
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  const auto fits = [](char form, char c) {
    return form == 'x' ? IsDigit(c) || (c >= 'a' && c <= 'f') : c == form;
  };
  return !claim.namespace_name.empty() && !claim.name.empty() &&
         std::ranges::equal(kForm, claim.uid, fits);
}

Result<std::string> ClaimPath(std::string_view namespace_name, std::string_view name) {
  // RFC 1123 names: nothing in them needs an escape, and none is "..".
  const auto good = [](std::string_view text) {
    const auto alnum = [](char c) { return IsLower(c) || IsDigit(c); };
    return !text.empty() && text.size() <= 253 && alnum(text.front()) && alnum(text.back()) &&
           std::ranges::all_of(text, [&](char c) { return alnum(c) || c == '-' || c == '.'; });
  };
  if (!good(namespace_name) || !good(name)) {
    return Fail(Code::kInvalid,
                "no claim can have this name: lower case letters, digits, '-' and "
                "'.' are allowed, a letter or digit at both ends");
  }
  return fmt::format("/apis/resource.k8s.io/v1/namespaces/{}/resourceclaims/{}", namespace_name,
                     name);
}

int64_t SecondsOf(hal::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

namespace {

std::string Format(int64_t seconds, std::string_view fraction) {
  namespace chr = std::chrono;
  const chr::sys_seconds time{chr::seconds(seconds)};
  const auto day = chr::floor<chr::days>(time);
  const chr::year_month_day date(day);
  const chr::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", int(date.year()),
                     unsigned(date.month()), unsigned(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), fraction);
}

}  // namespace

std::string Rfc3339(int64_t seconds) { return Format(seconds, ""); }

std::string Rfc3339Micro(hal::WallTime time) {
  const int64_t seconds = SecondsOf(time);
  const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(
      time.time_since_epoch() - std::chrono::seconds(seconds));
  return Format(seconds, fmt::format(".{:06}", rest.count()));
}

int64_t ParseRfc3339(std::string_view text) {
  namespace chr = std::chrono;
  constexpr std::string_view kForm = "0000-00-00T00:00:00";
  if (text.size() <= kForm.size() || !text.ends_with('Z')) return 0;
  for (size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] == '0' ? !IsDigit(text[i]) : text[i] != kForm[i]) return 0;
  }
  const std::string_view rest = text.substr(kForm.size(), text.size() - kForm.size() - 1);
  if (!rest.empty() && (rest[0] != '.' || !std::ranges::all_of(rest.substr(1), IsDigit))) return 0;
  const auto number = [text](size_t at, size_t size) {
    return ParseInt<int>(text.substr(at, size)).value_or(0);
  };
  const chr::year_month_day date(chr::year(number(0, 4)),
                                 chr::month(static_cast<unsigned>(number(5, 2))),
                                 chr::day(static_cast<unsigned>(number(8, 2))));
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return 0;
  return chr::sys_seconds(chr::sys_days(date) + chr::hours(hour) + chr::minutes(minute) +
                          chr::seconds(second))
      .time_since_epoch()
      .count();
}

}  // namespace drapci::plugin::claims
