// The directories, links and attributes of the simulated sysfs (fs/kernfs): names only, no meaning.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace drapci::sim {

enum class FileType { kDirectory, kFile, kLink };

struct FileStatus {
  FileType type = FileType::kFile;
  unsigned mode = 0;  // permission bits
  unsigned uid = 0, gid = 0;
  uint64_t size = 0;  // 4096 for every text attribute, as sysfs says
  uint64_t inode = 0;
};

// Not thread-safe: the kernel model locks around it.
class Tree {
 public:
  // Show gives content or an errno; Store gets the value and the offset of the write, and answers 0
  // or an errno. A missing one behind mode bits that allow it means EIO, as in sysfs.
  using Show = std::function<std::expected<std::string, int>()>;
  using Store = std::function<int(std::string_view value, size_t offset)>;

  struct Node {
    FileType type = FileType::kDirectory;
    unsigned mode = 0755, uid = 0, gid = 0;
    uint64_t id = 0;
    uint64_t size = 4096;
    std::string target;  // links
    Show show;
    Store store;
    Node* parent = nullptr;
    std::string name;
    std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
  };

  Tree();

  // The node at `path`, or an errno (ENOENT, ENOTDIR, ELOOP). The last component's link is followed
  // when `follow` says so; links on the way always are.
  std::expected<Node*, int> Find(std::string_view path, bool follow = true) const;
  // By the id of a node; nullptr when it was removed.
  Node* FindId(uint64_t id) const;
  static std::string Path(const Node& node);

  // Make the directories above as needed; a file or link that exists is replaced (and keeps its id
  // when it is of the same type).
  Node& MakeDirectory(std::string_view path);
  Node& MakeFile(std::string_view path, unsigned mode, Show show, Store store = {});
  Node& MakeText(std::string_view path, std::string content, unsigned mode = 0444);
  void MakeLink(std::string_view path, std::string target);
  // A relative link from `path` to the absolute `target`, as sysfs_create_link makes it.
  void MakeLinkTo(std::string_view path, std::string_view target);
  // The node and all below; nothing when there is none. Links are not followed.
  void Remove(std::string_view path);

 private:
  Node& Make(std::string_view path, FileType type);
  void Forget(Node& node);
  Node root_;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, Node*> by_id_;
};

}  // namespace drapci::sim
