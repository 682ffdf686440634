// GNU libmicrohttpd, loaded when somebody scrapes for the first time: it brings GnuTLS with it, 3
// MB that a daemon nobody scrapes does not spend.
#pragma once

#include <microhttpd.h>

#include <memory>

#include "hal/base/result.h"

namespace drapci::plugin::metrics {

struct HttpLibrary {
  decltype(&MHD_start_daemon) start_daemon = nullptr;
  decltype(&MHD_stop_daemon) stop_daemon = nullptr;
  decltype(&MHD_create_response_from_buffer) create_response = nullptr;
  decltype(&MHD_add_response_header) add_header = nullptr;
  decltype(&MHD_queue_response) queue_response = nullptr;
  decltype(&MHD_destroy_response) destroy_response = nullptr;

  // kUnsupported says what is missing and how to install it. Stays loaded.
  static Result<std::unique_ptr<const HttpLibrary>> Load();
};

}  // namespace drapci::plugin::metrics
