#include "plugin/cli/commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "hal/base/result.h"
#include "plugin/cli/claim_file.h"
#include "plugin/cli/client.h"
#include "plugin/cli/health.h"
#include "plugin/cli/map.h"
#include "plugin/cli/map_svg.h"
#include "plugin/cli/map_text.h"
#include "plugin/cli/slices.h"
#include "plugin/cli/text.h"

namespace drapci::cli {
namespace {

using Stub = v1::Control::Stub;

Outcome<> AddShares(const std::vector<std::string>& shares, v1::ClaimInput& input) {
  for (const std::string& share : shares) {
    const size_t equals = share.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == share.size()) {
      return Fail(ExitCode::kUsage,
                  fmt::format("--share {}: must be CAPACITY=QUANTITY, such as bandwidth=200M",
                              Printable(share)));
    }
    const std::string capacity = share.substr(0, equals);
    if (!input.mutable_share()->insert({capacity, share.substr(equals + 1)}).second) {
      return Fail(ExitCode::kUsage,
                  fmt::format("--share {}: is given twice; leave one out", Printable(capacity)));
    }
  }
  return {};
}

Outcome<v1::ClaimInput> Input(const ClaimOptions& options) {
  v1::ClaimInput input;
  if (!options.file.empty()) {
    DRAPCI_TRY(*input.mutable_claim_json(), ReadObjectFile(options.file));
    return input;
  }
  input.set_name(options.name);
  for (const std::string& device : options.devices) input.add_devices(device);
  DRAPCI_CHECK(AddShares(options.shares, input));
  if (!options.config_file.empty()) {
    DRAPCI_TRY(*input.mutable_config_json(), ReadObjectFile(options.config_file));
  }
  return input;
}

Outcome<Client> Connect(const Options& options) {
  return Client::Connect(options.socket, options.timeout);
}

std::unexpected<Failure> NoSuchDevice(const std::string& name) {
  return Fail(
      ExitCode::kFailed,
      fmt::format("{}: no such device; `drapci devices` lists what there is", Printable(name)));
}

// Whether the accelerator, or one of its devices, is called `name`, or has that address.
bool IsCalled(const v1::Accelerator& accelerator, const std::string& name) {
  return accelerator.name() == name || accelerator.address() == name ||
         std::ranges::any_of(accelerator.devices(),
                             [&](const auto& device) { return device.name() == name; });
}

// Leaves the cards that `names` are of, each once.
Outcome<> Select(const std::vector<std::string>& names, v1::ListDevicesResponse& answer) {
  if (names.empty()) return {};
  v1::ListDevicesResponse all;
  all.Swap(&answer);
  for (const std::string& name : names) {
    const bool known = std::ranges::any_of(
        all.accelerators(), [&](const auto& accelerator) { return IsCalled(accelerator, name); });
    if (!known) return NoSuchDevice(name);
  }
  for (auto& accelerator : *all.mutable_accelerators()) {
    const bool wanted = std::ranges::any_of(
        names, [&](const std::string& name) { return IsCalled(accelerator, name); });
    if (wanted) answer.add_accelerators()->Swap(&accelerator);
  }
  return {};
}

// What speaks against the cards that were given; a daemon that cannot tell says nothing.
std::string HealthWarning(Client& client, const v1::PrepareResponse& answer) {
  std::string warning;
  for (const auto& device : answer.devices()) {
    v1::GetHealthRequest request;
    request.set_name(device.device());
    const auto health = client.Call(&Stub::GetHealth, request);
    if (!health || health->cards().empty()) continue;
    const v1::NamedHealth& card = health->cards(0);
    if (card.health().state() != "Unhealthy") continue;
    warning += fmt::format("warning: {} is {}; see `drapci health --explain {}`\n",
                           Printable(device.device()), Printable(HealthText(card.health())),
                           Printable(card.name()));
  }
  return warning;
}

// All that has happened to `device` (or to all), or only what follows number `after`.
Outcome<> PrintEvents(Client& client, const Options& options, const std::string& device,
                      uint64_t after, bool follow, const Printer& print) {
  v1::ListEventsRequest request;
  request.set_card(device);
  request.set_after(after);
  request.set_follow(follow);
  return client.Stream<v1::ListEventsRequest, v1::Event>(
      &Stub::ListEvents, request, follow,
      [&](const v1::Event& event) { return print(RenderEvent(event, options.format)); });
}

}  // namespace

Outcome<Printed> Devices(const Options& options) {
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_TRY(const auto answer, client.Call(&Stub::ListDevices, v1::ListDevicesRequest()));
  return Printed{.text = RenderDevices(answer, options.format)};
}

Outcome<Printed> DeviceNamed(const Options& options, const std::string& name) {
  DRAPCI_TRY(Client client, Connect(options));
  v1::ListDevicesRequest request;
  request.set_name(name);
  DRAPCI_TRY(const auto answer, client.Call(&Stub::ListDevices, request));
  if (answer.accelerators().empty()) return NoSuchDevice(name);
  return Printed{.text = RenderDevice(answer, name, options.format)};
}

