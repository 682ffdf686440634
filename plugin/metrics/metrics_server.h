// GET /metrics on a unix socket or a loopback address.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "hal/base/result.h"
#include "hal/base/unique_fd.h"
#include "plugin/metrics/http_library.h"

namespace drapci::plugin::metrics {

// A listening socket at `address`, an absolute path (mode 0660, of that group) or IP:PORT. kBusy
// when somebody else listens there.
Result<UniqueFd> Listen(const std::string& address, const std::string& group);

// One thread waits for the first caller; then one of libmicrohttpd's serves, with limits on
// connections, memory and time. Without the library the first caller costs a log line.
class MetricsServer {
 public:
  // `scrape` makes the text, on the server's thread; what it throws is a 500.
  static Result<std::unique_ptr<MetricsServer>> Start(UniqueFd listener,
                                                      std::function<std::string()> scrape);
  // Waits for the scrape that is under way.
  ~MetricsServer();

 private:
  struct Handler;
  MetricsServer(UniqueFd listener, UniqueFd stop, std::function<std::string()> scrape);
  void AwaitCaller();
  Result<> Serve();

  UniqueFd listener_;
  const UniqueFd stop_;  // an eventfd
  const std::function<std::string()> scrape_;
  std::unique_ptr<const HttpLibrary> http_;
  MHD_Daemon* daemon_ = nullptr;  // once the thread has ended
  std::thread waiting_;
};

}  // namespace drapci::plugin::metrics
