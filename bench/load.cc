// load: the cost of prepare and unprepare through the kubelet's socket, beside the floors of the
// same machine.
//
//   bench_load DIRECTORY functions   whole functions that have their kernel driver already: what
//   the daemon
//                                    itself costs, as nothing has to be done to the hardware
//   bench_load DIRECTORY vfs         VFs that stand already, each bound to its driver when it is
//   claimed
//
// Needs more than 1,008 devices of the kind; run.sh makes the machines. Every caller has a card of
// its own: a lane is one card's.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "bench/floors.h"
#include "bench/stats.h"
#include "bench/sysfs_replay.h"
#include "test/node/kubelet/kubelet_client.h"
#include "test/node/support/hardware.h"
#include "test/node/support/node.h"

namespace drapci::bench {
namespace {

using namespace drapci::test;
constexpr int kHeld = 1000, kCallers = 8, kWarmUp = 20;

// What one caller measures in one round.
struct Round {
  Samples empty, write, commit, prepare, unprepare;
};

class Load {
 public:
  Load(const std::string& directory, bool vfs)
      : scratch_(directory),
        node_(Programs::FromEnvironment(), scratch_, Options()),
        rounds_(vfs ? 50 : 400),
        devices_(vfs ? VfDevices() : FunctionDevices()) {}

  Result<> Run();

 private:
  std::vector<std::string> Options() const;
  static std::vector<std::string> VfDevices();
  static std::vector<std::string> FunctionDevices();
  ClaimObject Claim(size_t device) const;
  // The device that each caller has for itself; the rest is for the held claims.
  size_t OwnDevice(size_t caller) const { return devices_.size() - kCallers + caller; }
  Result<> HoldThousand();
  Result<> ReleaseThousand();
  Result<> Claims(int callers, int held);
  Result<> Hardware(int held);
  // Runs `one(client, caller, round)` for every round on each of `callers` threads.
  template <class One>
  Result<std::vector<Round>> OnThreads(int callers, const One& one);
  static Samples Column(const std::vector<Round>& rounds, Samples Round::* what);

  Scratch scratch_;
  Node node_;
  int rounds_;
  std::vector<std::string> devices_;  // neighbours in the list are on different cards
  std::vector<ClaimObject> held_;
};

std::vector<std::string> Load::Options() const {
  const std::string config = scratch_.root + "/config.yaml";
  std::ofstream(config) << "accelerators:\n- match: {vendor: 0x8086}\n  vfs: fixed\n";
  return {"--config", config, "--claim-directory", scratch_.claim_dir, "--log-level", "warning"};
}

std::vector<std::string> Load::VfDevices() {
  constexpr int kVfs = 64;
  std::vector<std::string> out;
  for (int vf = 0; vf < kVfs; ++vf) {
    for (const std::string& card : PhysicalFunctions())
      out.push_back(fmt::format("{}-vf{}", DeviceNameOf(card), vf));
  }
  return out;
}

std::vector<std::string> Load::FunctionDevices() {
  std::vector<std::string> out;
  for (const auto& [key, driver] : ReadHardware()) {
    if (key.ends_with(" driver") && driver == "accel")
      out.push_back(DeviceNameOf(key.substr(0, key.find(' '))));
  }
  return out;
}

ClaimObject Load::Claim(size_t device) const {
  ClaimObject claim{.uid = fmt::format("20000000-0000-4000-8000-{:012}", device),
                    .name = fmt::format("claim-{}", device),
                    .results = {{.request = "device", .device = devices_[device]}}};
  PutClaim(scratch_.claim_dir, claim);
  return claim;
}

template <class V, class Call>
Result<> Checked(const ClaimObject& claim, const Call& call) {
  V response;
  const grpc::Status status = call(response);
  if (!status.ok()) return Fail(Code::kIo, status.error_message());
  const std::string error = response.claims().at(claim.uid).error();
  if (!error.empty()) return Fail(Code::kIo, error);
  return {};
}

template <class One>
Result<std::vector<Round>> Load::OnThreads(int callers, const One& one) {
  std::vector<std::vector<Round>> rounds(static_cast<size_t>(callers));
  std::vector<Result<>> results(rounds.size());
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < rounds.size(); ++i) {
      threads.emplace_back([&, i] {
        KubeletClient<V1> client(Dial(ServiceSocket(scratch_.kubelet_root)));
        V1::PrepareResponse ignored;
        for (int n = 0; n < kWarmUp; ++n) (void)client.Prepare({}, ignored);
        for (int n = 0; n < rounds_ && results[i]; ++n)
          results[i] = one(client, i, rounds[i].emplace_back());
      });
    }
  }
  std::vector<Round> all;
  for (size_t i = 0; i < rounds.size(); ++i) {
    if (!results[i]) return Fail(results[i].error());
    all.insert(all.end(), rounds[i].begin(), rounds[i].end());
  }
  return all;
}

Samples Load::Column(const std::vector<Round>& rounds, Samples Round::* what) {
  Samples all;
  for (const Round& round : rounds)
    all.insert(all.end(), (round.*what).begin(), (round.*what).end());
  return all;
}

