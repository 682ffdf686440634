#include "hal/fpga/image_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/sim/drivers/dfl.h"
#include "test/unit/os/temporary_directory.h"

namespace drapci::hal {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kInterface = "69528db6eb31577a8c3668f9faa081f6";
constexpr std::string_view kAfu = "d8424dc4a4a3c413f89e433683f9040b";
constexpr std::string_view kOther = "56e203e9864f49a7b94b12284c31e02b";

class Store : public testing::Test {
 protected:
  Store() {
    ::umask(022);
    dir_.Put("nlb.gbs", sim::DflImage(kInterface, kAfu));
  }
  std::string Why(const std::string& name) const {
    const auto image = store_.Find(name);
    return image ? "accepted"
                 : std::string(CodeName(image.error().code)) + ": " + image.error().what;
  }
  void Mode(const std::string& name, mode_t mode) const {
    ASSERT_EQ(::chmod((dir_ / name).c_str(), mode), 0);
  }

  test::TemporaryDirectory dir_;
  ImageStore store_{dir_.path(), ::getuid()};
};

TEST_F(Store, FindsAnImageByName) {
  const Image image = store_.Find("nlb.gbs").value();
  EXPECT_EQ(image.header.afu_uuid, kAfu);
  EXPECT_TRUE(IsImageDigest(image.digest));
  EXPECT_THAT(Why("none.gbs"), HasSubstr("not found: there is no image 'none.gbs' in "));
}

TEST_F(Store, TheDigestIsSha256) {
  dir_.Put("nlb.gbs", sim::DflImage(kInterface, kAfu) + "x");
  const std::string digest = store_.Find("nlb.gbs")->digest;
  const std::string command = "sha256sum " + dir_ / "nlb.gbs";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text(64, '\0');
  ASSERT_EQ(::fread(text.data(), 1, text.size(), pipe), text.size());
  ::pclose(pipe);
  EXPECT_EQ(digest, text);
}

TEST_F(Store, FindsImagesByTheirAfu) {
  dir_.Put("a.gbs", sim::DflImage(kInterface, kAfu));
  dir_.Put("b.gbs", sim::DflImage(kInterface, kOther));
  dir_.Put("broken.gbs", "XeonFPGA");
  dir_.Put("README", "these are images");
  EXPECT_THAT(store_.FindAfu(kAfu),
              ElementsAre(Field(&Image::name, "a.gbs"), Field(&Image::name, "nlb.gbs")));
  EXPECT_THAT(ImageStore("/nonexistent").FindAfu(kAfu), IsEmpty());
}

TEST_F(Store, AnImageThatOthersCanChangeIsRefused) {
  Mode("nlb.gbs", 0664);
  EXPECT_THAT(Why("nlb.gbs"), HasSubstr("denied"));
  EXPECT_THAT(Why("nlb.gbs"), HasSubstr("chmod go-w"));
  EXPECT_THAT(store_.FindAfu(kAfu), IsEmpty());
  Mode("nlb.gbs", 0644);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  EXPECT_THAT(Why("nlb.gbs"), HasSubstr("chmod go-w"));
}

TEST_F(Store, AnImageOfSomebodyElseIsRefused) {
  EXPECT_EQ(ImageStore(dir_.path(), ::getuid() + 1).Find("nlb.gbs").error().code, Code::kDenied);
}

TEST_F(Store, LinksAndWhatIsNoFileAreNotFollowed) {
  dir_.Link("link.gbs", "nlb.gbs");
  dir_.Put("directory/file", "");
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(Why("link.gbs"), HasSubstr("is a link"));
  EXPECT_THAT(Why("directory"), HasSubstr("no plain file"));
  EXPECT_THAT(Why("fifo"), HasSubstr("no plain file"));
  dir_.Link("images", dir_.path());
  EXPECT_FALSE(ImageStore(dir_ / "images", ::getuid()).Find("nlb.gbs"));
}

TEST_F(Store, ANameCannotLeaveTheDirectory) {
  for (const char* name : {"", ".", "..", "../nlb.gbs", "a/b", ".hidden", "A", "a b"}) {
    EXPECT_THAT(Why(name), HasSubstr("an image's name is")) << name;
  }
  EXPECT_THAT(Why(std::string(65, 'a')), HasSubstr("1 to 64"));
}

TEST_F(Store, LoadsWhatWasFoundAndNothingElse) {
  const Image image = store_.Find("nlb.gbs").value();
  const LoadedImage loaded = store_.Load("nlb.gbs", image.digest).value();
  EXPECT_EQ(loaded.image, image);
  const auto payload = loaded.payload();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(payload.data()), payload.size()),
            sim::DflBitstream(kInterface, kAfu));
  dir_.Put("nlb.gbs", sim::DflImage(kInterface, kOther));
  const auto changed = store_.Load("nlb.gbs", image.digest);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Code::kNotFound);
  EXPECT_THAT(changed.error().what, HasSubstr("is another one now"));
}

TEST_F(Store, SeesThatAFileHasChanged) {
  const Image before = store_.Find("nlb.gbs").value();
  dir_.Put("nlb.gbs", sim::DflImage(kInterface, kOther, 5000));
  const Image after = store_.Find("nlb.gbs").value();
  EXPECT_EQ(after.header.afu_uuid, kOther);
  EXPECT_NE(after.digest, before.digest);
}

}  // namespace
}  // namespace drapci::hal
