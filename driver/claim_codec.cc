#include "driver/claim_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "driver/text.h"

namespace drapci::driver {
namespace {

using Ordered = nlohmann::ordered_json;
using LinkState = hal::VfSettings::LinkState;

constexpr std::array kLinkStates{std::pair{LinkState::kAuto, "auto"},
                                 std::pair{LinkState::kEnable, "enable"},
                                 std::pair{LinkState::kDisable, "disable"}};

std::string_view AccessName(hal::Access access) {
  return access == hal::Access::kVfio ? "vfio" : "kernel";
}

template <class T>
void Put(Ordered& out, const char* key, const std::optional<T>& value) {
  if (value) out[key] = *value;
}

Ordered EncodeNetwork(const hal::NetworkRequest& network) {
  Ordered out = Ordered::object();
  if (network.vf.mac) out["mac"] = JsonText(*network.vf.mac);
  Put(out, "vlan", network.vf.vlan);
  Put(out, "qos", network.vf.qos);
  Put(out, "serviceVlan", network.vf.service_vlan);
  Put(out, "minRate", network.vf.min_rate);
  Put(out, "maxRate", network.vf.max_rate);
  Put(out, "spoofCheck", network.vf.spoof_check);
  Put(out, "trust", network.vf.trust);
  for (const auto& [state, name] : kLinkStates) {
    if (network.vf.link_state == state) out["linkState"] = name;
  }
  if (!network.interface.empty()) out["interface"] = JsonText(network.interface);
  Put(out, "mtu", network.mtu);
  if (!network.addresses.empty()) out["addresses"] = JsonTexts(network.addresses);
  if (network.stay) out["stay"] = true;
  if (network.advisory_rate) out["advisoryRate"] = true;
  return out;
}

std::optional<int> SmallAmount(JsonFields& fields, const char* key) {
  const auto amount = fields.OptionalAmount(key, std::numeric_limits<int>::max());
  if (!amount) return std::nullopt;
  return static_cast<int>(*amount);
}

hal::NetworkRequest DecodeNetwork(JsonFields fields) {
  hal::NetworkRequest network;
  if (std::string mac = fields.OptionalText("mac"); !mac.empty()) network.vf.mac = std::move(mac);
  network.vf.vlan = SmallAmount(fields, "vlan");
  network.vf.qos = SmallAmount(fields, "qos");
  network.vf.service_vlan = fields.Flag("serviceVlan");
  network.vf.min_rate = fields.OptionalAmount("minRate");
  network.vf.max_rate = fields.OptionalAmount("maxRate");
  network.vf.spoof_check = fields.Flag("spoofCheck");
  network.vf.trust = fields.Flag("trust");
  if (const std::string link = fields.OptionalText("linkState"); !link.empty()) {
    const auto known = std::ranges::find(kLinkStates, link, [](const auto& s) { return s.second; });
    if (known == kLinkStates.end()) {
      fields.Fault("linkState", fmt::format("is {}, which is unknown", Quoted(link)));
    } else {
      network.vf.link_state = known->first;
    }
  }
  network.interface = fields.OptionalText("interface");
  network.mtu = fields.OptionalAmount("mtu");
  network.addresses = fields.Texts("addresses", false);
  network.stay = fields.OptionalBool("stay");
  network.advisory_rate = fields.OptionalBool("advisoryRate");
  return network;
}

Ordered EncodeImage(const hal::ImageRequest& image) {
  Ordered out = Ordered::object();
  out["name"] = JsonText(image.name);
  if (!image.digest.empty()) out["sha256"] = JsonText(image.digest);
  return out;
}

hal::ImageRequest DecodeImage(JsonFields fields) {
  return {.name = fields.Text("name"), .digest = fields.OptionalText("sha256")};
}

Ordered EncodeInterface(const hal::ContainerInterface& interface) {
  Ordered out;
  out["address"] = JsonText(interface.address);
  out["hostName"] = JsonText(interface.host_name);
  out["mac"] = JsonText(interface.mac);
  out["name"] = JsonText(interface.name);
  Put(out, "mtu", interface.mtu);
  if (!interface.addresses.empty()) out["addresses"] = JsonTexts(interface.addresses);
  return out;
}

hal::ContainerInterface DecodeInterface(JsonFields fields) {
  return {.address = fields.Text("address"),
          .host_name = fields.Text("hostName"),
          .mac = fields.Text("mac"),
          .name = fields.Text("name"),
          .mtu = fields.OptionalAmount("mtu"),
          .addresses = fields.Texts("addresses", false)};
}

Result<> CheckLength(std::string_view where, std::string_view what, size_t size) {
  if (size <= JsonFields::kMaxListLength) return {};
  return Fail(Code::kInvalid, fmt::format("{}.{} has {} entries; at most {} are allowed", where,
                                          what, size, JsonFields::kMaxListLength));
}

Result<> CheckAmount(std::string_view where, std::string_view what,
                     const std::optional<int64_t>& amount) {
  if (amount.value_or(0) >= 0) return {};
  return Fail(Code::kInvalid, fmt::format("{}.{} is {}, no amount", where, what, *amount));
}

Result<> CheckNetwork(const hal::NetworkRequest& network, std::string_view where) {
  if (network.vf.mac && network.vf.mac->empty()) {
    return Fail(Code::kInvalid, fmt::format("{}.mac is empty", where));
  }
  DRAPCI_CHECK(CheckAmount(where, "vlan", network.vf.vlan));
  DRAPCI_CHECK(CheckAmount(where, "qos", network.vf.qos));
  DRAPCI_CHECK(CheckAmount(where, "minRate", network.vf.min_rate));
  DRAPCI_CHECK(CheckAmount(where, "maxRate", network.vf.max_rate));
  DRAPCI_CHECK(CheckAmount(where, "mtu", network.mtu));
  return CheckLength(where, "addresses", network.addresses.size());
}

}  // namespace

Ordered EncodeDevice(const DeviceRequest& device) {
  Ordered out;
  out["requests"] = JsonTexts(device.request_names);
  if (!device.subrequests.empty()) out["subrequests"] = JsonTexts(device.subrequests);
  out["pool"] = JsonText(device.pool);
  out["device"] = JsonText(device.device);
  if (!device.share_id.empty()) out["shareID"] = JsonText(device.share_id);
  if (device.admin_access) out["adminAccess"] = true;
  out["access"] = AccessName(device.access);
  if (!device.share.empty()) out["share"] = JsonAmounts("capacity", device.share);
  if (device.network) out["network"] = EncodeNetwork(*device.network);
  if (device.image) out["image"] = EncodeImage(*device.image);
  return out;
}

Ordered EncodePrepared(const PreparedDevice& device) {
  Ordered out;
  out["request"] = EncodeDevice(device.request);
  out["accelerator"] = JsonText(device.accelerator);
  out["part"] = JsonText(device.part);
  if (!device.address.empty()) out["address"] = JsonText(device.address);
  if (!device.interfaces.empty()) {
    out["interfaces"] = Ordered::array();
    for (const hal::ContainerInterface& interface : device.interfaces) {
      out["interfaces"].push_back(EncodeInterface(interface));
    }
  }
  out["cdiIDs"] = JsonTexts(device.cdi_ids);
  return out;
}

DeviceRequest DecodeDevice(JsonFields fields) {
  DeviceRequest device;
  device.request_names = fields.Texts("requests");
  device.subrequests = fields.Texts("subrequests", false);
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
  device.share = fields.Amounts("share", "capacity", false);
  if (auto network = fields.OptionalObject("network")) device.network = DecodeNetwork(*network);
  if (auto image = fields.OptionalObject("image")) device.image = DecodeImage(*image);
  return device;
}

PreparedDevice DecodePrepared(JsonFields fields) {
  PreparedDevice device;
  device.request = DecodeDevice(fields.Object("request"));
  device.accelerator = fields.Text("accelerator");
  device.part = fields.Text("part");
  device.address = fields.OptionalText("address");
  device.interfaces = fields.List("interfaces", false, DecodeInterface);
  device.cdi_ids = fields.Texts("cdiIDs");
  return device;
}

Result<> CheckDevice(const DeviceRequest& device, std::string_view where) {
  DRAPCI_CHECK(CheckLength(where, "requests", device.request_names.size()));
  DRAPCI_CHECK(CheckLength(where, "subrequests", device.subrequests.size()));
  DRAPCI_CHECK(CheckLength(where, "share", device.share.size()));
  for (const auto& [capacity, amount] : device.share) {
    DRAPCI_CHECK(CheckAmount(where, "share", amount));
  }
  if (!device.network) return {};
  return CheckNetwork(*device.network, fmt::format("{}.network", where));
}

Result<> CheckPrepared(const PreparedDevice& device, std::string_view where) {
  DRAPCI_CHECK(CheckDevice(device.request, fmt::format("{}.request", where)));
  DRAPCI_CHECK(CheckLength(where, "cdiIDs", device.cdi_ids.size()));
  DRAPCI_CHECK(CheckLength(where, "interfaces", device.interfaces.size()));
  for (const hal::ContainerInterface& interface : device.interfaces) {
    DRAPCI_CHECK(CheckAmount(where, "interfaces.mtu", interface.mtu));
    DRAPCI_CHECK(CheckLength(where, "interfaces.addresses", interface.addresses.size()));
  }
  return {};
}

}  // namespace drapci::driver
