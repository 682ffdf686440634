#include "driver/executor.h"

#include <fmt/format.h>

#include <ranges>

#include "hal/accel/net_settings.h"
#include "hal/base/log.h"

namespace drapci::driver {
namespace {

Result<hal::Setting*> FindSetting(const hal::SettingTable& settings, const std::string& name) {
  const auto found = settings.find(name);
  if (found == settings.end()) {
    return Fail(Code::kUnsupported,
                fmt::format("this version of drapcid does not know the setting '{}'", name));
  }
  return found->second.get();
}

}  // namespace

Result<Plan> Executor::FindBefore(const std::vector<WantedStep>& wanted,
                                  const RecordedStep& recorded) const {
  Plan plan;
  for (const auto& [accelerator, each] : wanted) {
    Step step{.accelerator = accelerator,
              .setting = each.setting,
              .target = each.target,
              .before = each.initially,
              .want = each.value,
              .shared = each.shared,
              .advisory = each.advisory};
    std::optional<Step> known;
    if (each.shared) known = recorded(accelerator, step.Key());
    if (known) {
      step = *std::move(known);
    } else {
      DRAPCI_TRY(hal::Setting * setting, FindSetting(settings_, each.setting));
      auto now = setting->Probe(each.target);
      if (now) {
        step.before = setting->Before(*now, each.value);
      } else if (now.error().code != Code::kGone || each.initially.empty()) {
        return Fail(std::move(now).error());
      }
    }
    plan.push_back(std::move(step));
  }
  return plan;
}

Result<> Executor::Bring(const Step& step, const std::string& value) const {
  DRAPCI_TRY(hal::Setting * setting, FindSetting(settings_, step.setting));
  DRAPCI_TRY(const std::string now, setting->Probe(step.target));
  if (setting->Satisfies(now, value)) return {};
  if (!setting->Between(now, step.before, step.want)) {
    return Fail(Code::kConflict,
                fmt::format("{} {} is '{}', neither '{}' nor '{}': somebody else has changed it",
                            step.setting, step.target, now, step.before, step.want));
  }
  Log(LogLevel::kInfo, "{} {}: {} -> {}", step.setting, step.target, now, value);
  DRAPCI_CHECK(setting->Apply(step.target, value, host_.clock.Now() + step_timeout_));
  DRAPCI_TRY(const std::string after, setting->Probe(step.target));
  if (setting->Satisfies(after, value)) return {};
  return Fail(Code::kIo, fmt::format("{} {} was set to '{}' and reads '{}'", step.setting,
                                     step.target, value, after));
}

Result<> Executor::ObservedBring(Observer::Work work, const Step& step,
                                 const std::string& value) const {
  if (observer_ == nullptr) return Bring(step, value);
  const auto begin = std::chrono::steady_clock::now();
  Result<> brought = Bring(step, value);
  observer_->StepFinished(work, step.accelerator, step.setting, brought.has_value(),
                          std::chrono::steady_clock::now() - begin);
  return brought;
}

// Many a kernel driver says ENODEV for other reasons as well: what can be read is there.
bool Executor::IsGone(const Step& step) const {
  const auto setting = FindSetting(settings_, step.setting);
  if (!setting) return false;
  const auto now = (*setting)->Probe(step.target);
  return !now && now.error().code == Code::kGone;
}

Result<> Executor::Do(const Plan& plan) const {
  for (const Step& step : plan) {
    auto brought = ObservedBring(Observer::Work::kPrepare, step, step.want);
    if (brought) continue;
    if (!step.advisory) return brought;
    Log(LogLevel::kWarning, "not enforced: {}", brought.error().what);
  }
  return {};
}

Result<> Executor::Undo(const Plan& plan, const std::function<bool(const Step&)>& keep) const {
  std::vector<std::pair<const Step*, Error>> open;
  for (const Step& step : plan | std::views::reverse) {
    if (keep(step)) continue;
    auto undone = ObservedBring(Observer::Work::kUnprepare, step, step.before);
    if (undone || (undone.error().code == Code::kGone && IsGone(step))) continue;
    if (undone.error().code == Code::kConflict || step.advisory) {
      Log(LogLevel::kWarning, "left as it is: {}", undone.error().what);
      continue;
    }
    Error error = std::move(undone).error().Within(
        fmt::format("cannot put {} of {} back to '{}'", step.setting, step.target, step.before));
    if (step.setting != hal::kVfSetting) return Fail(std::move(error));
    open.emplace_back(&step, std::move(error));
  }
  // Drivers set no rate while the cable is out. The settings of a VF go with it, if it has gone.
  for (auto& [step, error] : open) {
    DRAPCI_TRY(hal::Setting * setting, FindSetting(settings_, step->setting));
    const auto now = setting->Probe(step->target);
    if (!now && now.error().code == Code::kGone) continue;
    return Fail(std::move(error));
  }
  return {};
}

std::vector<std::pair<Step, std::string>> Executor::Check(const Plan& plan) const {
  std::vector<std::pair<Step, std::string>> wrong;
  for (const Step& step : plan) {
    if (step.advisory) continue;
    auto setting = FindSetting(settings_, step.setting);
    if (!setting) {
      wrong.emplace_back(step, setting.error().what);
      continue;
    }
    const auto now = (*setting)->Probe(step.target);
    if (!now) {
      wrong.emplace_back(step, now.error().what);
    } else if (!(*setting)->Satisfies(*now, step.want)) {
      wrong.emplace_back(step, fmt::format("is '{}', should be '{}'", *now, step.want));
    }
  }
  return wrong;
}

}  // namespace drapci::driver
