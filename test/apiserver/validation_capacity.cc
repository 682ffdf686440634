#include <fmt/format.h>

#include <vector>

#include "test/apiserver/fields.h"
#include "test/apiserver/quantity.h"
#include "test/apiserver/validation.h"

namespace drapci::apiserver {
namespace {

// One capacity with its policy; numbers in the unit in which the version calculates.
class PolicyCheck {
 public:
  PolicyCheck(const Gates& gates, std::string path, const json& capacity, Causes& causes)
      : milli_(gates.On("DRAFractionalCapacityRange")),
        path_(std::move(path)),
        policy_(At(capacity, "requestPolicy")),
        value_(Amount(capacity, "value")),
        causes_(causes) {}

  void Run() {
    const bool values = Has(policy_, "validValues"), range = Has(policy_, "validRange");
    if (values && range) {
      causes_.Forbidden(path_,
                        "exactly one policy can be specified, cannot specify `validValues` "
                        "and `validRange` at the same time");
    }
    if ((values || range) && !Has(policy_, "default")) {
      causes_.Required(path_ + ".default", "required when validValues or validRange is defined");
      return;
    }
    if (Has(policy_, "default") && Amount(policy_, "default") > value_) {
      Wrong(path_ + ".default", At(policy_, "default"), "is larger than the capacity");
    }
    if (values) Values(List(policy_, "validValues"));
    if (range) Range(At(policy_, "validRange"));
  }

 private:
  Int128 Amount(const json& holder, std::string_view field) const {
    return Amount(At(holder, field));
  }
  Int128 Amount(const json& text) const {
    const auto quantity = Quantity::Parse(text.is_string() ? text.get<std::string>() : "");
    if (!quantity) return 0;
    return milli_ ? quantity->Milli() : quantity->Value();
  }
  void Wrong(const std::string& path, const json& value, std::string_view why) {
    causes_.Invalid(path, value.is_string() ? value.get<std::string>() : "", why);
  }

  void Values(const json& values) {
    bool has_default = false;
    if (values.size() > 10) causes_.TooMany(path_ + ".validValues", values.size(), 10);
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string where = fmt::format("{}.validValues[{}]", path_, i);
      has_default = has_default || Amount(values[i]) == Amount(policy_, "default");
      if (Amount(values[i]) > value_) Wrong(where, values[i], "is larger than the capacity");
      if (i > 0 && Amount(values[i]) == Amount(values[i - 1])) {
        causes_.Duplicate(where, values[i].get<std::string>());
      } else if (i > 0 && Amount(values[i]) < Amount(values[i - 1])) {
        Wrong(where, values[i], "values must be sorted in ascending order");
      }
    }
    if (!has_default) {
      Wrong(path_ + ".default", At(policy_, "default"), "is not one of validValues");
    }
  }

  void Range(const json& range) {
    const std::string path = path_ + ".validRange";
    if (!Has(range, "min")) {
      causes_.Required(path + ".min", "required when validRange is defined");
      return;
    }
    const Int128 min = Amount(range, "min"), start = Amount(policy_, "default");
    if (min > value_) Wrong(path + ".min", At(range, "min"), "is larger than the capacity");
    if (start < min) Wrong(path_ + ".default", At(policy_, "default"), "is less than min");
    if (Has(range, "max")) {
      const Int128 max = Amount(range, "max");
      if (min > max) Wrong(path + ".min", At(range, "min"), "is larger than max");
      if (max > value_) Wrong(path + ".max", At(range, "max"), "is larger than the capacity");
      if (start > max) Wrong(path_ + ".default", At(policy_, "default"), "is more than max");
    }
    if (Has(range, "step")) Step(path, range, min);
  }

  void Step(const std::string& path, const json& range, Int128 min) {
    const Int128 step = Amount(range, "step");
    if (step <= 0) {  // the real one divides by it
      Wrong(path + ".step", At(range, "step"), "must be greater than zero");
      return;
    }
    if (min + step > value_)
      Wrong(path + ".step", At(range, "step"),
            "one step is not within the "
            "capacity");
    if ((Amount(policy_, "default") - min) % step != 0) {
      Wrong(path_ + ".default", At(policy_, "default"), "is not a multiple of step from min");
    }
    if (Has(range, "max") && (Amount(range, "max") - min) % step != 0) {
      Wrong(path + ".max", At(range, "max"), "is not a multiple of step from min");
    }
  }

  bool milli_;
  std::string path_;
  const json& policy_;
  Int128 value_;
  Causes& causes_;
};

}  // namespace

void CheckCapacity(const Gates& gates, const std::string& path, bool multiple, const json& capacity,
                   Causes& causes) {
  if (!Has(capacity, "value")) causes.Required(path + ".value");
  if (!Has(capacity, "requestPolicy")) return;
  if (!multiple) {
    causes.Forbidden(path + ".requestPolicy",
                     "requestPolicy must not be specified when allowMultipleAllocations is not "
                     "true");
    return;
  }
  PolicyCheck(gates, path + ".requestPolicy", capacity, causes).Run();
}

}  // namespace drapci::apiserver
