// What is installed into a cluster: that it hangs together, and gives no more than it must.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "plugin/device_config.h"
#include "test/unit/manifests/manifests.h"

namespace drapci::plugin {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr const char* kAccount = "system:serviceaccount:drapci:drapci";

// "group/resource[name]:verb" for everything that a role permits.
std::set<std::string> Permissions(const json& role) {
  std::set<std::string> all;
  for (const json& rule : role.at("rules")) {
    const std::string name =
        rule.contains("resourceNames") ? fmt::format("[{}]", rule["resourceNames"].dump()) : "";
    for (const std::string group : rule.at("apiGroups")) {
      for (const std::string resource : rule.at("resources")) {
        for (const std::string verb : rule.at("verbs")) {
          all.insert(fmt::format("{}/{}{}:{}", group, resource, name, verb));
        }
      }
    }
  }
  return all;
}

json RoleNamed(const std::string& name) {
  for (const Manifest& role : ManifestsOf("ClusterRole")) {
    if (role.Name() == name) return role.object;
  }
  ADD_FAILURE() << "no ClusterRole " << name;
  return json{{"rules", json::array()}};
}

TEST(ManifestsTest, HasOnlyObjectsOfTheKindsAndVersionsThatEverySupportedServerHas) {
  const std::map<std::string, std::string> versions = {
      {"Namespace", "v1"},
      {"ServiceAccount", "v1"},
      {"Pod", "v1"},
      {"ClusterRole", "rbac.authorization.k8s.io/v1"},
      {"ClusterRoleBinding", "rbac.authorization.k8s.io/v1"},
      {"ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1"},
      {"ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io/v1"},
      {"DeviceClass", "resource.k8s.io/v1"},
      {"ResourceClaim", "resource.k8s.io/v1"},
      {"ResourceClaimTemplate", "resource.k8s.io/v1"},
      {"Kustomization", "kustomize.config.k8s.io/v1beta1"},
      {"Component", "kustomize.config.k8s.io/v1alpha1"}};
  const auto manifests = ReadManifests();
  ASSERT_GT(manifests.size(), 30u);
  for (const Manifest& each : manifests) {
    const auto known = versions.find(each.Kind());
    ASSERT_NE(known, versions.end()) << each.file << ": kind " << each.Kind();
    EXPECT_EQ(each.object.value("apiVersion", ""), known->second) << each.file;
  }
}

TEST(ManifestsTest, GivesEveryObjectANameOfItsOwn) {
  std::set<std::string> names;
  for (const Manifest& each : ReadManifests()) {
    if (each.file.ends_with("kustomization.yaml")) continue;
    EXPECT_FALSE(each.Name().empty()) << each.file;
    EXPECT_TRUE(names.insert(each.Kind() + "/" + each.Name()).second)
        << each.file << ": " << each.Kind() << " " << each.Name() << " twice";
  }
}

TEST(ManifestsTest, ListsEveryFileInItsKustomization) {
  const std::filesystem::path root = DRAPCI_MANIFESTS;
  for (const Manifest& each : ReadManifests()) {
    if (!each.file.ends_with("kustomization.yaml")) continue;
    const auto folder = (root / each.file).parent_path();
    std::set<std::string> listed, there;
    for (const std::string file : each.object.at("resources")) listed.insert(file);
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      if (name.ends_with(".yaml") && name != "kustomization.yaml") there.insert(name);
    }
    EXPECT_EQ(listed, there) << each.file;
  }
}

TEST(ManifestsTest, GivesTheDriverNoMoreThanItMustHave) {
  const std::string slices = "resource.k8s.io/resourceslices:";
  const std::string driver = R"(resource.k8s.io/resourceclaims/driver[["dra.pci"]]:)";
  EXPECT_EQ(
      Permissions(RoleNamed("drapci")),
      (std::set<std::string>{
          "/nodes:get", slices + "get", slices + "list", slices + "watch", slices + "create",
          slices + "update", slices + "patch", slices + "delete",
          "resource.k8s.io/resourceclaims:get", "resource.k8s.io/resourceclaims/status:update",
          "resource.k8s.io/resourceclaims/status:patch", driver + "associated-node:update",
          driver + "associated-node:patch", "/events:create", "/events:patch",
          "events.k8s.io/events:create", "events.k8s.io/events:patch"}));
  EXPECT_EQ(Permissions(RoleNamed("drapci-watch-claims")),
            (std::set<std::string>{"resource.k8s.io/resourceclaims:list",
                                   "resource.k8s.io/resourceclaims:watch"}));
}

TEST(ManifestsTest, BindsEveryRoleToTheDriversAccountAlone) {
  const auto accounts = ManifestsOf("ServiceAccount");
  ASSERT_EQ(accounts.size(), 1u);
  EXPECT_EQ(fmt::format("system:serviceaccount:{}:{}",
                        accounts[0].object["metadata"].value("namespace", ""), accounts[0].Name()),
            kAccount);
  const auto bindings = ManifestsOf("ClusterRoleBinding");
  EXPECT_EQ(bindings.size(), ManifestsOf("ClusterRole").size());
  for (const Manifest& each : bindings) {
    EXPECT_EQ(each.object["roleRef"]["name"], each.Name());
    RoleNamed(each.Name());
    EXPECT_EQ(
        each.object["subjects"],
        json::array({{{"kind", "ServiceAccount"}, {"name", "drapci"}, {"namespace", "drapci"}}}));
  }
}

