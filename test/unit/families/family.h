// The families and what every one of them is put through: one row each in families.cc.
//
// A row names a simulated board and some claims on it. The tests of this folder do to each claim
// what can happen to it: prepared and released, cut off at every change, every write refused, the
// card changed by somebody else, the card used by somebody else.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hal/accel/accelerator.h"

namespace drapci::test {

// Only every so many of trials that are alike: a sanitizer makes each of them ten times as long.
#if defined(__SANITIZE_THREAD__)
inline constexpr int kEvery = 8;
#elif defined(__SANITIZE_ADDRESS__)
inline constexpr int kEvery = 3;
#else
inline constexpr int kEvery = 1;
#endif

// One device of a claim.
struct Wish {
  std::string device;  // "pci-0000-02-00-0-vf0"
  hal::Access access = hal::Access::kKernel;
  std::optional<hal::NetworkRequest> network = {};
  std::map<std::string, int64_t> share = {};
  std::optional<hal::ImageRequest> image = {};
};

struct FamilyClaim {
  std::string name;  // in CamelCase: "SecondVfByKernel"
  std::vector<Wish> wishes;
  std::vector<Wish> other = {};  // of another claim, which is held before and after
  hal::AcceleratorPolicy policy = {};
  // What its CDI specification must contain.
  std::vector<std::string> in_cdi = {};
};

// What somebody else has done to a card that nobody holds, and what is said then.
struct Meddling {
  std::vector<std::pair<std::string, std::string>> writes;  // path and value
  std::string reason;
};

struct Family {
  std::string name;   // "sriov"
  std::string board;  // of test/sim/boards, with parameters: "sriov-nic:vfs=4"
  std::string card;   // "0000:02:00.0"
  std::vector<FamilyClaim> claims;
  std::optional<Meddling> meddling = {};
  // A node of the card, which somebody else has open: the first claim is refused then.
  std::string node = {};
  // Directories outside the card's own whose attributes claims change as well.
  std::vector<std::string> state = {};
  std::map<std::string, std::string> images = {};  // files of the image store: name -> content
};

std::span<const Family> AllFamilies();

// One claim of one family, as a parameter.
struct FamilyCase {
  const Family* family = nullptr;
  const FamilyClaim* claim = nullptr;
};
std::vector<FamilyCase> AllCases();
std::string NameOf(const FamilyCase& each);  // "sriov_SecondVfByKernel"
void PrintTo(const FamilyCase& each, std::ostream* out);

// Counts what was seen, for the table that is printed at the end.
void Count(const Family& family, const std::string& column, int more = 1);

}  // namespace drapci::test
