#include "test/apiserver/names.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <regex>

#include "hal/base/parse.h"

namespace drapci::apiserver {
namespace {

bool Lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool Alphanumeric(char c) { return Lower(c) || (c >= 'A' && c <= 'Z'); }

bool IsLabel(std::string_view name) {
  return !name.empty() && Lower(name.front()) && Lower(name.back()) &&
         std::ranges::all_of(name, [](char c) { return Lower(c) || c == '-'; });
}

// Letters, digits and "-_." inside; letters and digits at both ends.
bool IsNamePart(std::string_view name) {
  return !name.empty() && Alphanumeric(name.front()) && Alphanumeric(name.back()) &&
         std::ranges::all_of(
             name, [](char c) { return Alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::string TooLong(size_t most) { return fmt::format("must be no more than {} bytes", most); }

bool IsIdentifier(std::string_view name) {
  return !name.empty() && (name[0] < '0' || name[0] > '9') &&
         std::ranges::all_of(name, [](char c) { return Alphanumeric(c) || c == '_'; });
}

}  // namespace

std::string WrongLabel(std::string_view name) {
  if (name.size() > 63) return TooLong(63);
  return IsLabel(name) ? ""
                       : "a lowercase RFC 1123 label must consist of lower case alphanumeric "
                         "characters or '-', and must start and end with an alphanumeric character";
}

std::string WrongSubdomain(std::string_view name, size_t most) {
  if (name.size() > most) return TooLong(most);
  const auto labels = Split(name, '.');
  return !labels.empty() && std::ranges::all_of(labels, IsLabel)
             ? ""
             : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
               "'-' or '.', and must start and end with an alphanumeric character";
}

std::string WrongPoolName(std::string_view name) {
  if (name.size() > 253) return TooLong(253);
  for (std::string_view part : Split(name, '/')) {
    if (auto wrong = WrongSubdomain(part); !wrong.empty()) return wrong;
  }
  return "";
}

std::string WrongDriverName(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return WrongSubdomain(lower, 63);
}

std::string WrongQualifiedName(std::string_view name) {
  const size_t slash = name.find('/');
  const std::string_view id = slash == name.npos ? name : name.substr(slash + 1);
  if (slash != name.npos) {
    if (auto wrong = WrongSubdomain(name.substr(0, slash), 63); !wrong.empty()) {
      return "the domain: " + wrong;
    }
  }
  if (id.size() > 32) return "the name: " + TooLong(32);
  return IsIdentifier(id) ? "" : "the name must be a valid C identifier";
}

std::string WrongLabelKey(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash != name.npos) {
    if (auto wrong = WrongSubdomain(name.substr(0, slash)); !wrong.empty()) {
      return "prefix part " + wrong;
    }
    name.remove_prefix(slash + 1);
  }
  if (name.size() > 63) return "name part " + TooLong(63);
  return IsNamePart(name) ? ""
                          : "name part must consist of alphanumeric characters, '-', '_' or '.', "
                            "and must start and end with an alphanumeric character";
}

std::string WrongLabelValue(std::string_view value) {
  if (value.size() > 63) return TooLong(63);
  return value.empty() || IsNamePart(value)
             ? ""
             : "a valid label must be an empty string or consist of alphanumeric characters, '-', "
               "'_' or '.', and must start and end with an alphanumeric character";
}

std::string WrongVersion(std::string_view version) {
  static const std::regex pattern(
      R"((0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*))"
      R"((-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?)"
      R"((\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?)");
  return std::regex_match(version.begin(), version.end(), pattern)
             ? ""
             : "must be a string compatible with semver.org spec 2.0.0";
}

std::string WrongUuid(std::string_view text) {
  bool right = text.size() == 36;
  for (size_t i = 0; right && i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    right = dash ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  }
  return right ? "" : "must be a lowercase UUID in RFC 4122 format";
}

std::string WrongReason(std::string_view text) {
  static const std::regex pattern("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?");
  if (text.size() > 1024) return TooLong(1024);
  return std::regex_match(text.begin(), text.end(), pattern)
             ? ""
             : "a condition reason must start with alphabetic character, optionally followed by a "
               "string of alphanumeric characters or '_,:', and must end with an alphanumeric "
               "character or '_'";
}

std::string WrongInterfaceAddress(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const int family = address.find(':') == address.npos ? AF_INET : AF_INET6;
  const int bits = family == AF_INET ? 32 : 128;
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> printed{};
  if (slash == text.npos || address.size() >= printed.size() ||
      inet_pton(family, std::string(address).c_str(), bytes.data()) != 1) {
    return "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
  }
  const auto prefix = ParseInt<int>(text.substr(slash + 1));
  if (!prefix || *prefix < 0 || *prefix > bits) return "the prefix length is out of range";
  inet_ntop(family, bytes.data(), printed.data(), printed.size());
  const std::string canonical = fmt::format("{}/{}", printed.data(), *prefix);
  return canonical == text ? "" : fmt::format("must be in canonical form (\"{}\")", canonical);
}

}  // namespace drapci::apiserver
