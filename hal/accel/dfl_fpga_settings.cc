#include "hal/accel/dfl_fpga_settings.h"

#include <fmt/format.h>

#include <array>

#include "hal/accel/pci_settings.h"
#include "hal/base/log.h"
#include "hal/base/parse.h"
#include "hal/fpga/dfl.h"
#include "hal/fpga/image_store.h"
#include "hal/pci/node_users.h"
#include "hal/pci/sriov.h"

namespace drapci::hal {
namespace {

constexpr std::string_view kSlot = "slot", kNone = "none";
constexpr std::string_view kAfu = "afu=", kImage = "image=", kDigest = "sha256=";

struct SlotPlace {
  PciAddress card;
  int port = 0;
  static std::optional<SlotPlace> Parse(std::string_view text) {
    const size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto card = PciAddress::Parse(text.substr(0, slash));
    const auto port = ParseSlotName(text.substr(slash + 1));
    if (!card || !port || card->ToString() != text.substr(0, slash)) return std::nullopt;
    return SlotPlace{.card = *card, .port = *port};
  }
  std::string ToString() const { return fmt::format("{}/{}", card.ToString(), SlotName(port)); }
};

class ImageSetting : public Setting {
 public:
  explicit ImageSetting(Host& host) : host_(host) {}

  Result<std::string> Probe(std::string_view target) const override {
    DRAPCI_TRY(const Slot slot, Find(target));
    SlotImage now;
    DRAPCI_TRY(const std::optional<std::string> afu, ReadAfuId(host_.sysfs, slot.port));
    if (!afu) return now.ToString();
    now.afu = *afu;
    if (host_.images == nullptr) return now.ToString();
    for (const Image& image : host_.images->FindAfu(now.afu)) {
      // Of another interface it cannot be in this slot.
      if (image.header.interface_uuid != slot.card.compat_id) continue;
      now.image = ImageRequest{.name = image.name, .digest = image.digest};
      break;
    }
    return now.ToString();
  }

  Result<> Apply(std::string_view target, std::string_view value, MonotonicTime deadline) override {
    DRAPCI_TRY(const Slot slot, Find(target));
    const auto want = SlotImage::Parse(value);
    if (!want) {
      return Fail(Code::kInvalid, fmt::format("'{}' is no value of {}", value, kSlotImageSetting));
    }
    if (!want->image) {
      return Fail(
          Code::kConflict,
          fmt::format("no image in the store is known to make what {} had, AFU {}: it keeps "
                      "what it has until something is programmed",
                      target, DashedUuid(want->afu)));
    }
    DRAPCI_TRY(const LoadedImage image, Load(slot, *want));
    DRAPCI_CHECK(CheckUnused(host_.sysfs, std::array{slot.port.node}, target));
    DRAPCI_CHECK(Program(slot, image));
    return CheckProgrammed(slot.place, *want, deadline);
  }

  bool Satisfies(std::string_view value, std::string_view want_text) const override {
    const auto now = SlotImage::Parse(value), want = SlotImage::Parse(want_text);
    return now && want && !now->afu.empty() && now->afu == want->afu;
  }

  bool Between(std::string_view now_text, std::string_view before_text,
               std::string_view want_text) const override {
    const auto now = SlotImage::Parse(now_text), before = SlotImage::Parse(before_text),
               want = SlotImage::Parse(want_text);
    return now && before && want &&
           (now->afu.empty() || now->afu == before->afu || now->afu == want->afu);
  }

 private:
  struct Slot {
    SlotPlace place;
    DflCard card;
    DflPort port;
  };

  // The slot as it is now. kGone when there is no such card, or its port is not there.
  Result<Slot> Find(std::string_view target) const {
    const auto place = SlotPlace::Parse(target);
    if (!place) {
      return Fail(Code::kInvalid,
                  fmt::format("'{}' is no target of {}", target, kSlotImageSetting));
    }
    return Find(*place);
  }
  Result<Slot> Find(const SlotPlace& place) const {
    DRAPCI_TRY(std::optional<DflCard> card, FindDfl(host_.sysfs, place.card));
    const DflPort* port = card ? card->Port(place.port) : nullptr;
    if (port == nullptr) {
      return Fail(Code::kGone, fmt::format("{} is not there: {}", place.ToString(),
                                           card ? "its port has been given to a virtual function"
                                                : "dfl-pci is not bound to the card"));
    }
    Slot slot{.place = place, .card = {}, .port = *port};
    slot.card = *std::move(card);
    return slot;
  }

  // The image, checked against the slot before the hardware sees a byte.
  Result<LoadedImage> Load(const Slot& slot, const SlotImage& want) const {
    const std::string target = slot.place.ToString();
    if (host_.images == nullptr) {
      return Fail(Code::kUnsupported, fmt::format("{}: there is no store of images", target));
    }
    auto image = host_.images->Load(want.image->name, want.image->digest);
    if (!image) {
      Error error = std::move(image).error().Within(target);
      if (error.code == Code::kNotFound) error.code = Code::kConflict;
      return Fail(std::move(error));
    }
    const GbsHeader& header = image->image.header;
    if (header.interface_uuid != slot.card.compat_id) {
      return Fail(Code::kConflict,
                  fmt::format("{}: image {} is made for interface {}, the slot has {}", target,
                              want.image->name, DashedUuid(header.interface_uuid),
                              slot.card.compat_id.empty() ? "none that the kernel tells"
                                                          : DashedUuid(slot.card.compat_id)));
    }
    if (header.afu_uuid != want.afu) {
      return Fail(Code::kConflict,
                  fmt::format("{}: image {} makes AFU {}, and {} is asked for", target,
                              want.image->name, DashedUuid(header.afu_uuid), DashedUuid(want.afu)));
    }
    return image;
  }

