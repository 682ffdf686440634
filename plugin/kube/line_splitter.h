// Lines out of a stream that is cut anywhere.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace drapci::plugin::kube {

class LineSplitter {
 public:
  explicit LineSplitter(size_t most) : most_(most) {}

  // Takes a piece of the stream. False when a line is longer than `most`; nothing is right after.
  bool Add(std::string_view piece) {
    held_.append(piece);
    const size_t begin = held_.rfind('\n');
    return held_.size() - (begin == std::string::npos ? start_ : begin) <= most_;
  }

  // The next whole line into `line`, without its end; empty lines are left out.
  bool Next(std::string& line) {
    for (;;) {
      const size_t end = held_.find('\n', std::max(start_, searched_));
      if (end == std::string::npos) {
        held_.erase(0, start_);
        start_ = 0;
        searched_ = held_.size();
        return false;
      }
      line.assign(held_, start_, end - start_);
      start_ = end + 1;
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) return true;
    }
  }

 private:
  size_t most_;
  std::string held_;
  size_t start_ = 0;     // where the next line begins
  size_t searched_ = 0;  // there is no line's end before
};

}  // namespace drapci::plugin::kube
