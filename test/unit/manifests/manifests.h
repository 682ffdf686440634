// The objects below plugin/manifests, as a cluster would get them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace drapci::plugin {

struct Manifest {
  std::string file;  // relative to plugin/manifests
  nlohmann::json object;
  std::string Name() const { return object.value("/metadata/name"_json_pointer, ""); }
  std::string Kind() const { return object.value("kind", ""); }
};

// Every document of every .yaml file, in the order of their names; kustomizations included. A file
// that cannot be read fails the test.
std::vector<Manifest> ReadManifests();

// Every document of one file, which is called `name`.
std::vector<Manifest> ReadManifest(const std::filesystem::path& path, const std::string& name);

// Those of one kind.
std::vector<Manifest> ManifestsOf(const std::string& kind);

// Every CEL expression within `value`, at any depth.
std::vector<std::string> CelExpressions(const nlohmann::json& value);

// Every opaque configuration's parameters within `value`, at any depth.
std::vector<nlohmann::json> OpaqueParameters(const nlohmann::json& value);

}  // namespace drapci::plugin
