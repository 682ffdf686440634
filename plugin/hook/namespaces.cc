// drapci-namespaces: started by drapci-namespaces.socket for each caller, with the connection as
// standard input. Gives it an rtnetlink socket of each network namespace, and ends.
#include <fmt/format.h>
#include <unistd.h>

#include <exception>

#include "hal/os/namespace_helper.h"

int main() {
  try {
    drapci::hal::KernelNetworkNamespaces namespaces;
    if (const auto done = drapci::hal::ServeNamespaces(namespaces, STDIN_FILENO); !done) {
      fmt::print(stderr, "drapci-namespaces: {}\n", done.error().what);
      return 1;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "drapci-namespaces: {}\n", error.what());
    return 1;
  }
  return 0;
}
