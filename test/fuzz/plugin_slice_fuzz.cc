// ResourceSlices as somebody may have stored them: reading one never fails badly, and what has been
// read is written back and found again, or deleted.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plugin/slices/reconcile.h"
#include "plugin/text.h"

namespace slices = drapci::plugin::slices;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const void* bytes = data;
  const auto slice = slices::DecodeSlice({static_cast<const char*>(bytes), size});
  if (!slice) {
    const std::string line = drapci::plugin::OneLine(slice.error());
    if (line.empty() || line.find('\n') != std::string::npos) std::abort();
    return 0;
  }
  const slices::Owner owner{.driver_name = "dra.pci", .node_name = "node1", .node_uid = "uid"};
  const std::string text =
      slices::EncodeSlice(owner, slice->pool, slice->generation, 1, 0, slice->content, &*slice);
  const auto again = slices::DecodeSlice(text);
  // What has been read as foreign need not come back as it was.
  if (!again || (!slice->foreign && !slices::SameContent(slice->content, again->content))) {
    std::abort();
  }
  slices::SliceContent empty;
  const auto writes =
      slices::Reconcile(owner, {{.name = slice->pool, .slices = {empty}}}, {*slice});
  if (writes.size() > 2) std::abort();
  return 0;
}
