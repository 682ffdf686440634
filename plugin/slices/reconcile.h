// From what is wanted and what is stored to the smallest set of writes. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hal/base/result.h"
#include "plugin/slices/model.h"

namespace drapci::plugin::slices {

struct Owner {
  std::string driver_name, node_name, node_uid;  // without a UID no ownerReference is set
};

// A ResourceSlice as stored.
struct StoredSlice {
  std::string name, uid, resource_version;
  std::string driver, node;
  std::string pool;
  int64_t generation = 0, slice_count = 0;
  SliceContent content;
  // Holds something that is never published from here, so it differs from everything wanted.
  bool foreign = false;
  std::string metadata;  // JSON, without managedFields: put back unchanged by an update
};

// kInvalid when the text is no ResourceSlice. Unknown fields are ignored. Never throws; fuzzed.
Result<StoredSlice> DecodeSlice(std::string_view json);

// A ResourceSlice as JSON: a new one (`stored` null, generateName "00000-DRIVER-NODE-") or the next
// version of a stored one.
std::string EncodeSlice(const Owner& owner, const std::string& pool, int64_t generation,
                        size_t slice_count, size_t index, const SliceContent& content,
                        const StoredSlice* stored);

struct Write {
  enum class Kind { kDelete, kUpdate, kCreate } kind = Kind::kCreate;
  std::string pool;
  size_t index = 0;                   // of the wanted slice
  std::optional<StoredSlice> stored;  // kDelete, kUpdate
  std::string body;  // kCreate, kUpdate; DeleteOptions with preconditions for kDelete
};

// Deletes first, then updates, then creates. Nothing when everything is as wanted. The generation
// grows only when more than one slice of a pool changes or their number does. Pools that are not
// wanted any more are deleted.
std::vector<Write> Reconcile(const Owner& owner, const std::vector<Pool>& wanted,
                             const std::vector<StoredSlice>& stored);

// What both say is the same: quantities by value, lists in order, a taint's time only where both
// have one, to the second.
bool SameContent(const SliceContent& one, const SliceContent& other);

// Which features `content` uses.
Features Used(const SliceContent& content);

// Which features the server has dropped from what was sent: false for those.
Features Kept(const SliceContent& sent, const SliceContent& answered);

}  // namespace drapci::plugin::slices
