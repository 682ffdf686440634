// dfl-image [--raw] INTERFACE AFU: an image for the slots of a simulated FPGA card, to standard
// output; raw: what the engine gets of it.
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "hal/fpga/gbs.h"
#include "test/sim/drivers/dfl.h"

int main(int argc, char** argv) {
  std::span arguments(argv + 1, static_cast<size_t>(argc - 1));
  const bool raw = !arguments.empty() && std::string_view(arguments.front()) == "--raw";
  if (raw) arguments = arguments.subspan(1);
  const bool two = arguments.size() == 2;
  const auto interface = two ? drapci::hal::ParseUuid(arguments[0]) : std::nullopt;
  const auto afu = two ? drapci::hal::ParseUuid(arguments[1]) : std::nullopt;
  if (!interface || !afu) {
    std::fputs("usage: dfl-image [--raw] INTERFACE-UUID AFU-UUID > FILE.gbs\n", stderr);
    return 2;
  }
  constexpr size_t kSize = 20'000;
  const std::string image = raw ? drapci::sim::DflBitstream(*interface, *afu, kSize)
                                : drapci::sim::DflImage(*interface, *afu, kSize);
  return std::fwrite(image.data(), 1, image.size(), stdout) == image.size() ? 0 : 1;
}
