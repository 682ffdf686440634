// Claims as the API server would answer them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace drapci::plugin {

inline constexpr std::string_view kUid = "2b1c7f6e-0d55-4a43-9f5a-1f0f8f2d8a11";

// One entry of allocation.devices.results, of this driver.
inline std::string ResultText(std::string_view request, std::string_view device,
                              std::string_view more = "") {
  return fmt::format(R"({{"request":"{}","driver":"dra.pci","pool":"node1","device":"{}"{}}})",
                     request, device, more);
}

// One entry of allocation.devices.config. `requests` is a JSON list.
inline std::string ConfigText(std::string_view source, std::string_view requests,
                              std::string_view parameters, std::string_view driver = "dra.pci") {
  return fmt::format(
      R"({{"source":"{}","requests":{},"opaque":{{"driver":"{}","parameters":{}}}}})", source,
      requests, driver, parameters);
}

inline std::string AccessText(std::string_view driver) {
  return fmt::format(
      R"({{"apiVersion":"config.dra.pci/v1alpha1","kind":"AccessConfig","driver":"{}"}})", driver);
}

// A whole claim with the entries of its two lists.
inline std::string ClaimText(std::string_view results, std::string_view configs = "",
                             std::string_view uid = kUid, std::string_view name = "my-claim") {
  return fmt::format(
      R"({{"apiVersion":"resource.k8s.io/v1","kind":"ResourceClaim",
          "metadata":{{"name":"{}","namespace":"default","uid":"{}","generation":9007199254740993}},
          "spec":{{"devices":{{"requests":[{{"name":"req"}}]}}}},
          "status":{{"allocation":{{"devices":{{"results":[{}],"config":[{}]}},"nodeSelector":null}},
                    "reservedFor":[{{"resource":"pods","name":"p","uid":"u"}}]}}}})",
      name, uid, results, configs);
}

}  // namespace drapci::plugin
