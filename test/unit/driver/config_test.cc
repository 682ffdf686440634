#include "driver/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace drapci::driver {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using Vfs = hal::AcceleratorPolicy::Vfs;

constexpr std::string_view kFull = R"(# everything
driverName: accel.example.com
nodeName: node-1.example.com
stateDir: /srv/state/
cdiDir: /etc/cdi
controlSocket: /run/x/control.sock
controlGroup: admins
kubeletRoot: /data/kubelet
claimDirectory: /etc/drapci/claims
images: /srv/images
nvmlLibrary: /opt/nvidia/libnvidia-ml.so.1
standalone: true
logLevel: debug
stepTimeout: 2m
networkDevices: cdi
hook: /opt/drapci-hook
kubernetes:
  kubeconfig: /etc/drapci/kubeconfig
  context: node
  watchClaims: true
  claimStatus: false
  deviceMetadata: true
  collectAfter: 1h
accelerators:
- match: {address: 0000:02:00.0}
  enabled: false
- match: {vendor: 0x8086, device: 10c9}
  vfs: fixed
  vfCount: 4
- match:
    class: 0x0200
  vfs: existing
  shares: true
  bandwidth: 2500M
  bindingConditions: true
- match: {}
  workQueues:
  - {mode: shared, size: 16}
)";

// "LINE: TEXT" of each error; empty for a good configuration.
std::vector<std::string> Errors(std::string_view yaml) {
  const auto config = ParseConfig(yaml);
  std::vector<std::string> lines;
  if (config) return lines;
  EXPECT_FALSE(config.error().empty());
  for (const ConfigError& error : config.error()) {
    EXPECT_EQ(error.text.find('\n'), std::string::npos) << error.text;
    lines.push_back(fmt::format("{}: {}", error.line, error.text));
  }
  return lines;
}

Config Good(std::string_view yaml) {
  const auto config = ParseConfig(yaml);
  EXPECT_TRUE(config) << (config ? "" : config.error()[0].text);
  return config.value_or(Config());
}

hal::PciFunction Function(std::string_view address, uint16_t vendor, uint16_t device,
                          uint32_t class_code) {
  hal::PciFunction function;
  function.address = hal::PciAddress::Parse(address).value_or(hal::PciAddress());
  function.vendor = vendor;
  function.device = device;
  function.class_code = class_code;
  return function;
}

TEST(Config, AnEmptyFileMeansTheDefaults) {
  for (const std::string_view yaml : {"", "\n", "# nothing\n", "---\n", "\xef\xbb\xbf# BOM\n"}) {
    const Config config = Good(yaml);
    EXPECT_EQ(config.driver_name, "dra.pci");
    EXPECT_EQ(config.state_dir, "/var/lib/drapci");
    EXPECT_EQ(config.control_socket, "/run/drapci/control.sock");
    EXPECT_EQ(config.step_timeout_seconds, 30);
    EXPECT_FALSE(config.standalone);
    EXPECT_TRUE(config.accelerators.empty());
    EXPECT_EQ(config.network_devices, NetworkDevices::kHook);
    EXPECT_EQ(config.hook, kDefaultHook);
    EXPECT_EQ(config.kubernetes.kubeconfig, "");
    EXPECT_FALSE(config.kubernetes.watch_claims);
    EXPECT_TRUE(config.kubernetes.claim_status);
    EXPECT_EQ(config.kubernetes.collect_after_seconds, 600);
  }
}

