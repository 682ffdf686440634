// Journal records: what is accepted can be stored again and comes back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "driver/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace drapci::driver;
  const auto record = DecodeRecord({reinterpret_cast<const char*>(data), size});
  if (!record) {
    if (record.error().what.empty()) std::abort();
    return 0;
  }
  if (!CheckRecord(*record)) std::abort();
  const std::string text = EncodeRecord(*record);
  if (text.size() > kMaxRecordBytes) return 0;
  const auto again = DecodeRecord(text);
  if (!again || EncodeRecord(*again) != text) std::abort();
  return 0;
}