Outcome<Printed> DrawMap(const Options& options, const MapOptions& map) {
  if (options.format == Format::kJson || options.format == Format::kYaml) {
    return Fail(ExitCode::kUsage,
                "map: draws, for people; `drapci devices` and `drapci claims` have -o json and "
                "-o yaml");
  }
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_TRY(auto devices, client.Call(&Stub::ListDevices, v1::ListDevicesRequest()));
  DRAPCI_CHECK(Select(map.devices, devices));
  DRAPCI_TRY(const auto claims, client.Call(&Stub::ListClaims, v1::ListClaimsRequest()));
  const Map drawn = MakeMap(devices, claims);
  return Printed{.text = map.svg ? MapAsSvg(drawn) : MapAsText(drawn, map.terminal)};
}

Outcome<Printed> Claims(const Options& options) {
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_TRY(const auto answer, client.Call(&Stub::ListClaims, v1::ListClaimsRequest()));
  return Printed{.text = RenderClaims(answer, options.format)};
}

Outcome<Printed> Plan(const Options& options, const ClaimOptions& claim) {
  v1::PlanRequest request;
  DRAPCI_TRY(*request.mutable_claim(), Input(claim));
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_TRY(const auto answer, client.Call(&Stub::Plan, request));
  return Printed{.text = RenderPlan(answer, options.format)};
}

Outcome<Printed> Prepare(const Options& options, const ClaimOptions& claim) {
  v1::PrepareRequest request;
  DRAPCI_TRY(*request.mutable_claim(), Input(claim));
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_TRY(const auto answer, client.Call(&Stub::Prepare, request));
  return Printed{.text = RenderPrepared(answer, options.format),
                 .warning = HealthWarning(client, answer)};
}

Outcome<Printed> Unprepare(const Options& options, const std::string& name_or_uid) {
  DRAPCI_TRY(Client client, Connect(options));
  v1::UnprepareRequest request;
  request.set_name_or_uid(name_or_uid);
  DRAPCI_TRY(const auto answer, client.Call(&Stub::Unprepare, request));
  return Printed{.text = RenderUnprepared(answer, name_or_uid, options.format)};
}

Outcome<Printed> Verify(const Options& options) {
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_TRY(const auto answer, client.Call(&Stub::Verify, v1::VerifyRequest()));
  return Printed{.text = RenderVerify(answer, options.format),
                 .exit = answer.differences().empty() ? ExitCode::kDone : ExitCode::kFailed};
}

Outcome<Printed> Slices(const Options& options) {
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_TRY(const auto answer, client.Call(&Stub::GetSlices, v1::GetSlicesRequest()));
  return Printed{.text = RenderSlices(answer, options.format)};
}

Outcome<Printed> ShowHealth(const Options& options, const HealthOptions& health,
                            const Printer& print) {
  DRAPCI_TRY(Client client, Connect(options));
  if (!health.clear.empty()) {
    v1::ClearHealthRequest request;
    request.set_name(health.clear);
    DRAPCI_TRY(const auto answer, client.Call(&Stub::ClearHealth, request));
    return Printed{
        .text = fmt::format("{}: what was held against it is cleared\n", Printable(answer.name()))};
  }
  if (!health.explain.empty()) {
    v1::ExplainHealthRequest request;
    request.set_name(health.explain);
    DRAPCI_TRY(const auto answer, client.Call(&Stub::ExplainHealth, request));
    return Printed{.text = RenderExplanation(answer, options.format)};
  }
  v1::GetHealthRequest request;
  request.set_name(health.device);
  // What happens between the two answers is told twice rather than not at all.
  uint64_t newest = 0;
  if (health.watch) {
    DRAPCI_CHECK(client.Stream<v1::ListEventsRequest, v1::Event>(
        &Stub::ListEvents, v1::ListEventsRequest(), false, [&](const v1::Event& event) {
          newest = event.number();
          return true;
        }));
  }
  DRAPCI_TRY(const auto answer, client.Call(&Stub::GetHealth, request));
  if (!health.watch) return Printed{.text = RenderHealth(answer, options.format)};
  if (!print(RenderHealth(answer, options.format))) return Printed{};
  DRAPCI_CHECK(PrintEvents(client, options, health.device, newest, true, print));
  return Printed{};
}

Outcome<Printed> Events(const Options& options, const std::string& device, bool follow,
                        const Printer& print) {
  DRAPCI_TRY(Client client, Connect(options));
  DRAPCI_CHECK(PrintEvents(client, options, device, 0, follow, print));
  return Printed{};
}

Outcome<Printed> Version(const Options& options, std::string_view own) {
  auto client = Connect(options);
  if (!client) {
    // One's own version needs no daemon.
    return Printed{.text = RenderVersion(own, std::nullopt, options.format),
                   .complaint = client.error()};
  }
  DRAPCI_TRY(const auto answer, client->Call(&Stub::GetVersion, v1::GetVersionRequest()));
  return Printed{.text = RenderVersion(own, answer, options.format)};
}

}  // namespace drapci::cli
