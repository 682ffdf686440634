#include "plugin/hook/limit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>

namespace drapci::plugin {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kRoot[] = "/sys/fs/cgroup";
constexpr char kGpu[] = "drm/0000:03:00.0/vram0", kOther[] = "drm/0000:04:00.0/vram0";

// Control groups with the controller of device memory: kernel/cgroup/dmem.c
// dmemcg_limit_write, dmemcg_limit_show, and cgroup.c cgroup_subtree_control_write.
class Groups : public hal::Sysfs {
 public:
  // A group below those there are; the root has the path "".
  void Make(const std::string& path) { groups_.emplace(path, Group{}); }
  void Pass(const std::string& path) { groups_.at(path).passes_on = true; }
  void HasProcesses(const std::string& path) { groups_.at(path).processes = true; }
  const std::map<std::string, int64_t>& Limits(const std::string& path) {
    return groups_.at(path).limits;
  }

  bool has_controller = true, keeps_what_is_written = true;
  std::map<std::string, std::string> files;  // of /proc
  std::map<std::string, int> refuses;        // path -> errno of its writes
  std::vector<std::string> writes;

  Result<std::string> Read(std::string_view path) const override {
    if (const auto file = files.find(std::string(path)); file != files.end()) return file->second;
    const auto [group, name] = Of(path);
    if (!groups_.contains(group)) return Missing(path);
    if (name == "cgroup.controllers") return Offers(group) ? "cpu dmem io memory" : "cpu io";
    if (name == "cgroup.subtree_control") return groups_.at(group).passes_on ? "memory dmem" : "";
    if (name != "dmem.max" || !Offers(group) || group.empty()) return Missing(path);
    std::string text;
    for (const char* region : {kGpu, kOther}) {
      const auto& limits = groups_.at(group).limits;
      const auto limit = limits.find(region);
      text += fmt::format("{} {}\n", region,
                          limit == limits.end() ? "max" : fmt::to_string(limit->second));
    }
    return text;
  }

  Result<> Write(std::string_view path, std::string_view value) override {
    writes.push_back(fmt::format("{}={}", path.substr(std::string_view(kRoot).size()), value));
    const auto fail = [&](int error) {
      return Fail(Error::FromErrno(error, fmt::format("write '{}' to {}", value, path)));
    };
    if (const auto refused = refuses.find(std::string(path)); refused != refuses.end()) {
      return fail(refused->second);
    }
    const auto [name_of_group, name] = Of(path);
    const auto group = groups_.find(name_of_group);
    if (group == groups_.end()) return fail(ENOENT);
    if (name == "cgroup.subtree_control") {
      if (value != "+dmem") return fail(EINVAL);
      if (!Offers(name_of_group)) return fail(ENOENT);
      if (group->second.processes) return fail(EBUSY);
      group->second.passes_on = true;
      return {};
    }
    if (name != "dmem.max" || !Exists(path)) return fail(ENOENT);
    const size_t blank = value.find(' ');
    const std::string region(value.substr(0, blank));
    if (region != kGpu && region != kOther) return fail(EINVAL);
    if (!keeps_what_is_written) return {};
    group->second.limits[region] = std::stoll(std::string(value.substr(blank)));
    return {};
  }

  bool Exists(std::string_view path) const override { return Read(path).has_value(); }
  Result<std::vector<std::string>> List(std::string_view path) const override {
    return Missing(path);
  }
  Result<std::string> ReadLink(std::string_view path) const override { return Missing(path); }
  Result<std::string> Resolve(std::string_view path) const override { return Missing(path); }

 private:
  struct Group {
    bool passes_on = false, processes = false;
    std::map<std::string, int64_t> limits;
  };

  static std::unexpected<Error> Missing(std::string_view path) {
    return Fail(Error::FromErrno(ENOENT, fmt::format("read {}", path)));
  }
  static std::pair<std::string, std::string> Of(std::string_view path) {
    if (!path.starts_with(kRoot)) return {"?", ""};
    path.remove_prefix(std::string_view(kRoot).size());
    const size_t slash = path.rfind('/');
    return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
  }
  bool Offers(const std::string& group) const {
    if (!has_controller) return false;
    return group.empty() || groups_.at(group.substr(0, group.rfind('/'))).passes_on;
  }

  std::map<std::string, Group> groups_{{"", Group{}}};
};

// A container in a pod.
class Limiting : public testing::Test {
 protected:
  Limiting() {
    for (const char* group : {"/pods", "/pods/pod1", kContainer}) groups_.Make(group);
    groups_.files["/proc/7/cgroup"] = std::string("1:name=systemd:/x\n0::") + kContainer;
  }
  Result<> Limit(int64_t bytes, const std::string& region = kGpu) {
    const MemoryLimit limit{.region = region, .bytes = bytes};
    return LimitMemory(groups_, kRoot, 7, {&limit, 1});
  }
  void AllPassItOn() {
    for (const char* group : {"", "/pods", "/pods/pod1"}) groups_.Pass(group);
  }
  void ExpectRefused(const testing::Matcher<const std::string&>& matcher) {
    const auto done = Limit(1024);
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().what, matcher);
    EXPECT_FALSE(done.error().what.contains('\n'));
    EXPECT_THAT(groups_.Limits(kContainer), IsEmpty());
  }

  static constexpr char kContainer[] = "/pods/pod1/container";
  Groups groups_;
};