  // Holds the port meanwhile, so that nobody can open it; closing it resets it.
  Result<> Program(const Slot& slot, const LoadedImage& image) {
    const std::string target = slot.place.ToString();
    auto port = OpenPortAlone(host_.dev, slot.port);
    if (!port && port.error().sys == EBUSY) {
      const auto users = UsersOf(host_.sysfs, std::array{slot.port.node});
      return Fail(Code::kBusy,
                  fmt::format("{} is used by {}: stop it first", target,
                              users && !users->empty() ? NameUsers(*users) : "somebody else"));
    }
    if (!port) return std::unexpected(std::move(port).error());
    auto done = ProgramSlot(host_.dev, slot.card, slot.place.port, image.payload());
    if (done) return ResetPort(host_.dev, *port);
    Error error =
        std::move(done).error().Within(fmt::format("image {} into {}", image.image.name, target));
    if (const auto after = FindDfl(host_.sysfs, slot.place.card); after && *after) {
      const FpgaManager& manager = (*after)->manager;
      if (!manager.state.empty()) error.what += fmt::format("; manager: {}", manager.state);
      if (!manager.status.empty()) error.what += fmt::format(", {}", manager.status);
    }
    return Fail(std::move(error));
  }

  Result<> CheckProgrammed(const SlotPlace& place, const SlotImage& want, MonotonicTime deadline) {
    DRAPCI_TRY(Slot slot, Find(place));
    DRAPCI_TRY(std::optional<std::string> afu, ReadAfuId(host_.sysfs, slot.port));
    if (!afu) {
      DRAPCI_CHECK(ReleaseFromReset(slot, deadline));
      DRAPCI_TRY(slot, Find(place));
      DRAPCI_TRY(afu, ReadAfuId(host_.sysfs, slot.port));
    }
    if (afu && *afu == want.afu) return {};
    return Fail(Code::kIo, fmt::format("{} was programmed with AFU {} and has {}", place.ToString(),
                                       DashedUuid(want.afu),
                                       afu ? DashedUuid(*afu) : "none: it is held in reset"));
  }

  // An earlier programming has failed: the driver counts one disabling too many, and forgets it
  // only when it lets go of the card (drivers/fpga/dfl-afu-main.c __afu_port_disable). Other slots
  // would lose their nodes, and whoever holds them is not known here.
  Result<> ReleaseFromReset(const Slot& slot, MonotonicTime deadline) {
    const std::string card = slot.place.card.ToString();
    const auto vfs = CountVfs(host_.sysfs, slot.place.card);
    if (slot.card.ports_num != 1 || vfs.value_or(0) != 0) {
      return Fail(
          Code::kIo,
          fmt::format("{} has the image and is held in reset since a programming has failed: "
                      "unbind and bind {} (dfl-pci) when no slot of it is in use",
                      slot.place.ToString(), card));
    }
    DRAPCI_CHECK(CheckUnused(host_.sysfs, std::array{slot.port.node, slot.card.fme_node}, card));
    Log(LogLevel::kWarning, "{} is held in reset: binding {} anew", slot.place.ToString(), card);
    DRAPCI_TRY(const DriverBinding bound, ReadBinding(host_.sysfs, slot.place.card));
    DRAPCI_CHECK(ApplyBinding(host_, slot.place.card,
                              {.driver = {}, .driver_override = bound.driver_override}, deadline));
    return ApplyBinding(host_, slot.place.card, bound, deadline);
  }

  Host& host_;
};

}  // namespace

std::string SlotName(int port) { return fmt::format("{}{}", kSlot, port); }

std::optional<int> ParseSlotName(std::string_view name) {
  if (!name.starts_with(kSlot)) return std::nullopt;
  const auto port = ParseInt<int>(name.substr(kSlot.size()));
  if (!port || *port < 0 || *port >= kMaxDflPorts || SlotName(*port) != name) return std::nullopt;
  return port;
}

std::string SlotImage::ToString() const {
  std::string text = fmt::format("{}{}", kAfu, afu.empty() ? kNone : afu);
  if (image) text += fmt::format(" {}{} {}{}", kImage, image->name, kDigest, image->digest);
  return text;
}

std::optional<SlotImage> SlotImage::Parse(std::string_view text) {
  const std::vector<std::string_view> words = Split(text, ' ');
  if ((words.size() != 1 && words.size() != 3) || !words[0].starts_with(kAfu)) return std::nullopt;
  SlotImage value;
  if (const std::string_view afu = words[0].substr(kAfu.size()); afu != kNone) {
    const auto digits = ParseUuid(afu);
    if (!digits || *digits != afu) return std::nullopt;
    value.afu = *digits;
  }
  if (words.size() == 1) return value;
  if (value.afu.empty() || !words[1].starts_with(kImage) || !words[2].starts_with(kDigest)) {
    return std::nullopt;
  }
  value.image = ImageRequest{.name = std::string(words[1].substr(kImage.size())),
                             .digest = std::string(words[2].substr(kDigest.size()))};
  if (!IsImageName(value.image->name) || !IsImageDigest(value.image->digest)) return std::nullopt;
  return value;
}

void AddDflFpgaSettings(Host& host, SettingTable& table) {
  table.emplace(kSlotImageSetting, std::make_unique<ImageSetting>(host));
}

}  // namespace drapci::hal
