// dfl-image INTERFACE AFU: an image for the slots of a simulated FPGA card, to standard output.
#include <cstdio>
#include <span>
#include <string>

#include "hal/fpga/gbs.h"
#include "test/sim/drivers/dfl.h"

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<size_t>(argc));
  const auto interface = argc == 3 ? drapci::hal::ParseUuid(arguments[1]) : std::nullopt;
  const auto afu = argc == 3 ? drapci::hal::ParseUuid(arguments[2]) : std::nullopt;
  if (!interface || !afu) {
    std::fputs("usage: dfl-image INTERFACE-UUID AFU-UUID > FILE.gbs\n", stderr);
    return 2;
  }
  const std::string image = drapci::sim::DflImage(*interface, *afu, 100'000);
  return std::fwrite(image.data(), 1, image.size(), stdout) == image.size() ? 0 : 1;
}
