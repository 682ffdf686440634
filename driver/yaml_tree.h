// YAML as a plain tree with line numbers, strictly: what a small, hand-written file needs.
//
// Refused, each with its line: syntax errors, duplicate keys, keys that are no text, anchors,
// aliases and tags, more than one document, tabs as indentation, bytes that are no UTF-8 text,
// files that are too large or too deep.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "driver/config.h"

namespace drapci::driver {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 0;                      // from 1
  std::string text = {};             // kScalar
  bool quoted = false;               // kScalar: in quotes or a block, so never a number or bool
  std::string key = {};              // what names this value in its map, unique there
  int key_line = 0;                  // from 1; 0: not in a map
  std::vector<YamlNode> items = {};  // kList, kMap: the values as written
};

// The document, kNull when there is none. After a syntax error the tree is empty and `errors` has
// that error alone; other errors leave out the part they concern. Pure. Never throws.
YamlNode ReadYaml(std::string_view yaml, std::vector<ConfigError>& errors);

}  // namespace drapci::driver
