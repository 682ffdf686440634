#include "test/sim/kernel/tree.h"

#include <cerrno>

#include "hal/base/parse.h"

namespace drapci::sim {
namespace {

constexpr int kMaxLinks = 40;  // MAXSYMLINKS, include/linux/namei.h

}  // namespace

Tree::Tree() {
  root_.id = next_id_++;
  by_id_[root_.id] = &root_;
}

std::expected<Tree::Node*, int> Tree::Find(std::string_view path, bool follow) const {
  // The tree hands out its nodes for change although looking one up changes nothing.
  Node* node = const_cast<Node*>(&root_);
  std::vector<std::string> rest;  // components to go, last one first
  auto push = [&rest](std::string_view text) {
    auto pieces = Split(text, '/');
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
      if (!piece->empty() && *piece != ".") rest.emplace_back(*piece);
    }
  };
  push(path);
  int links = 0;
  while (!rest.empty()) {
    std::string name = std::move(rest.back());
    rest.pop_back();
    if (node->type != FileType::kDirectory) return std::unexpected(ENOTDIR);
    if (name == "..") {
      if (node->parent != nullptr) node = node->parent;
      continue;
    }
    auto child = node->children.find(name);
    if (child == node->children.end()) return std::unexpected(ENOENT);
    Node* next = child->second.get();
    if (next->type == FileType::kLink && (follow || !rest.empty())) {
      if (++links > kMaxLinks) return std::unexpected(ELOOP);
      if (next->target.starts_with('/')) node = const_cast<Node*>(&root_);
      push(next->target);
      continue;
    }
    node = next;
  }
  return node;
}

Tree::Node* Tree::FindId(uint64_t id) const {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

std::string Tree::Path(const Node& node) {
  if (node.parent == nullptr) return "/";
  std::string path;
  for (const Node* at = &node; at->parent != nullptr; at = at->parent)
    path.insert(0, "/").insert(1, at->name);
  return path;
}

Tree::Node& Tree::Make(std::string_view path, FileType type) {
  Node* node = &root_;
  std::vector<std::string_view> names;
  for (std::string_view name : Split(path, '/')) {
    if (!name.empty()) names.push_back(name);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    bool last = i + 1 == names.size();
    FileType wanted = last ? type : FileType::kDirectory;
    auto child = node->children.find(names[i]);
    // A directory on the way may be reached through a link ("/sys/bus/pci/devices/<BDF>/...").
    if (child != node->children.end() && !last && child->second->type == FileType::kLink) {
      if (auto found = Find(Path(*child->second));
          found && (*found)->type == FileType::kDirectory) {
        node = *found;
        continue;
      }
    }
    if (child != node->children.end() && child->second->type != wanted) {
      Forget(*child->second);
      node->children.erase(child);
      child = node->children.end();
    }
    if (child == node->children.end()) {
      auto made = std::make_unique<Node>();
      made->type = wanted;
      made->parent = node;
      made->name = std::string(names[i]);
      made->id = next_id_++;
      by_id_[made->id] = made.get();
      child = node->children.emplace(made->name, std::move(made)).first;
    }
    node = child->second.get();
  }
  return *node;
}

Tree::Node& Tree::MakeDirectory(std::string_view path) { return Make(path, FileType::kDirectory); }

Tree::Node& Tree::MakeFile(std::string_view path, unsigned mode, Show show, Store store) {
  Node& node = Make(path, FileType::kFile);
  node.mode = mode;
  node.show = std::move(show);
  node.store = std::move(store);
  return node;
}

Tree::Node& Tree::MakeText(std::string_view path, std::string content, unsigned mode) {
  return MakeFile(path, mode, [content = std::move(content)] { return content; });
}

void Tree::MakeLink(std::string_view path, std::string target) {
  Node& node = Make(path, FileType::kLink);
  node.mode = 0777;
  node.target = std::move(target);
}

void Tree::MakeLinkTo(std::string_view path, std::string_view target) {
  auto from = Split(path.substr(1), '/');
  auto to = Split(target.substr(1), '/');
  size_t common = 0;
  while (common + 1 < from.size() && common < to.size() && from[common] == to[common]) ++common;
  std::string text;
  for (size_t i = common; i + 1 < from.size(); ++i) text += "../";
  for (size_t i = common; i < to.size(); ++i) {
    text += to[i];
    if (i + 1 < to.size()) text += '/';
  }
  MakeLink(path, std::move(text));
}

void Tree::Forget(Node& node) {
  by_id_.erase(node.id);
  for (auto& [name, child] : node.children) Forget(*child);
}

void Tree::Remove(std::string_view path) {
  auto found = Find(path, /*follow=*/false);
  if (!found || (*found)->parent == nullptr) return;
  Node* node = *found;
  Forget(*node);
  node->parent->children.erase(node->parent->children.find(node->name));
}

}  // namespace drapci::sim
