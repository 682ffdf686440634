// libcurl, loaded when it is first needed: a node without Kubernetes pays neither its memory (6 MB)
// nor its start (7 ms), and needs no package.
#pragma once

// The checks of curl_easy_setopt are macros around the names that are looked up here.
#ifndef CURL_DISABLE_TYPECHECK
#define CURL_DISABLE_TYPECHECK
#endif
#include <curl/curl.h>

#include <memory>

#include "hal/base/result.h"

namespace drapci::plugin::kube {

// The functions of libcurl by their names without "curl_". Once loaded, the library stays in the
// process: OpenSSL cannot be unloaded safely. Any thread.
class CurlLibrary {
 public:
  // kUnsupported says which package is missing.
  static Result<std::shared_ptr<const CurlLibrary>> Load();
  CurlLibrary(const CurlLibrary&) = delete;
  CurlLibrary& operator=(const CurlLibrary&) = delete;
  ~CurlLibrary();

  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_global_cleanup) global_cleanup = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
  decltype(&::curl_multi_init) multi_init = nullptr;
  decltype(&::curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&::curl_multi_setopt) multi_setopt = nullptr;
  decltype(&::curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&::curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&::curl_multi_socket_action) multi_socket_action = nullptr;
  decltype(&::curl_multi_info_read) multi_info_read = nullptr;
  decltype(&::curl_multi_strerror) multi_strerror = nullptr;

 private:
  CurlLibrary() = default;
  Result<> Resolve(void* library);

  bool initialised_ = false;
};

}  // namespace drapci::plugin::kube
