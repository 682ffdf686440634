#include "test/unit/manifests/manifests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "plugin/yaml_json.h"

namespace drapci::plugin {
namespace {

using nlohmann::json;

std::vector<std::string> Documents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  constexpr std::string_view kSeparator = "\n---\n";
  std::vector<std::string> documents;
  for (size_t from = text.starts_with("---\n") ? 4 : 0;;) {
    const size_t to = text.find(kSeparator, from);
    documents.push_back(text.substr(from, to - from));
    if (to == std::string::npos) return documents;
    from = to + kSeparator.size();
  }
}

template <class Visitor>
void Visit(const json& value, const Visitor& visitor) {
  visitor(value);
  if (!value.is_structured()) return;
  for (const json& item : value) Visit(item, visitor);
}

}  // namespace

std::vector<Manifest> ReadManifests() {
  const std::filesystem::path root = DRAPCI_MANIFESTS;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<Manifest> manifests;
  for (const auto& path : paths) {
    std::ranges::move(ReadManifest(path, path.lexically_relative(root)),
                      std::back_inserter(manifests));
  }
  return manifests;
}

std::vector<Manifest> ReadManifest(const std::filesystem::path& path, const std::string& name) {
  std::vector<Manifest> manifests;
  for (const std::string& document : Documents(path)) {
    const auto text = YamlToJson(document);
    if (!text) {
      ADD_FAILURE() << name << ": " << text.error().what;
      continue;
    }
    manifests.push_back({.file = name, .object = json::parse(*text)});
  }
  return manifests;
}

std::vector<Manifest> ManifestsOf(const std::string& kind) {
  std::vector<Manifest> manifests = ReadManifests();
  std::erase_if(manifests, [&](const Manifest& each) { return each.Kind() != kind; });
  return manifests;
}

std::vector<std::string> CelExpressions(const json& value) {
  std::vector<std::string> expressions;
  Visit(value, [&](const json& each) {
    if (each.is_object() && each.contains("cel")) {
      expressions.push_back(each["cel"].value("expression", ""));
    }
  });
  return expressions;
}

std::vector<json> OpaqueParameters(const json& value) {
  std::vector<json> parameters;
  Visit(value, [&](const json& each) {
    if (each.is_object() && each.contains("opaque")) {
      EXPECT_EQ(each["opaque"].value("driver", ""), "dra.pci");
      parameters.push_back(each["opaque"].value("parameters", json()));
    }
  });
  return parameters;
}

}  // namespace drapci::plugin
