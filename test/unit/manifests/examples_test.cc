// The examples: that each of them can work with the classes that are installed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "plugin/device_config.h"
#include "plugin/quantity.h"
#include "test/unit/manifests/manifests.h"

namespace drapci::plugin {
namespace {

using nlohmann::json;

// The claim that an object is or makes; null for any other.
json ClaimSpec(const Manifest& manifest) {
  if (manifest.Kind() == "ResourceClaim") return manifest.object.at("spec");
  if (manifest.Kind() == "ResourceClaimTemplate") return manifest.object.at("spec").at("spec");
  return nullptr;
}

struct Example {
  std::string file;
  json spec;
};

std::vector<Example> Claims() {
  std::vector<Example> claims;
  for (const Manifest& each : ReadManifests()) {
    const json spec = ClaimSpec(each);
    if (!spec.is_null()) claims.push_back({each.file, spec.at("devices")});
  }
  return claims;
}

// Requests and their alternatives, each with `name` as constraints and configuration call it.
std::map<std::string, json> Requests(const json& devices) {
  std::map<std::string, json> requests;
  for (const json& request : devices.at("requests")) {
    const std::string name = request.at("name");
    EXPECT_NE(request.contains("exactly"), request.contains("firstAvailable")) << name;
    if (request.contains("exactly")) {
      requests[name] = request["exactly"];
      continue;
    }
    for (const json& each : request.at("firstAvailable")) {
      requests[fmt::format("{}/{}", name, each.at("name").get<std::string>())] = each;
    }
  }
  return requests;
}

void ExpectOnly(const std::set<std::string>& known, const json& object, const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    EXPECT_TRUE(known.contains(key)) << where << ": " << key;
  }
}

TEST(ExamplesTest, UseOnlyFieldsThatTheApiHas) {
  const std::set<std::string> request = {"name",           "deviceClassName", "selectors",
                                         "allocationMode", "count",           "adminAccess",
                                         "tolerations",    "capacity"};
  for (const auto& [file, devices] : Claims()) {
    ExpectOnly({"requests", "constraints", "config"}, devices, file);
    for (const json& each : devices.at("requests")) {
      ExpectOnly({"name", "exactly", "firstAvailable"}, each, file);
    }
    for (const auto& [name, each] : Requests(devices)) {
      ExpectOnly(request, each, file);
      const std::string mode = each.value("allocationMode", "ExactCount");
      EXPECT_TRUE(mode == "ExactCount" || mode == "All") << file;
    }
  }
}

TEST(ExamplesTest, AskForClassesThatExist) {
  std::set<std::string> classes;
  for (const Manifest& each : ManifestsOf("DeviceClass")) classes.insert(each.Name());
  const auto claims = Claims();
  ASSERT_GE(claims.size(), 9u);
  for (const auto& [file, devices] : claims) {
    for (const auto& [name, request] : Requests(devices)) {
      EXPECT_TRUE(classes.contains(request.value("deviceClassName", ""))) << file << ": " << name;
    }
  }
}

TEST(ExamplesTest, AskForCapacitiesOfSharesAlone) {
  int seen = 0;
  for (const auto& [file, devices] : Claims()) {
    for (const auto& [name, request] : Requests(devices)) {
      if (!request.contains("capacity")) continue;
      ++seen;
      const std::string name_of_class = request.at("deviceClassName");
      EXPECT_TRUE(name_of_class.ends_with("-share.dra.pci")) << file;
      for (const auto& [capacity, quantity] : request["capacity"].at("requests").items()) {
        const int64_t value = ParseQuantity(quantity.get<std::string>()).value_or(0);
        EXPECT_GE(value, capacity == "entries" ? 1 : 1'000'000) << file;
      }
    }
  }
  EXPECT_GE(seen, 2);
}

TEST(ExamplesTest, TieTogetherRequestsThatExistByAttributesThatArePublished) {
  const std::set<std::string> attributes = {"resource.kubernetes.io/pcieRoot",
                                            "resource.kubernetes.io/numaNode"};
  for (const auto& [file, devices] : Claims()) {
    const auto requests = Requests(devices);
    for (const char* part : {"constraints", "config"}) {
      for (const json& each : devices.value(part, json::array())) {
        for (const std::string request : each.value("requests", json::array())) {
          EXPECT_TRUE(requests.contains(request)) << file << ": " << request;
        }
        if (each.contains("matchAttribute")) {
          EXPECT_TRUE(attributes.contains(each["matchAttribute"])) << file;
        }
      }
    }
  }
}

TEST(ExamplesTest, ConfigureOnlyWhatAClaimMay) {
  int seen = 0;
  for (const auto& [file, devices] : Claims()) {
    for (const json& parameters : OpaqueParameters(devices)) {
      ++seen;
      const auto decoded = DecodeDeviceConfig(parameters.dump(), file);
      ASSERT_TRUE(decoded) << decoded.error().what;
      DeviceConfig config;
      const auto applied = ApplyDeviceConfig(*decoded, ConfigSource::kClaim, file, config);
      EXPECT_TRUE(applied) << applied.error().what;
    }
  }
  EXPECT_GE(seen, 2);
}

TEST(ExamplesTest, AskForAdminAccessOnlyWhereTheServerAllowsIt) {
  std::set<std::string> allowed;
  for (const Manifest& each : ManifestsOf("Namespace")) {
    const json labels = each.object["metadata"].value("labels", json::object());
    if (labels.value("resource.kubernetes.io/admin-access", "") == "true") {
      allowed.insert(each.Name());
    }
  }
  int seen = 0;
  for (const Manifest& each : ReadManifests()) {
    const json spec = ClaimSpec(each);
    if (spec.is_null()) continue;
    for (const auto& [name, request] : Requests(spec.at("devices"))) {
      if (!request.value("adminAccess", false)) continue;
      ++seen;
      EXPECT_TRUE(allowed.contains(each.object["metadata"].value("namespace", ""))) << each.file;
    }
  }
  EXPECT_EQ(seen, 1);
}

TEST(ExamplesTest, GiveEveryPodTheClaimOfItsOwnFile) {
  std::map<std::string, std::set<std::string>> claims;  // by file: "NAMESPACE/FIELD/NAME"
  std::map<std::string, int> pods;
  const auto name_space = [](const Manifest& each) {
    return each.object["metadata"].value("namespace", "");
  };
  for (const Manifest& each : ReadManifests()) {
    if (ClaimSpec(each).is_null()) continue;
    const std::string field =
        each.Kind() == "ResourceClaim" ? "resourceClaimName" : "resourceClaimTemplateName";
    claims[each.file].insert(fmt::format("{}/{}/{}", name_space(each), field, each.Name()));
  }
  for (const Manifest& pod : ManifestsOf("Pod")) {
    ++pods[pod.file];
    const json& spec = pod.object.at("spec");
    std::set<std::string> offered, asked;
    for (const json& claim : spec.value("resourceClaims", json::array())) {
      offered.insert(claim.at("name").get<std::string>());
      for (const auto& [key, value] : claim.items()) {
        if (key == "name") continue;
        EXPECT_TRUE(claims[pod.file].erase(
            fmt::format("{}/{}/{}", name_space(pod), key, value.get<std::string>())))
            << pod.file << ": " << key;
      }
    }
    for (const json& container : spec.at("containers")) {
      for (const json& claim : container["resources"].value("claims", json::array())) {
        asked.insert(claim.at("name").get<std::string>());
      }
    }
    EXPECT_EQ(offered, asked) << pod.file;
  }
  for (const auto& [file, unused] : claims) {
    EXPECT_TRUE(unused.empty()) << file << ": no pod uses " << *unused.begin();
    EXPECT_EQ(pods[file], 1) << file;
  }
}

TEST(ExamplesTest, AskForExtendedResourcesThatAClassOffers) {
  std::set<std::string> offered;
  for (const Manifest& each : ManifestsOf("DeviceClass")) {
    offered.insert(each.object["spec"].value("extendedResourceName", ""));
  }
  int seen = 0;
  for (const Manifest& pod : ManifestsOf("Pod")) {
    for (const json& container : pod.object.at("spec").at("containers")) {
      const json limits = container["resources"].value("limits", json::object());
      for (const auto& [resource, count] : limits.items()) {
        ++seen;
        EXPECT_TRUE(offered.contains(resource)) << pod.file << ": " << resource;
      }
    }
  }
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace drapci::plugin
