// What each command does, once the command line has been understood.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plugin/cli/failure.h"
#include "plugin/cli/output.h"
#include "plugin/cli/terminal.h"

namespace drapci::cli {

struct Options {
  std::string socket;
  Format format = Format::kTable;
  std::chrono::seconds timeout{300};
};

// Which claim: a file, or the short form.
struct ClaimOptions {
  std::string file;  // "-": standard input
  std::string name;
  std::vector<std::string> devices;
  std::vector<std::string> shares;  // "bandwidth=200M": a share of each device
  std::string config_file;          // opaque configuration for the short form
};

struct HealthOptions {
  std::string device;   // by name or address; empty: all cards
  std::string explain;  // not empty: which samples crossed which rules of it
  std::string clear;    // not empty: it is well, says the operator
  bool watch = false;
};

struct MapOptions {
  std::vector<std::string> devices;  // by name or address; empty: all cards
  bool svg = false;
  Terminal terminal;
};

// What is to be printed on standard output, and the exit code.
struct Printed {
  std::string text;
  ExitCode exit = ExitCode::kDone;
  std::string warning = {};  // for standard error, beside the text; changes no exit code
  std::optional<Failure> complaint =
      std::nullopt;  // for standard error, beside the text; its exit code counts
};

Outcome<Printed> Devices(const Options& options);
Outcome<Printed> DeviceNamed(const Options& options, const std::string& name);
Outcome<Printed> DrawMap(const Options& options, const MapOptions& map);
Outcome<Printed> Claims(const Options& options);
Outcome<Printed> Plan(const Options& options, const ClaimOptions& claim);
Outcome<Printed> Prepare(const Options& options, const ClaimOptions& claim);
Outcome<Printed> Unprepare(const Options& options, const std::string& name_or_uid);
Outcome<Printed> Verify(const Options& options);
Outcome<Printed> Slices(const Options& options);
// Writes text at once; false when it cannot be written any more.
using Printer = std::function<bool(const std::string&)>;
Outcome<Printed> ShowHealth(const Options& options, const HealthOptions& health,
                            const Printer& print);
Outcome<Printed> Events(const Options& options, const std::string& device, bool follow,
                        const Printer& print);
Outcome<Printed> Version(const Options& options, std::string_view own);

}  // namespace drapci::cli
