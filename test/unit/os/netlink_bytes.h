// Netlink messages for tests, put together byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace drapci::test {

// Little endian, as on every machine that these tests run on.
class Bytes {
 public:
  Bytes& U8(std::initializer_list<int> values) {
    for (int value : values) bytes_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  Bytes& U16(uint16_t value) { return Put(value, 2); }
  Bytes& U32(uint32_t value) { return Put(value, 4); }
  Bytes& Text(const char* text) {
    for (; *text != '\0'; ++text) bytes_.push_back(static_cast<std::byte>(*text));
    bytes_.push_back(std::byte{0});
    while (bytes_.size() % 4 != 0) bytes_.push_back(std::byte{0});
    return *this;
  }
  Bytes& Add(const std::vector<std::byte>& more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
    return *this;
  }
  const std::vector<std::byte>& get() const { return bytes_; }

 private:
  Bytes& Put(uint32_t value, int size) {
    for (int i = 0; i < size; ++i)
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
    return *this;
  }
  std::vector<std::byte> bytes_;
};

// nlmsghdr and `payload`.
inline std::vector<std::byte> Message(uint16_t type, uint16_t flags,
                                      const std::vector<std::byte>& payload, uint32_t sequence = 1,
                                      uint32_t port = 77) {
  return Bytes()
      .U32(static_cast<uint32_t>(16 + payload.size()))
      .U16(type)
      .U16(flags)
      .U32(sequence)
      .U32(port)
      .Add(payload)
      .get();
}

}  // namespace drapci::test
