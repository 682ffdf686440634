#include "hal/pci/node_users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/sim/fake_host.h"

namespace drapci::hal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class NodeUsers : public testing::Test {
 protected:
  void Process(int pid, const std::string& name, const std::string& file) {
    const std::string dir = "/proc/" + std::to_string(pid);
    machine_.kernel.SetFile(dir + "/comm", name + "\n");
    machine_.kernel.SetLink(dir + "/fd/7", file);
  }
  std::vector<NodeUser> Users() { return UsersOf(machine_.sysfs, kNodes).value(); }

  static inline const std::vector<std::string> kNodes{"/dev/dri/card0", "/dev/dri/renderD128"};
  sim::FakeHost machine_;
};

TEST_F(NodeUsers, AreTheProcessesThatHaveOneOfTheNodesOpen) {
  Process(300, "other", "/dev/dri/renderD129");
  Process(42, "ollama", "/dev/dri/renderD128");
  Process(7, "Xorg", "/dev/dri/card0");
  EXPECT_THAT(Users(), ElementsAre(NodeUser{7, "Xorg"}, NodeUser{42, "ollama"}));
}

TEST_F(NodeUsers, AreNobodyWhereThereIsNoNode) {
  Process(42, "ollama", "/dev/dri/renderD128");
  EXPECT_THAT(UsersOf(machine_.sysfs, {}).value(), IsEmpty());
}

TEST_F(NodeUsers, AreNotUdevsWorkers) {
  Process(8, "(udev-worker)", "/dev/dri/card0");
  EXPECT_THAT(Users(), IsEmpty());
}

TEST_F(NodeUsers, AreNotThoseThatEndMeanwhile) {
  machine_.kernel.SetLink("/proc/9/fd/3", "/dev/dri/card0");  // its name is gone already
  EXPECT_THAT(Users(), IsEmpty());
}

TEST_F(NodeUsers, AreNamedInARefusal) {
  EXPECT_TRUE(CheckUnused(machine_.sysfs, kNodes, "0000:03:00.0"));
  Process(42, "ollama", "/dev/dri/renderD128");
  Process(43, "trainer", "/dev/dri/renderD128");
  const auto refused = CheckUnused(machine_.sysfs, kNodes, "0000:03:00.0");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_EQ(refused.error().what,
            "0000:03:00.0 is used by ollama (pid 42) and 1 more: stop it first");
}

}  // namespace
}  // namespace drapci::hal
