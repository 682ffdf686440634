// NVML, loaded at run time: opened and initialized by the first call, again after the driver was
// loaded anew, shut down by Release().
//
// Any thread: calls run side by side; opening and closing wait for the calls under way. Work is a
// function of a Session, and is run a second time, on the library initialized anew, when it fails
// because the library has lost its driver or has not seen a GPU that came later. The failure means
// that nothing had been done.
#pragma once

#include <shared_mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "hal/nvml/abi.h"
#include "hal/nvml/codes.h"
#include "hal/pci/address.h"

namespace drapci::hal::nvml {

// The initialized library during one piece of work. One thread.
class Session {
 public:
  explicit Session(const Functions& functions, uint64_t opening = 0)
      : functions_(functions), opening_(opening) {}

  // Calls `function`: Call(&Functions::DeviceGetName, device, text, size). kFunctionNotFound when
  // the library has none.
  template <class Signature, class... Arguments>
  Return Call(Signature* Functions::* function, Arguments... arguments) const {
    return functions_.*function ? (functions_.*function)(arguments...) : kFunctionNotFound;
  }

  // Success, or the error in `context`. Remembers whether a new initialization may help.
  Result<> Check(Return code, std::string_view context);

  // The handle of a GPU. Never kept.
  Result<Device> Find(const PciAddress& gpu);

  bool stale() const { return stale_; }
  // Which loading of the library this is: objects of an earlier one are gone.
  uint64_t opening() const { return opening_; }

 private:
  const Functions& functions_;
  const uint64_t opening_;
  bool stale_ = false;
};

class Library {
 public:
  // `path`: absolute, or a name for the loader to search. Nothing is opened yet.
  explicit Library(std::string path) : path_(std::move(path)) {}
  ~Library() { Release(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // The result of `work`, a Result<T>(Session&).
  template <class Work>
  std::invoke_result_t<Work, Session&> Run(Work work) {
    uint64_t stale = 0;  // the opening that is not good any more; they are counted from 1
    for (int tries = 0;;) {
      DRAPCI_CHECK(Ensure(stale));
      std::shared_lock lock(mutex_);
      if (!handle_) continue;  // released since
      Session session(functions_, opened_);
      auto result = work(session);
      if (result || !session.stale() || ++tries == 2) return result;
      stale = opened_;
    }
  }

  // The same on the library as it is; kBusy while it is not loaded.
  template <class Work>
  std::invoke_result_t<Work, Session&> RunIfOpen(Work work) {
    std::shared_lock lock(mutex_);
    if (!handle_) return Fail(Code::kBusy, "NVML is not loaded now");
    Session session(functions_, opened_);
    return work(session);
  }

  // Shuts the library down and unloads it. Waits for work under way.
  void Release();

 private:
  // Opens the library unless it is open, and anew when it is still the opening `stale`.
  Result<> Ensure(uint64_t stale);
  Result<> Open();  // the lock is held
  void Close();     // the lock is held

  const std::string path_;
  std::shared_mutex mutex_;
  void* handle_ = nullptr;
  uint64_t opened_ = 0;  // how often
  Functions functions_;
};

}  // namespace drapci::hal::nvml
