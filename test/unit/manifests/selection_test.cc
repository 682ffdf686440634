// What the classes and the examples choose among that which is published of every board.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>

#include "plugin/quantity.h"
#include "plugin/yaml_json.h"
#include "test/unit/manifests/cel.h"
#include "test/unit/manifests/manifests.h"

namespace drapci::plugin {
namespace {

using nlohmann::json;
using testing::IsEmpty;

// Every device of test/golden, by "BOARD/DEVICE".
const std::map<std::string, json>& Published() {
  static const std::map<std::string, json> devices = [] {
    std::map<std::string, json> all;
    for (const auto& file : std::filesystem::directory_iterator(DRAPCI_GOLDEN_DIR)) {
      if (file.path().extension() != ".yaml") continue;
      for (const Manifest& slice : ReadManifest(file.path(), file.path().stem())) {
        for (const json& device : slice.object["spec"].value("devices", json::array())) {
          all[slice.file + "/" + device.at("name").get<std::string>()] = device;
        }
      }
    }
    return all;
  }();
  return devices;
}

// The devices for which all of these hold; an expression that fails on one fails the test.
std::vector<std::string> Selected(const std::vector<std::string>& expressions) {
  std::vector<std::string> selected;
  for (const auto& [name, device] : Published()) {
    const json seen = CelDevice(device);
    const bool all = std::ranges::all_of(expressions, [&](const std::string& expression) {
      const Result<bool> answer = Selects(expression, seen);
      EXPECT_TRUE(answer) << name << ": " << expression << ": " << answer.error().what;
      return answer.value_or(false);
    });
    if (all) selected.push_back(name);
  }
  return selected;
}

// The devices whose names are like this.
std::vector<std::string> Named(const std::string& pattern) {
  std::vector<std::string> named;
  const std::regex regex(pattern);
  for (const auto& [name, device] : Published()) {
    if (std::regex_match(name, regex)) named.push_back(name);
  }
  return named;
}

json ClassNamed(const std::string& name) {
  for (const Manifest& each : ManifestsOf("DeviceClass")) {
    if (each.Name() == name) return each.object;
  }
  ADD_FAILURE() << "no class " << name;
  return {};
}

struct Choice {
  const char* name;
  const char* devices;  // which of those in test/golden, all of them
};

const Choice kChoices[] = {
    {"accelerator.dra.pci", "(?!.*-shared/).*-[0-9a-f]{2}-[0-9]"},
    {"vf.dra.pci", "(sriov-nic|mixed-small|smartnic(-sf)?)/.*-vf[0-9]+"},
    {"vf-vfio.dra.pci", "(sriov-nic|mixed-small|smartnic(-sf)?)/.*-vf[0-9]+"},
    {"vf-vlan42", "(sriov-nic|mixed-small|smartnic(-sf)?)/.*-vf[0-9]+"},
    {"sf.dra.pci", "smartnic-sf/.*-sf[0-9]+"},
    {"nic-share.dra.pci", "sriov-nic-shared/pci-0000-02-00-0"},
    {"gpu.dra.pci",
     "(dgx-h100/pci-0000-1b-00-0|mi300x/pci-0000-0a-00-0|xe/pci-0000-3a-00-0|"
     "mixed-small/pci-0000-66-00-0|accel/pci-0000-65-00-0)"},
    {"mig.dra.pci", "dgx-h100/.*-[1-7]g-[0-9]+gb(-me)?-[0-7]"},
    {"amd-partition.dra.pci", "mi300x/.*-[dqc]px[0-7]"},
    {"gpu-vf.dra.pci", "xe/.*-vf[0-9]+"},
    {"gpu-share.dra.pci", "(xe-shared/pci-0000-3a-00-0|mi300x-shared/pci-0000-0a-00-0)"},
    {"fpga-slot.dra.pci", "dfl-fpga/.*-slot[0-9]"},
    {"dsa-queue.dra.pci", "dsa/pci-0000-6a-01-0-wq[0-3]"},
    {"dsa-share.dra.pci", "dsa/pci-0000-6a-01-0-wq[4-7]"},
    {"iaa-queue.dra.pci", "dsa/pci-0000-6a-02-0-wq[0-3]"},
    {"iaa-share.dra.pci", "dsa/pci-0000-6a-02-0-wq[4-7]"},
    {"qat-vf.dra.pci", "qat/.*-vf[0-9]+"},
};

TEST(SelectionTest, ChoosesInEveryClassJustTheDevicesThatItIsFor) {
  ASSERT_GT(Published().size(), 100u);
  for (const auto& [name, devices] : kChoices) {
    const std::vector<std::string> selected = Selected(CelExpressions(ClassNamed(name)));
    EXPECT_FALSE(selected.empty()) << name;
    EXPECT_EQ(selected, Named(devices)) << name;
  }
}

TEST(SelectionTest, KnowsWhatEveryClassIsFor) {
  for (const Manifest& each : ManifestsOf("DeviceClass")) {
    EXPECT_TRUE(std::ranges::any_of(kChoices, [&](const Choice& choice) {
      return choice.name == each.Name();
    })) << each.Name();
  }
}

TEST(SelectionTest, LeavesNothingPublishedWithoutAClass) {
  std::vector<std::string> left = Named(".*");
  for (const auto& choice : kChoices) {
    for (const std::string& taken : Named(choice.devices)) std::erase(left, taken);
  }
  std::erase_if(left, [](const std::string& name) { return name.starts_with("nvme/"); });
  EXPECT_THAT(left, IsEmpty());
}

std::vector<json> RequestsOf(const json& devices) {
  std::vector<json> all;
  for (const json& request : devices.value("requests", json::array())) {
    if (request.contains("exactly")) all.push_back(request["exactly"]);
    for (const json& each : request.value("firstAvailable", json::array())) all.push_back(each);
  }
  return all;
}

TEST(SelectionTest, HasADeviceForEveryRequestOfTheExamples) {
  int seen = 0;
  for (const Manifest& each : ReadManifests()) {
    const json spec = each.object.value("spec", json::object());
    const json devices = spec.contains("spec") ? spec["spec"].value("devices", json::object())
                                               : spec.value("devices", json::object());
    for (const json& request : RequestsOf(devices)) {
      ++seen;
      std::vector<std::string> expressions = CelExpressions(request);
      for (std::string& more : CelExpressions(ClassNamed(request.at("deviceClassName")))) {
        expressions.push_back(std::move(more));
      }
      const std::vector<std::string> selected = Selected(expressions);
      ASSERT_FALSE(selected.empty()) << each.file;
      const json wanted = request.value("/capacity/requests"_json_pointer, json::object());
      for (const auto& [name, quantity] : wanted.items()) {
        if (name == "bandwidth") continue;  // of a link that is up, which no board's golden has
        const json capacity = Published().at(selected[0]).value("capacity", json::object());
        ASSERT_TRUE(capacity.contains(name)) << each.file << ": " << name;
        EXPECT_LE(ParseQuantity(quantity.get<std::string>()).value_or(INT64_MAX),
                  ParseQuantity(capacity[name]["value"].get<std::string>()).value_or(0))
            << each.file;
      }
    }
  }
  EXPECT_GE(seen, 16);
}

TEST(SelectionTest, EvaluatesAsTheSchedulerDoes) {
  const json device = CelDevice(json::parse(R"({"attributes": {
      "type": {"string": "vf"}, "memory": {"int": 10}, "enforced": {"bool": true},
      "resource.kubernetes.io/numaNode": {"int": 1}}})"));
  const auto is = [&](const char* text, bool want) {
    const Result<bool> answer = Selects(text, device);
    EXPECT_TRUE(answer && *answer == want) << text;
  };
  is(R"(device.driver == "dra.pci" && device.attributes["dra.pci"].type == "vf")", true);
  is(R"(!(device.attributes["dra.pci"].type in ["function", "share"]))", true);
  is(R"(device.attributes["dra.pci"].memory >= 10 && device.attributes["dra.pci"].enforced)", true);
  is(R"(device.attributes["dra.pci"].memory < 10 || false)", false);
  is(R"(device.attributes["resource.kubernetes.io"].numaNode != 1)", false);
  is(R"(has(device.attributes["dra.pci"].kind) && device.attributes["dra.pci"].kind == "x")",
     false);
  is(R"(has(device.attributes["elsewhere"].kind))", false);
  for (const char* text :
       {R"(device.attributes["dra.pci"].kind == "x")", R"(device.attributes["dra.pci"].type == 1)",
        R"(device.driver == "dra.pci" device)", R"(device.driver)", "", "has(1)", "(true", "[1"}) {
    EXPECT_FALSE(Selects(text, device)) << text;
  }
}

}  // namespace
}  // namespace drapci::plugin