TEST(ManifestsTest, HoldsEveryWriteOfASliceByTheDriverAgainstItsNode) {
  const auto policies = ManifestsOf("ValidatingAdmissionPolicy");
  ASSERT_EQ(policies.size(), 1u);
  const json& spec = policies[0].object["spec"];
  EXPECT_EQ(spec["failurePolicy"], "Fail");
  const json rule = {{"apiGroups", {"resource.k8s.io"}},
                     {"apiVersions", {"*"}},
                     {"operations", {"CREATE", "UPDATE", "DELETE"}},
                     {"resources", {"resourceslices"}}};
  EXPECT_EQ(spec["matchConstraints"]["resourceRules"], json::array({rule}));
  ASSERT_EQ(spec["matchConditions"].size(), 1u);
  EXPECT_THAT(spec["matchConditions"][0]["expression"].get<std::string>(),
              HasSubstr(fmt::format("== \"{}\"", kAccount)));
  std::set<std::string> validations;
  for (const json& each : spec["validations"]) {
    validations.insert(each.at("expression"));
    EXPECT_TRUE(each.contains("message") || each.contains("messageExpression"));
  }
  EXPECT_THAT(validations, UnorderedElementsAre(R"(variables.userNode != "")",
                                                "variables.userNode == variables.sliceNode",
                                                R"(variables.slice.spec.driver == "dra.pci")"));
  EXPECT_THAT(spec["variables"][0]["expression"].get<std::string>(),
              HasSubstr("authentication.kubernetes.io/node-name"));

  const auto bindings = ManifestsOf("ValidatingAdmissionPolicyBinding");
  ASSERT_EQ(bindings.size(), 1u);
  EXPECT_EQ(bindings[0].object["spec"],
            (json{{"policyName", policies[0].Name()}, {"validationActions", {"Deny"}}}));
}

TEST(ManifestsTest, AsksInExpressionsOnlyForWhatThisDriverPublishes) {
  // plugin/slices/attributes.cc
  const std::map<std::string, std::set<std::string>> published = {
      {"dra.pci",
       {"accelerator",     "class",      "deviceID", "driver",       "enforced",  "family",
        "firmwareVersion", "iommuGroup", "kind",     "linkSpeed",    "linkWidth", "memory",
        "model",           "pf",         "profile",  "serialNumber", "type",      "vendor",
        "vendorID",        "vf",         "vfs"}},
      {"resource.kubernetes.io", {"numaNode", "pciBusID", "pcieRoot"}}};
  const std::regex attribute(R"re(device\.attributes(\["([^"]*)"\])?\.?(\w*))re");
  const std::set<std::string> always = {"type", "driver"};
  int seen = 0;
  for (const Manifest& each : ReadManifests()) {
    for (const std::string& text : CelExpressions(each.object)) {
      for (std::sregex_iterator it(text.begin(), text.end(), attribute), end; it != end; ++it) {
        ++seen;
        const auto domain = published.find((*it)[2]);
        ASSERT_NE(domain, published.end()) << each.file << ": " << text;
        EXPECT_TRUE(domain->second.contains((*it)[3])) << each.file << ": " << text;
        // What a device need not have must be asked for first.
        if (!always.contains((*it)[3])) {
          EXPECT_THAT(text, HasSubstr(fmt::format("has({})", it->str()))) << each.file;
        }
      }
    }
  }
  EXPECT_GT(seen, 10);
}

TEST(ManifestsTest, ChoosesInEveryClassAmongThisDriversDevicesAlone) {
  const auto classes = ManifestsOf("DeviceClass");
  std::set<std::string> extended;
  for (const Manifest& each : classes) {
    const auto expressions = CelExpressions(each.object);
    ASSERT_EQ(expressions.size(), 1u) << each.Name();
    EXPECT_TRUE(expressions[0].starts_with("device.driver == \"dra.pci\" && ")) << each.Name();
    const std::string name = each.object["spec"].value("extendedResourceName", "");
    if (!name.empty()) {
      EXPECT_TRUE(name.starts_with("dra.pci/")) << name;
      EXPECT_TRUE(extended.insert(name).second) << name << " twice";
    }
  }
}

TEST(ManifestsTest, ConfiguresInClassesOnlyWhatTheDriverUnderstands) {
  int seen = 0;
  for (const Manifest& each : ManifestsOf("DeviceClass")) {
    DeviceConfig config;
    for (const json& parameters : OpaqueParameters(each.object)) {
      ++seen;
      const auto decoded = DecodeDeviceConfig(parameters.dump(), each.file);
      ASSERT_TRUE(decoded) << decoded.error().what;
      EXPECT_TRUE(ApplyDeviceConfig(*decoded, ConfigSource::kClass, each.Name(), config));
    }
  }
  EXPECT_GE(seen, 2);
}

}  // namespace
}  // namespace drapci::plugin
