#include "plugin/cli/slices.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "plugin/cli/text.h"
#include "plugin/cli/yaml.h"

namespace drapci::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string AsList(const v1::GetSlicesResponse& answer) {
  Json list{{"apiVersion", "v1"}, {"kind", "List"}, {"items", Json::array()}};
  for (const std::string& slice : answer.slices()) {
    Json item = Json::parse(slice, nullptr, /*allow_exceptions=*/false);
    if (!item.is_discarded()) list["items"].push_back(std::move(item));
  }
  list["trouble"] = answer.trouble();
  list["dropped"] = Json::array();
  for (const std::string& dropped : answer.dropped()) list["dropped"].push_back(dropped);
  return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string RenderSlices(const v1::GetSlicesResponse& answer, Format format) {
  if (format == Format::kJson) return AsList(answer);
  std::string text;
  if (!answer.trouble().empty()) text += fmt::format("# {}\n", Printable(answer.trouble()));
  for (const std::string& dropped : answer.dropped()) {
    text += fmt::format("# {}\n", Printable(dropped));
  }
  for (const std::string& slice : answer.slices()) {
    if (Json::accept(slice)) text += "---\n" + JsonToYaml(slice);
  }
  return text;
}

}  // namespace drapci::cli