TEST(Config, ReadsEveryKey) {
  const Config config = Good(kFull);
  EXPECT_EQ(config.driver_name, "accel.example.com");
  EXPECT_EQ(config.node_name, "node-1.example.com");
  EXPECT_EQ(config.state_dir, "/srv/state");
  EXPECT_EQ(config.cdi_dir, "/etc/cdi");
  EXPECT_EQ(config.control_socket, "/run/x/control.sock");
  EXPECT_EQ(config.control_group, "admins");
  EXPECT_EQ(config.kubelet_root, "/data/kubelet");
  EXPECT_EQ(config.claim_dir, "/etc/drapci/claims");
  EXPECT_EQ(config.nvml_library, "/opt/nvidia/libnvidia-ml.so.1");
  EXPECT_TRUE(config.standalone);
  EXPECT_EQ(config.log_level, LogLevel::kDebug);
  EXPECT_EQ(config.step_timeout_seconds, 120);
  EXPECT_THAT(config.accelerators, SizeIs(4));
  EXPECT_EQ(config.network_devices, NetworkDevices::kCdi);
  EXPECT_EQ(config.hook, "/opt/drapci-hook");
  EXPECT_EQ(config.kubernetes.kubeconfig, "/etc/drapci/kubeconfig");
  EXPECT_EQ(config.kubernetes.context, "node");
  EXPECT_TRUE(config.kubernetes.watch_claims);
  EXPECT_FALSE(config.kubernetes.claim_status);
  EXPECT_TRUE(config.kubernetes.device_metadata);
  EXPECT_EQ(config.kubernetes.collect_after_seconds, 3600);
}

TEST(Config, TheFirstMatchingRuleDecides) {
  const Config config = Good(kFull);
  const auto policy = [&](auto... args) { return config.PolicyFor(Function(args...)); };
  EXPECT_FALSE(policy("0000:02:00.0", 0x8086, 0x10c9, 0x020000).enabled);
  const hal::AcceleratorPolicy fixed = policy("0000:02:00.1", 0x8086, 0x10c9, 0x020000);
  EXPECT_TRUE(fixed.enabled);
  EXPECT_EQ(fixed.vfs, Vfs::kFixed);
  EXPECT_EQ(fixed.vf_count, 4);
  EXPECT_FALSE(fixed.shares || fixed.binding_conditions);
  const hal::AcceleratorPolicy existing = policy("0000:03:00.0", 0x8086, 0x10fb, 0x020000);
  EXPECT_EQ(existing.vfs, Vfs::kExisting);
  EXPECT_TRUE(existing.shares);
  EXPECT_EQ(existing.bandwidth, 2'500'000'000);
  EXPECT_TRUE(existing.binding_conditions);
  EXPECT_EQ(policy("0000:03:00.0", 0x8086, 0x10fb, 0x020700).vfs, Vfs::kOnDemand);
  EXPECT_EQ(Good("").PolicyFor(Function("0000:03:00.0", 1, 2, 3)), hal::AcceleratorPolicy());
}

TEST(Config, AClassMatchesByItsPrefix) {
  const auto matches = [](std::string_view text, uint32_t class_code) {
    const Config config =
        Good(fmt::format("accelerators: [{{match: {{class: {}}}, enabled: false}}]", text));
    return !config.PolicyFor(Function("0000:01:00.0", 1, 2, class_code)).enabled;
  };
  EXPECT_TRUE(matches("0x02", 0x020700));
  EXPECT_TRUE(matches("\"02\"", 0x020700));
  EXPECT_FALSE(matches("0x0200", 0x020700));
  EXPECT_TRUE(matches("0x0207", 0x020701));
  EXPECT_TRUE(matches("0x020701", 0x020701));
  EXPECT_FALSE(matches("0x020700", 0x020701));
  EXPECT_TRUE(matches("0x00", 0x000100));
}

TEST(Config, ReportsEveryErrorWithItsLineInOneRun) {
  EXPECT_THAT(Errors("driverName: Upper.Case\n"
                     "stateDri: /x\n"
                     "standalone: maybe\n"
                     "accelerators:\n"
                     "- enabled: false\n"
                     "- match: {vendor: 8086h}\n"
                     "  vfs: fixd\n"),
              ElementsAre(AllOf(HasSubstr("1: driverName: 'Upper.Case'"), HasSubstr("DNS")),
                          "2: unknown key 'stateDri', did you mean 'stateDir'?",
                          AllOf(HasSubstr("3: standalone: 'maybe'"), HasSubstr("true, false")),
                          AllOf(HasSubstr("5: "), HasSubstr("match")),
                          AllOf(HasSubstr("6: vendor: '8086h'"), HasSubstr("four hexadecimal")),
                          AllOf(HasSubstr("7: vfs: 'fixd'"), HasSubstr("onDemand"))));
}

TEST(Config, SuggestsTheNearestKeyOrNamesThemAll) {
  EXPECT_THAT(Errors("StateDir: /x"), ElementsAre(HasSubstr("did you mean 'stateDir'?")));
  EXPECT_THAT(Errors("loglevl: info"), ElementsAre(HasSubstr("did you mean 'logLevel'?")));
  EXPECT_THAT(Errors("accelerators: [{match: {}, vfcounts: 1}]"),
              ElementsAre(HasSubstr("did you mean 'vfCount'?")));
  EXPECT_THAT(Errors("colour: red"), ElementsAre(AllOf(HasSubstr("allowed: driverName, nodeName"),
                                                       testing::Not(HasSubstr("did you mean")))));
  EXPECT_THAT(Errors("accelerators: [{match: {slot: 1}}]"),
              ElementsAre(HasSubstr("allowed: address, vendor, device, class")));
}

TEST(Config, RefusesDuplicateKeys) {
  EXPECT_THAT(Errors("stateDir: /a\ncdiDir: /b\nstateDir: /c\n"),
              ElementsAre("3: key 'stateDir' appears twice: keep one"));
  EXPECT_THAT(Errors("accelerators:\n- match: {}\n  enabled: true\n  enabled: false\n"),
              ElementsAre(HasSubstr("4: key 'enabled' appears twice")));
}

TEST(Config, RefusesWrongTypes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"- a\n- b\n", "the file must be a map"},
      {"just text", "the file must be a map"},
      {"stateDir: [a]", "stateDir must be one value"},
      {"stateDir: {a: b}", "stateDir must be one value"},
      {"stateDir:", "stateDir has no value"},
      {"stateDir: ~", "stateDir has no value"},
      {"standalone: \"true\"", "without quotes"},
      {"standalone: yes", "without quotes"},
      {"accelerators: 5", "must be a list of rules"},
      {"accelerators: {match: {}}", "must be a list of rules"},
      {"accelerators: [x]", "must be a map"},
      {"accelerators: [{match: x}]", "match must be a map"},
      {"accelerators: [{match: {}, vfCount: \"3\"}]", "vfCount"},
      {"accelerators: [{match: {}, vfCount: 3.5}]", "vfCount"},
      {"[a]: b", "a key must be a word"},
      {"? {a: b}\n: c", "a key must be a word"},
  };
  for (const auto& [yaml, expected] : cases) {
    EXPECT_THAT(Errors(yaml), ElementsAre(HasSubstr(std::string(expected)))) << yaml;
  }
}

