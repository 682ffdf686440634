// Everything of the daemon that speaks to the API server. Nothing waits for it: claims are
// prepared, released and recovered while the server is away, and it catches up when it is back.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "driver/config.h"
#include "driver/manager.h"
#include "plugin/claim_preparer.h"
#include "plugin/claims/claim_reader.h"
#include "plugin/claims/early_preparer.h"
#include "plugin/claims/events.h"
#include "plugin/claims/garbage_collector.h"
#include "plugin/claims/metadata.h"
#include "plugin/claims/status.h"
#include "plugin/control_service.h"
#include "plugin/health/damper.h"
#include "plugin/health/teller.h"
#include "plugin/kube/client.h"
#include "plugin/kube/sd_loop.h"
#include "plugin/metrics/metrics.h"
#include "plugin/slices/publisher.h"

namespace drapci::plugin {

class Cluster : public ClaimFollower {
 public:
  // Where the API server is, as far as the configuration or the pod around the daemon tells; empty:
  // nowhere.
  static std::optional<kube::CredentialStore::Source> Find(const driver::Config& config);

  // Starts its thread and returns; the first connection is made there.
  static Result<std::unique_ptr<Cluster>> Start(const driver::Config& config,
                                                kube::CredentialStore::Source credentials,
                                                const std::string& node_name,
                                                const std::string& version,
                                                driver::Manager& manager);
  ~Cluster() override;

  KubeApi& claims() { return *reader_; }

  // Answers every open read of a claim with an error, and all that come after.
  void StopReading();

  // Has the loop, or the thread that takes snapshots for it, call `answer`. Any thread.
  void AskLoop(std::function<void()> answer) { loop_->Post(std::move(answer)); }
  void AskInventory(std::function<void()> answer);

  // The slices as they are published, and what stands between them and the server. Waits for the
  // loop.
  SlicesView CurrentSlices();

  // What it has counted since it began. Waits for the loop.
  metrics::ClusterCounts Counts();

  void Asked(const std::string& uid) override;
  Result<> Prepared(const driver::ClaimRecord& record, driver::PreparedClaim& answer) override;
  void Failed(const driver::ClaimRequest& claim, const Error& error) override;
  Result<> Released(const std::string& uid) override;

 private:
  Cluster(const driver::Config& config, std::string node_name, driver::Manager& manager);
  void Build(kube::CredentialStore::Source credentials, const std::string& version);  // on the loop
  void FollowInventory();
  std::shared_ptr<const driver::Snapshot> LatestSnapshot();

  const driver::Config& config_;
  const std::string node_name_;
  driver::Manager& manager_;

  // A snapshot may have to wait for a card that is busy; a thread of its own does.
  std::mutex mutex_;
  std::condition_variable wake_;
  bool changed_ = true, stopping_ = false;
  std::vector<std::function<void()>> questions_;
  std::shared_ptr<const driver::Snapshot> snapshot_;  // as the cluster is told
  std::atomic<uint64_t> held_back_ = 0;               // changes of a card's condition
  health::Damper damper_;                             // of the inventory's thread
  driver::Listeners::Token listening_;
  std::thread inventory_;

  std::unique_ptr<kube::SdLoop> loop_;
  // Used on the loop's thread; gone before it is.
  std::unique_ptr<kube::Client> api_;
  std::unique_ptr<slices::Publisher> publisher_;
  std::unique_ptr<claims::ClaimReader> reader_;
  std::unique_ptr<claims::StatusWriter> statuses_;
  std::unique_ptr<claims::Events> events_;
  std::unique_ptr<claims::GarbageCollector> collector_;
  std::unique_ptr<claims::EarlyPreparer> early_;
  std::unique_ptr<claims::MetadataFiles> metadata_;
  std::unique_ptr<hal::StateDir> state_;
  std::unique_ptr<health::HealthTeller> teller_;
};

}  // namespace drapci::plugin
