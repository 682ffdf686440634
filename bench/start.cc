// start: from exec to READY=1, and the memory of a daemon that has nothing to do.
#include <fmt/format.h>

#include "bench/stats.h"
#include "test/node/support/node.h"

namespace drapci::bench {
namespace {

constexpr int kStarts = 20;

Result<> Run(const std::string& directory) {
  const test::Scratch scratch(directory);
  test::Node node(test::Programs::FromEnvironment(), scratch, {});
  Samples samples;
  std::string memory;
  for (int i = 0; i < kStarts; ++i) {
    DRAPCI_CHECK(node.Start());
    samples.push_back(static_cast<double>(node.start_time().count()));
    memory = test::ResidentMemory(node.pid());
    DRAPCI_CHECK(node.Stop());
  }
  PrintHeadings();
  PrintRow("exec to READY=1", 1, 0, samples);
  fmt::print("resident when idle: {}\n", memory);
  return {};
}

}  // namespace
}  // namespace drapci::bench

int main(int argc, char** argv) {
  if (auto done = drapci::bench::Run(argc > 1 ? argv[1] : "/var/tmp"); !done) {
    fmt::print(stderr, "start: {}\n", done.error().what);
    return 1;
  }
  return 0;
}
