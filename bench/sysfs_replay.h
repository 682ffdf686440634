// What a prepare does to sysfs, done once more by nobody but us: the part of its time that is the
// (simulated) kernel's.
#pragma once

#include <string>
#include <vector>

#include "bench/stats.h"
#include "hal/base/result.h"
#include "test/node/crash/point.h"

namespace drapci::bench {

// Every use that process `pid` makes of sysfs while `command` runs.
Result<std::vector<test::Point>> RecordSysfs(pid_t pid, const std::vector<std::string>& command);

// Repeats `uses` in order; in microseconds.
double Replay(const std::vector<test::Point>& uses);

// "212 uses of sysfs (open 70, read 60, write 2, ...)"
std::string Summary(const std::vector<test::Point>& uses);

}  // namespace drapci::bench