TEST(Config, RefusesBadValuesAndSaysWhatIsAllowed) {
  const std::string long_name(64, 'a');
  const std::string long_path = "/" + std::string(107, 'a');
  const std::string cases[] = {
      "driverName: ''",
      "driverName: 0dra.pci",
      "driverName: dra..pci",
      "driverName: -dra.pci",
      "driverName: dra.pci-",
      "driverName: dra_pci",
      "driverName: a/b",
      "driverName: " + long_name,
      "nodeName: Node",
      "nodeName: " + std::string(260, 'a'),
      "stateDir: relative/path",
      "stateDir: /var/../etc",
      "stateDir: /var/./etc",
      "stateDir: \"/a\\0b\"",
      "stateDir: \"/a\\nb\"",
      "stateDir: /" + std::string(5000, 'a'),
      "cdiDir: ''",
      "controlSocket: " + long_path,
      "controlSocket: /run/",
      "controlGroup: 'a:b'",
      "kubeletRoot: '..'",
      "metrics: metrics.sock",
      "metrics: /run/" + long_path,
      "metrics: 0.0.0.0:9101",
      "metrics: 10.0.0.1:9101",
      "metrics: 127.0.0.1",
      "metrics: 127.0.0.1:0",
      "metrics: 127.0.0.1:65536",
      "metrics: localhost:9101",
      "metrics: '[::]:9101'",
      "claimDirectory: ./claims",
      "logLevel: trace",
      "logLevel: 7",
      "stepTimeout: 0",
      "stepTimeout: 0s",
      "stepTimeout: 601s",
      "stepTimeout: 11m",
      "stepTimeout: -5s",
      "stepTimeout: 30 s",
      "stepTimeout: 1h",
      "stepTimeout: 99999999999999999999",
      "stepTimeout: s",
      "accelerators: [{match: {address: 02:00}}]",
      "accelerators: [{match: {vendor: 0x80866}}]",
      "accelerators: [{match: {vendor: 0x86}}]",
      "accelerators: [{match: {class: 0x020}}]",
      "accelerators: [{match: {class: 0x02000000}}]",
      "accelerators: [{match: {}, vfCount: -1}]",
      "accelerators: [{match: {}, vfCount: 65536}]",
      "accelerators: [{match: {}, shares: maybe}]",
      "accelerators: [{match: {}, shares: true, bandwidth: ''}]",
      "accelerators: [{match: {}, shares: true, bandwidth: G}]",
      "accelerators: [{match: {}, shares: true, bandwidth: 2.5G}]",
      "accelerators: [{match: {}, shares: true, bandwidth: -1G}]",
      "accelerators: [{match: {}, shares: true, bandwidth: 999k}]",
      "accelerators: [{match: {}, shares: true, bandwidth: 1001T}]",
      "accelerators: [{match: {}, shares: true, bandwidth: 9999999999999999999}]",
      "accelerators: [{match: {}, shares: true, bandwidth: 10Gi}]",
      "accelerators: [{match: {}, bindingConditions: 1}]",
      "networkDevices: bridge",
      "hook: drapci-hook",
      "kubernetes: {kubeconfig: config}",
      "kubernetes: {context: ''}",
      "kubernetes: {watchClaims: yes}",
      "kubernetes: {claimStatus: 'true'}",
      "kubernetes: {deviceMetadata: 1}",
      "kubernetes: {collectAfter: -1s}",
      "kubernetes: {collectAfter: 25h}",
      "kubernetes: {collectAfter: 10d}",
      "kubernetes: {collectAfter: 2147483647h}",
  };
  for (const std::string& yaml : cases) {
    EXPECT_THAT(Errors(yaml), ElementsAre(AllOf(HasSubstr("1: "), HasSubstr("allowed: ")))) << yaml;
  }
}

