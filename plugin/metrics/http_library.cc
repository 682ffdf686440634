#include "plugin/metrics/http_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace drapci::plugin::metrics {
namespace {

constexpr const char* kFile = "libmicrohttpd.so.12";
constexpr std::string_view kAdvice = "install the package libmicrohttpd12 (Debian, Ubuntu)";

Error Missing() {
  const char* text = ::dlerror();
  return {.code = Code::kUnsupported,
          .sys = 0,
          .what = fmt::format("metrics cannot be read without libmicrohttpd: {}; {}",
                              text == nullptr ? kFile : text, kAdvice)};
}

}  // namespace

Result<std::unique_ptr<const HttpLibrary>> HttpLibrary::Load() {
  void* library = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return Fail(Missing());
  auto http = std::make_unique<HttpLibrary>();
  bool found = true;
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(library, name));
    found = found && function != nullptr;
  };
  find("MHD_start_daemon", http->start_daemon);
  find("MHD_stop_daemon", http->stop_daemon);
  find("MHD_create_response_from_buffer", http->create_response);
  find("MHD_add_response_header", http->add_header);
  find("MHD_queue_response", http->queue_response);
  find("MHD_destroy_response", http->destroy_response);
  if (!found) return Fail(Missing());
  return std::unique_ptr<const HttpLibrary>(std::move(http));
}

}  // namespace drapci::plugin::metrics
