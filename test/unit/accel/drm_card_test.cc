#include "hal/accel/drm_card.h"

#include <gmock/gmock.h>

#include "test/unit/accel/board_machine.h"
#include "test/unit/accel/look.h"

namespace drapci::hal {
namespace {

using test::Look;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kNpu[] = "0000:00:0b.0", kGaudi[] = "0000:17:00.0", kGpu[] = "0000:65:00.0";

class DrmCard : public test::BoardMachine {
 protected:
  void SetUp() override { Load("accel"); }
  std::string Attribute(const Accelerator& card, const std::string& name) {
    const auto attributes = Look(card)->attributes;
    const auto found = attributes.find(name);
    if (found == attributes.end()) return "<none>";
    const auto* number = std::get_if<int64_t>(&found->second);
    return number != nullptr ? std::to_string(*number) : std::get<std::string>(found->second);
  }
};

TEST_F(DrmCard, SaysWhoServesItAndWhoMayOpenIt) {
  machine_->kernel.SetNode({.path = "/dev/dri/renderD128", .permissions = 0660, .group = 106});
  const auto gpu = Make(kGpu);
  EXPECT_EQ(gpu->family(), "drm");
  EXPECT_EQ(Attribute(*gpu, "drm_driver"), "simgpu");
  EXPECT_EQ(Attribute(*gpu, "drm_version"), "2.3.1");
  EXPECT_EQ(Attribute(*gpu, "card_node"), "/dev/dri/card0");
  EXPECT_EQ(Attribute(*gpu, "render_node"), "/dev/dri/renderD128");
  EXPECT_EQ(Attribute(*gpu, "node_mode"), "0660");
  EXPECT_EQ(Attribute(*gpu, "node_group"), "106");
  EXPECT_EQ(Attribute(*Make(kNpu), "accel_node"), "/dev/accel/accel0");
  EXPECT_EQ(Attribute(*Make(kNpu), "drm_driver"), "intel_vpu");
}

TEST_F(DrmCard, IsNotOpenedWhereThatDoesSomething) {
  const auto gaudi = Make(kGaudi);
  EXPECT_EQ(Attribute(*gaudi, "model"), "GAUDI2");
  EXPECT_EQ(Attribute(*gaudi, "drm_driver"), "<none>");
  EXPECT_EQ(Read("/sys/bus/pci/devices/0000:17:00.0/hard_reset_cnt"), "0");
  const std::string power = "/sys/bus/pci/devices/0000:00:0b.0/power/runtime_status";
  machine_->kernel.SetFile(power, "suspended\n");
  const auto npu = Make(kNpu);
  EXPECT_EQ(Attribute(*npu, "drm_driver"), "<none>");
  machine_->kernel.SetFile(power, "active\n");
  EXPECT_EQ(Attribute(*npu, "drm_driver"), "intel_vpu");
  machine_->kernel.SetFile(power, "suspended\n");
  EXPECT_EQ(Attribute(*npu, "drm_driver"), "intel_vpu") << "it has said so";
}

TEST_F(DrmCard, ThatShowsAPictureIsNotGiven) {
  EXPECT_EQ(Look(*Make(kGpu))->unusable, "");
  Load("accel:monitor=enabled");
  EXPECT_THAT(Look(*Make(kGpu))->unusable, HasSubstr("shows a picture on card0-DP-1"));
}

TEST_F(DrmCard, GivesWhatComputesAndNothingOfADisplay) {
  const auto edits = [&](const char* card) {
    return Make(card)->Edits({}, machine_->clock.Now()).value().device_nodes;
  };
  EXPECT_THAT(edits(kGpu), ElementsAre("/dev/dri/card0", "/dev/dri/renderD128"));
  EXPECT_THAT(edits(kGaudi), ElementsAre("/dev/accel/accel1", "/dev/accel/accel_controlD1"));
}

}  // namespace
}  // namespace drapci::hal