TEST(Config, AcceptsValuesAtTheirLimits) {
  EXPECT_EQ(Good("driverName: " + std::string(63, 'a')).driver_name.size(), 63u);
  EXPECT_EQ(Good("controlSocket: /" + std::string(106, 'a')).control_socket.size(), 107u);
  EXPECT_EQ(Good("").metrics, "");
  for (const char* metrics : {"off", "/run/m.sock", "127.0.0.1:9101", "[::1]:65535"}) {
    EXPECT_EQ(Good(fmt::format("metrics: '{}'", metrics)).metrics, metrics);
  }
  EXPECT_EQ(Good("stepTimeout: 1").step_timeout_seconds, 1);
  EXPECT_EQ(Good("stepTimeout: 600s").step_timeout_seconds, 600);
  EXPECT_EQ(Good("stepTimeout: 10m").step_timeout_seconds, 600);
  EXPECT_EQ(Good("stateDir: /").state_dir, "/");
  EXPECT_EQ(Good("stateDir: /a..b/...").state_dir, "/a..b/...");
  EXPECT_EQ(Good("accelerators: [{match: {}, vfCount: 65535}]").accelerators[0].policy.vf_count,
            65535);
  EXPECT_TRUE(Good("accelerators:\n# - match: {}\n").accelerators.empty());
  EXPECT_TRUE(Good("kubernetes:\n#  context: x\n").kubernetes.context.empty());
  EXPECT_EQ(Good("kubernetes: {collectAfter: 0}").kubernetes.collect_after_seconds, 0);
  EXPECT_EQ(Good("kubernetes: {collectAfter: 24h}").kubernetes.collect_after_seconds, 86400);
  for (const auto& [text, value] : {std::pair{"1000000", int64_t{1'000'000}},
                                    {"1000k", int64_t{1'000'000}},
                                    {"1M", int64_t{1'000'000}},
                                    {"10G", int64_t{10'000'000'000}},
                                    {"1000T", int64_t{1'000'000'000'000'000}}}) {
    const Config config =
        Good(fmt::format("accelerators: [{{match: {{}}, shares: true, bandwidth: {}}}]", text));
    EXPECT_EQ(config.accelerators[0].policy.bandwidth, value) << text;
  }
}

TEST(Config, ReadsTheModeOfAnEmbeddedSwitch) {
  const Config config = Good(
      "accelerators:\n- match: {}\n  eswitchMode: switchdev\n- match: {}\n  eswitchMode: legacy\n"
      "- match: {}\n");
  EXPECT_EQ(config.accelerators.at(0).policy.eswitch_mode, "switchdev");
  EXPECT_EQ(config.accelerators.at(1).policy.eswitch_mode, "legacy");
  EXPECT_EQ(config.accelerators.at(2).policy.eswitch_mode, "");
  EXPECT_THAT(Errors("accelerators: [{match: {}, eswitchMode: bridge}]"),
              ElementsAre(HasSubstr("legacy, switchdev")));
}

TEST(Config, ReadsHowManySubFunctionsACardHas) {
  const std::string rule = "accelerators: [{match: {}, eswitchMode: switchdev, subFunctions: ";
  EXPECT_EQ(Good(rule + "8}]").accelerators.at(0).policy.sub_functions, 8);
  EXPECT_EQ(Good("accelerators: [{match: {}}]").accelerators.at(0).policy.sub_functions, 0);
  for (const char* bad : {"0", "501", "-1", "x", "'8'"}) {
    EXPECT_THAT(Errors(rule + bad + "}]"), ElementsAre(HasSubstr("1 to 500"))) << bad;
  }
  for (const char* mode : {"", ", eswitchMode: legacy"}) {
    EXPECT_THAT(Errors(fmt::format("accelerators: [{{match: {{}}, subFunctions: 8{}}}]", mode)),
                ElementsAre(HasSubstr("they need eswitchMode: switchdev beside it")));
  }
  EXPECT_THAT(Errors(rule + "8, vfs: existing}]"), ElementsAre(HasSubstr("vfs: existing")));
  EXPECT_THAT(Errors(rule + "8, shares: true}]"), ElementsAre(HasSubstr("one link twice")));
}

TEST(Config, ReadsHowADmaAcceleratorIsDivided) {
  const Config config = Good(
      "accelerators:\n- match: {}\n  services: sym;asym\n  workQueues:\n"
      "  - {mode: dedicated, size: 32}\n  - {mode: shared}\n  - {size: 65535}\n"
      "- match: {}\n  workQueues:\n");
  const auto& policy = config.accelerators.at(0).policy;
  EXPECT_EQ(policy.services, "sym;asym");
  EXPECT_THAT(policy.work_queues, ElementsAre(hal::WorkQueue{.shared = false, .size = 32},
                                              hal::WorkQueue{.shared = true, .size = 0},
                                              hal::WorkQueue{.shared = false, .size = 65535}));
  EXPECT_TRUE(config.accelerators.at(1).policy.work_queues.empty());
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"workQueues: 8", "workQueues must be a list"},
      {"workQueues: [8]", "must be a map"},
      {"workQueues: [{mode: both}]", "allowed: dedicated, shared"},
      {"workQueues: [{size: 0}]", "allowed: 1 to 65535 entries"},
      {"workQueues: [{size: 65536}]", "allowed: 1 to 65535 entries"},
      {"workQueues: [{size: '8'}]", "allowed: 1 to 65535 entries"},
      {"workQueues: [{sice: 8}]", "did you mean 'size'?"},
      {"services: 'sym asym'", "allowed: "},
      {"workQueues: [{size: 8}], vfs: existing", "no meaning with vfs: existing"}};
  for (const auto& [yaml, expected] : cases) {
    EXPECT_THAT(Errors(fmt::format("accelerators: [{{match: {{}}, {}}}]", yaml)),
                ElementsAre(HasSubstr(std::string(expected))))
        << yaml;
  }
  std::string many = "accelerators:\n- match: {}\n  workQueues:\n";
  for (int i = 0; i < 257; ++i) many += "  - {size: 1}\n";
  EXPECT_THAT(Errors(many), ElementsAre(HasSubstr("257 work queues; at most 256")));
}

TEST(Config, RefusesKeysThatContradictEachOther) {
  EXPECT_THAT(Errors("accelerators:\n- match: {device: 10c9}\n"),
              ElementsAre(HasSubstr("2: device needs vendor")));
  EXPECT_THAT(Errors("accelerators:\n- match: {}\n  vfs: existing\n  vfCount: 3\n"),
              ElementsAre(HasSubstr("4: vfCount has no meaning with vfs: existing")));
  EXPECT_THAT(Errors("accelerators:\n- match: {}\n  bandwidth: 10G\n"),
              ElementsAre(HasSubstr("3: bandwidth is what shares divide; it needs shares: true")));
  EXPECT_THAT(Errors("accelerators:\n- match: {}\n  bindingConditions: true\n"),
              ElementsAre(HasSubstr("3: bindingConditions needs kubernetes.watchClaims: true")));
}

TEST(Config, AcceptsKeysThatGoTogetherInAnyOrder) {
  EXPECT_TRUE(
      Good("accelerators:\n- match: {}\n  bandwidth: 10G\n  shares: true\n  vfs: existing\n")
          .accelerators[0]
          .policy.shares);
  EXPECT_TRUE(Good("accelerators:\n- match: {}\n  bindingConditions: true\n"
                   "kubernetes: {watchClaims: true}\n")
                  .accelerators[0]
                  .policy.binding_conditions);
  EXPECT_FALSE(Good("accelerators:\n- match: {}\n  bindingConditions: false\n")
                   .accelerators[0]
                   .policy.binding_conditions);
}

TEST(Config, ReportsBrokenYamlInOneLineWithItsPlace) {
  EXPECT_THAT(Errors("stateDir: /a\ncdiDir: [/b\n"), ElementsAre(HasSubstr("no valid YAML")));
  EXPECT_THAT(Errors("stateDir: /a\n  cdiDir: /b\n"), ElementsAre(HasSubstr("2: no valid YAML")));
  EXPECT_THAT(Errors("accelerators:\n\t- match: {}\n"),
              ElementsAre(AllOf(HasSubstr("2: "), HasSubstr("tab"))));
  EXPECT_THAT(Errors(std::string_view("a: b\n\0c", 7)),
              ElementsAre(AllOf(HasSubstr("2: "), HasSubstr("0x00"))));
  EXPECT_THAT(Errors("\x7f"
                     "ELF\x02"),
              ElementsAre(HasSubstr("1: control character 0x7f")));
  EXPECT_THAT(Errors("a: \xff\xfe\n"), ElementsAre("1: not UTF-8 text"));
  EXPECT_THAT(Errors("a: \xed\xa0\x80\n"), ElementsAre("1: not UTF-8 text"));
  EXPECT_THAT(Errors("stateDir: /a\n---\nstateDir: /b\n"),
              ElementsAre(HasSubstr("a second document")));
}

TEST(Config, AMissingQuoteDoesNotSwallowTheRestOfTheFile) {
  for (const std::string quote : {"'", "\""}) {
    EXPECT_THAT(Errors("claimDirectory: " + quote + "/x\nstandalone: true\n"),
                Contains(AllOf(HasSubstr("1: "), HasSubstr("quoted text must end"))));
    EXPECT_THAT(Errors(quote + "claimDirectory: /x\n"),
                Contains(HasSubstr("quoted text must end")));
    EXPECT_EQ(Good("claimDirectory: " + quote + "/x" + quote + "  # why\n").claim_dir, "/x");
    EXPECT_EQ(Good("\xef\xbb\xbf" + quote + "claimDirectory" + quote + ": /x\n").claim_dir, "/x");
  }
  EXPECT_EQ(Good("claimDirectory: '/it''s'\n").claim_dir, "/it's");
  EXPECT_EQ(Good("claimDirectory: \"/a\\\"b\"\n").claim_dir, "/a\"b");
  EXPECT_EQ(
      Good("# \xc3\xa4\n{\"claimDirectory\": \"/\xc3\xa4\", 'stateDir': '/\xc3\xa4'}\n").state_dir,
      "/\xc3\xa4");
}

TEST(Config, RefusesAnchorsAliasesAndTags) {
  EXPECT_THAT(
      Errors("stateDir: &a /x\ncdiDir: *a\n"),
      ElementsAre(HasSubstr("1: anchors"), HasSubstr("2: aliases"), HasSubstr("2: cdiDir")));
  EXPECT_THAT(Errors("stateDir: !!python/object:os.system /x\n"),
              ElementsAre(HasSubstr("1: the tag")));
}

TEST(Config, ABombOfAliasesIsHarmless) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 60; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 9; ++j) bomb += fmt::format("*a{}, ", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(Errors(bomb), Contains(HasSubstr("aliases")));
}

TEST(Config, DepthIsHarmless) {
  for (const char* open : {"[", "{a: ", "- ", "? "}) {
    for (const size_t depth : {10u, 17u, 400u, 3000u, 100'000u}) {
      std::string yaml = "accelerators: ";
      if (*open == '-' || *open == '?') yaml += "\n  ";
      for (size_t i = 0; i < depth; ++i) yaml += open;
      EXPECT_FALSE(Errors(yaml).empty()) << open << depth;
    }
  }
}

TEST(Config, TooMuchIsRefused) {
  EXPECT_THAT(Errors(std::string((1 << 20) + 1, '#')), ElementsAre(HasSubstr("0: 1048577 bytes")));
  std::string many_values = "accelerators:\n";
  for (int i = 0; i < 30'000; ++i) many_values += "- a\n";
  EXPECT_THAT(Errors(many_values), Contains(HasSubstr("more than 20000 values")));
  std::string many_rules = "accelerators:\n";
  for (int i = 0; i < 2000; ++i) many_rules += "- match: {}\n";
  EXPECT_THAT(Errors(many_rules), ElementsAre(HasSubstr("2000 rules; at most 1024")));
}

TEST(Config, ManyErrorsAreCutShort) {
  std::string yaml;
  for (int i = 0; i < 1000; ++i) yaml += fmt::format("unknown{}: 1\n", i);
  const std::vector<std::string> errors = Errors(yaml);
  ASSERT_THAT(errors, SizeIs(101));
  EXPECT_THAT(errors.back(), HasSubstr("and 900 more errors"));
}

TEST(Config, ErrorsShowForeignTextOnOneReadableLine) {
  EXPECT_THAT(Errors("stateDir: \"\\e[31m\\n\\0\""), ElementsAre(HasSubstr("'?[31m?\?'")));
  EXPECT_THAT(Errors("logLevel: " + std::string(500, 'x')), ElementsAre(HasSubstr("xxx...'")));
}

TEST(Config, EveryTruncationOfAGoodFileIsAnswered) {
  for (size_t length = 0; length <= kFull.size(); ++length) {
    const auto config = ParseConfig(kFull.substr(0, length));
    if (!config) {
      EXPECT_FALSE(config.error().empty()) << length;
    }
  }
}

TEST(Config, EveryChangedByteOfAGoodFileIsAnswered) {
  std::mt19937 random(7);
  for (size_t at = 0; at < kFull.size(); ++at) {
    std::string yaml(kFull);
    yaml[at] = static_cast<char>(random());
    const auto config = ParseConfig(yaml);
    if (!config) {
      EXPECT_FALSE(config.error().empty()) << at;
    }
  }
}

}  // namespace
}  // namespace drapci::driver
