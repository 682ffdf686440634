#include "plugin/kube/curl_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace drapci::plugin::kube {
namespace {

constexpr const char* kFile = "libcurl.so.4";
constexpr std::string_view kAdvice = "install the package libcurl4 (Debian, Ubuntu)";

// dlerror() names the file and what is wrong with it.
std::string Complaint() {
  const char* text = ::dlerror();
  return text == nullptr ? kFile : text;
}

template <class Function>
Result<> Find(void* library, const char* name, Function& function) {
  void* symbol = ::dlsym(library, name);
  if (symbol == nullptr) {
    return Fail(Code::kUnsupported, fmt::format("libcurl: {}; {}", Complaint(), kAdvice));
  }
  function = reinterpret_cast<Function>(symbol);
  return {};
}

}  // namespace

Result<std::shared_ptr<const CurlLibrary>> CurlLibrary::Load() {
  void* library = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    return Fail(Code::kUnsupported,
                fmt::format("Kubernetes needs libcurl: {}; {}", Complaint(), kAdvice));
  }
  std::shared_ptr<CurlLibrary> curl(new CurlLibrary);
  DRAPCI_CHECK(curl->Resolve(library));
  if (const CURLcode status = curl->global_init(CURL_GLOBAL_DEFAULT); status != CURLE_OK) {
    return Fail(Code::kInternal,
                fmt::format("libcurl cannot start: {}", curl->easy_strerror(status)));
  }
  curl->initialised_ = true;
  return curl;
}

CurlLibrary::~CurlLibrary() {
  if (initialised_) global_cleanup();
}

Result<> CurlLibrary::Resolve(void* library) {
  DRAPCI_CHECK(Find(library, "curl_global_init", global_init));
  DRAPCI_CHECK(Find(library, "curl_global_cleanup", global_cleanup));
  DRAPCI_CHECK(Find(library, "curl_easy_init", easy_init));
  DRAPCI_CHECK(Find(library, "curl_easy_cleanup", easy_cleanup));
  DRAPCI_CHECK(Find(library, "curl_easy_setopt", easy_setopt));
  DRAPCI_CHECK(Find(library, "curl_easy_getinfo", easy_getinfo));
  DRAPCI_CHECK(Find(library, "curl_easy_strerror", easy_strerror));
  DRAPCI_CHECK(Find(library, "curl_slist_append", slist_append));
  DRAPCI_CHECK(Find(library, "curl_slist_free_all", slist_free_all));
  DRAPCI_CHECK(Find(library, "curl_multi_init", multi_init));
  DRAPCI_CHECK(Find(library, "curl_multi_cleanup", multi_cleanup));
  DRAPCI_CHECK(Find(library, "curl_multi_setopt", multi_setopt));
  DRAPCI_CHECK(Find(library, "curl_multi_add_handle", multi_add_handle));
  DRAPCI_CHECK(Find(library, "curl_multi_remove_handle", multi_remove_handle));
  DRAPCI_CHECK(Find(library, "curl_multi_socket_action", multi_socket_action));
  DRAPCI_CHECK(Find(library, "curl_multi_info_read", multi_info_read));
  DRAPCI_CHECK(Find(library, "curl_multi_strerror", multi_strerror));
  return {};
}

}  // namespace drapci::plugin::kube