TEST_F(Limiting, HoldsTheContainersGroupToItsShare) {
  AllPassItOn();
  ASSERT_TRUE(Limit(10737418240));
  EXPECT_EQ(groups_.Limits(kContainer).at(kGpu), 10737418240);
  EXPECT_THAT(groups_.writes, ElementsAre("/pods/pod1/container/dmem.max="
                                          "drm/0000:03:00.0/vram0 10737418240"));
}

TEST_F(Limiting, EnablesTheControllerFromTheRootDownwardsWhereItIsNot) {
  groups_.Pass("");
  ASSERT_TRUE(Limit(4096));
  EXPECT_THAT(groups_.writes, ElementsAre("/pods/cgroup.subtree_control=+dmem",
                                          "/pods/pod1/cgroup.subtree_control=+dmem",
                                          "/pods/pod1/container/dmem.max="
                                          "drm/0000:03:00.0/vram0 4096"));
}

TEST_F(Limiting, AddsTheSharesThatAContainerHasOfOneCard) {
  AllPassItOn();
  ASSERT_TRUE(Limit(1000));
  ASSERT_TRUE(Limit(500));
  ASSERT_TRUE(Limit(70, kOther));
  EXPECT_EQ(groups_.Limits(kContainer).at(kGpu), 1500);
  EXPECT_EQ(groups_.Limits(kContainer).at(kOther), 70);
}

TEST_F(Limiting, IsRefusedWithoutTheController) {
  groups_.has_controller = false;
  ExpectRefused(AllOf(HasSubstr("/sys/fs/cgroup has no controller"), HasSubstr("Linux 6.14")));
  EXPECT_THAT(groups_.writes, IsEmpty());
}

TEST_F(Limiting, SaysWhatTheKernelRefusesWhenTheControllerIsEnabled) {
  groups_.HasProcesses("/pods");
  ExpectRefused(AllOf(HasSubstr("/pods/cgroup.subtree_control: EBUSY"), HasSubstr("processes")));
  for (const auto& [error, meaning] : {std::pair(EPERM, "root"),
                                       {EACCES, "root"},
                                       {EROFS, "root"},
                                       {ENOENT, "does not pass it on"}}) {
    groups_.refuses["/sys/fs/cgroup/pods/cgroup.subtree_control"] = error;
    ExpectRefused(AllOf(HasSubstr(ErrnoName(error)), HasSubstr(meaning)));
  }
}

TEST_F(Limiting, SaysWhatTheKernelRefusesWhenTheLimitIsWritten) {
  AllPassItOn();
  for (const auto& [error, meaning] : {std::pair(EINVAL, "does not know that region"),
                                       {ENOMEM, "no memory left"},
                                       {EACCES, "root"},
                                       {EIO, "kernel's log"}}) {
    groups_.refuses["/sys/fs/cgroup/pods/pod1/container/dmem.max"] = error;
    ExpectRefused(AllOf(HasSubstr(ErrnoName(error)), HasSubstr(meaning)));
  }
}

TEST_F(Limiting, IsRefusedWhenTheCardHasNoDriverAnyMore) {
  AllPassItOn();
  const auto done = Limit(5, "drm/0000:09:00.0/vram0");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kGone);
  EXPECT_THAT(groups_.writes, IsEmpty());
}

TEST_F(Limiting, IsRefusedWhenTheKernelHasKeptAnotherValue) {
  AllPassItOn();
  groups_.keeps_what_is_written = false;
  ExpectRefused(HasSubstr("1024 bytes of drm/0000:03:00.0/vram0 were written and max is"));
}

TEST_F(Limiting, IsRefusedForAContainerWithoutAGroupOfItsOwn) {
  AllPassItOn();
  for (const char* text : {"0::/", "0::/../elsewhere", "0::/pods/..", "4:memory:/pods", ""}) {
    groups_.files["/proc/7/cgroup"] = text;
    ExpectRefused(HasSubstr("no control group"));
  }
  groups_.files.clear();
  ExpectRefused(HasSubstr("/proc/7/cgroup"));
}

TEST_F(Limiting, FindsTheHierarchyOfVersionTwo) {
  const auto root = [&](const std::string& mounts) {
    groups_.files["/proc/self/mountinfo"] = mounts;
    return UnifiedHierarchy(groups_).value_or("none");
  };
  EXPECT_EQ(root("31 23 0:27 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw"), kRoot);
  EXPECT_EQ(root("30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                 "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                 "32 30 0:28 /pods /elsewhere rw - cgroup2 none rw\n"
                 "33 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 none rw"),
            "/sys/fs/cgroup/unified");
  for (const char* text : {"", "31 - cgroup2 x", "31 23 0:27 / /a rw - ext4 x rw"}) {
    EXPECT_EQ(root(text), "none") << text;
  }
}

TEST(MemoryLimitTest, IsARegionAndBytes) {
  const auto limit = MemoryLimit::Parse("drm/0000:03:00.0/vram0=10737418240");
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->region, kGpu);
  EXPECT_EQ(limit->bytes, 10737418240);
  for (const char* text :
       {"", "=5", "x", "x=", "x=0", "x=-1", "x=1G", "a b=5", "a\nb=5", "x=99999999999999999999"}) {
    EXPECT_FALSE(MemoryLimit::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace drapci::plugin