Result<> Load::Claims(int callers, int held) {
  std::vector<ClaimObject> claims;
  for (size_t i = 0; i < static_cast<size_t>(callers); ++i) claims.push_back(Claim(OwnDevice(i)));
  DRAPCI_TRY(DurableFile file, DurableFile::Create(scratch_.state_dir));
  DRAPCI_TRY(DurableTable table, DurableTable::Create(scratch_.state_dir));
  DRAPCI_TRY(const auto rounds,
             OnThreads(callers, [&](KubeletClient<V1>& client, size_t i, Round& round) -> Result<> {
               V1::PrepareResponse ignored;
               Measure(round.empty, [&] { (void)client.Prepare({}, ignored); });
               if (callers == 1) {
                 Measure(round.write, [&] { file.Write(); });
                 Measure(round.commit, [&] { table.Commit(); });
               }
               Result<> done;
               Measure(round.prepare, [&] {
                 done = Checked<V1::PrepareResponse>(
                     claims[i], [&](auto& to) { return client.Prepare({claims[i]}, to); });
               });
               DRAPCI_CHECK(done);
               Measure(round.unprepare, [&] {
                 done = Checked<V1::UnprepareResponse>(
                     claims[i], [&](auto& to) { return client.Unprepare({claims[i]}, to); });
               });
               return done;
             }));
  const Samples empty = Column(rounds, &Round::empty), prepare = Column(rounds, &Round::prepare);
  const Samples unprepare = Column(rounds, &Round::unprepare),
                commit = Column(rounds, &Round::commit);
  PrintRow("empty gRPC call", callers, held, empty);
  if (callers == 1) {
    PrintRow("4 KiB write + fdatasync", callers, held, Column(rounds, &Round::write));
    PrintRow("SQLite WAL commit, synchronous=FULL", callers, held, commit);
  }
  PrintRow("prepare", callers, held, prepare);
  PrintRow("unprepare", callers, held, unprepare);
  if (callers > 1) return {};
  const double aim = 2 * (Percentile(empty, 50) + 2 * Percentile(commit, 50));
  fmt::print(
      "  2 x (empty call + 2 commits) = {:.0f} us: prepare takes {:.2f}, unprepare {:.2f} of it\n",
      aim, Percentile(prepare, 50) / aim, Percentile(unprepare, 50) / aim);
  return {};
}

Result<> Load::HoldThousand() {
  KubeletClient<V1> client(Dial(ServiceSocket(scratch_.kubelet_root)));
  for (int i = 0; i < kHeld; ++i) {
    held_.push_back(Claim(static_cast<size_t>(i)));
    DRAPCI_CHECK(Checked<V1::PrepareResponse>(
        held_.back(), [&](auto& to) { return client.Prepare({held_.back()}, to); }));
  }
  return {};
}

Result<> Load::ReleaseThousand() {
  KubeletClient<V1> client(Dial(ServiceSocket(scratch_.kubelet_root)));
  for (const ClaimObject& claim : held_) {
    DRAPCI_CHECK(Checked<V1::UnprepareResponse>(
        claim, [&](auto& to) { return client.Unprepare({claim}, to); }));
  }
  return {};
}

// The sysfs part of one prepare and one unprepare, repeated bare.
Result<> Load::Hardware(int held) {
  const ClaimSpec claim{.name = "hardware", .device = devices_[OwnDevice(0)]};
  auto quiet = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    std::vector<std::string> command{"/bin/sh", "-c", "exec \"$@\" > /dev/null", "sh"};
    for (std::string& word : node_.CliCommand(arguments)) command.push_back(std::move(word));
    return command;
  };
  // Once unobserved: what the daemon still does about its start is no part of it.
  DRAPCI_CHECK(node_.CliDo(node_.PrepareArguments(claim)));
  DRAPCI_CHECK(node_.CliDo({"unprepare", claim.name}));
  DRAPCI_TRY(const auto prepare, RecordSysfs(node_.pid(), quiet(node_.PrepareArguments(claim))));
  DRAPCI_TRY(const auto unprepare, RecordSysfs(node_.pid(), quiet({"unprepare", claim.name})));
  Samples prepares, unprepares;
  for (int i = 0; i < rounds_; ++i) {
    prepares.push_back(Replay(prepare));
    unprepares.push_back(Replay(unprepare));
  }
  PrintRow("the sysfs part of a prepare, done bare", 1, held, prepares);
  PrintRow("the sysfs part of an unprepare, done bare", 1, held, unprepares);
  fmt::print("  prepare: {}\n  unprepare: {}\n", Summary(prepare), Summary(unprepare));
  return {};
}

Result<> Load::Run() {
  if (devices_.size() < kHeld + kCallers) {
    return Fail(Code::kInvalid, fmt::format("{} devices are too few", devices_.size()));
  }
  DRAPCI_CHECK(node_.Start());
  PrintHeadings();
  for (int held : {0, kHeld}) {
    if (held > 0) DRAPCI_CHECK(HoldThousand());
    DRAPCI_CHECK(Hardware(held));
    for (int callers : {1, kCallers}) DRAPCI_CHECK(Claims(callers, held));
  }
  fmt::print("resident with {} claims held: {}\n", kHeld, ResidentMemory(node_.pid()));
  DRAPCI_CHECK(ReleaseThousand());
  return node_.Stop();
}

}  // namespace
}  // namespace drapci::bench

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[2] : "";
  if (kind != "functions" && kind != "vfs") {
    fmt::print(stderr, "usage: bench_load DIRECTORY functions|vfs\n");
    return 2;
  }
  drapci::bench::Load load(argv[1], kind == "vfs");
  if (auto done = load.Run(); !done) {
    fmt::print(stderr, "load: {}\n", done.error().what);
    return 1;
  }
  return 0;
}
