#include "plugin/daemon/cluster.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "hal/base/log.h"
#include "plugin/kube/curl_transport.h"
#include "plugin/slices/convert.h"

namespace drapci::plugin {
namespace {

constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

uint64_t Seed() { return std::random_device()(); }

}  // namespace

std::optional<kube::CredentialStore::Source> Cluster::Find(const driver::Config& config) {
  const driver::Config::Kubernetes& where = config.kubernetes;
  if (!where.kubeconfig.empty()) {
    return [&where] { return kube::ReadKubeconfig(where.kubeconfig, where.context); };
  }
  const std::string host = Environment("KUBERNETES_SERVICE_HOST");
  if (host.empty()) return std::nullopt;
  return [host, port = Environment("KUBERNETES_SERVICE_PORT")] {
    return kube::InClusterCredentials(host, port, kServiceAccount);
  };
}

Cluster::Cluster(const driver::Config& config, std::string node_name, driver::Manager& manager)
    : config_(config), node_name_(std::move(node_name)), manager_(manager) {}

Result<std::unique_ptr<Cluster>> Cluster::Start(const driver::Config& config,
                                                kube::CredentialStore::Source credentials,
                                                const std::string& node_name,
                                                const std::string& version,
                                                driver::Manager& manager) {
  std::unique_ptr<Cluster> cluster(new Cluster(config, node_name, manager));
  DRAPCI_TRY(cluster->loop_, kube::SdLoop::Start());
  cluster->loop_->Do([&] { cluster->Build(std::move(credentials), version); });
  cluster->listening_ = manager.Listen([raw = cluster.get()] {
    {
      const std::lock_guard lock(raw->mutex_);
      raw->changed_ = true;
    }
    raw->wake_.notify_one();
  });
  cluster->inventory_ = std::thread([raw = cluster.get()] {
    pthread_setname_np(pthread_self(), "inventory");
    raw->FollowInventory();
  });
  return cluster;
}

void Cluster::Build(kube::CredentialStore::Source credentials, const std::string& version) {
  const driver::Config::Kubernetes& wish = config_.kubernetes;
  const std::string& driver = config_.driver_name;
  kube::SdLoop& loop = *loop_;
  api_ =
      std::make_unique<kube::Client>(loop, std::move(credentials), kube::CurlTransports(loop, {}),
                                     kube::ClientOptions{.version = version, .node = node_name_});
  events_ = std::make_unique<claims::Events>(loop, *api_, driver, node_name_);
  publisher_ = std::make_unique<slices::Publisher>(
      loop, *api_, slices::Owner{.driver_name = driver, .node_name = node_name_, .node_uid = {}},
      [this](const slices::Features& features) {
        return slices::MakePools(*LatestSnapshot(), config_.driver_name, node_name_, features);
      },
      Seed());
  reader_ = std::make_unique<claims::ClaimReader>(
      loop, *api_,
      claims::ClaimReader::Options{
          .watch = wish.watch_claims, .driver_name = driver, .node_name = node_name_},
      Seed());
  if (wish.claim_status || wish.watch_claims) {
    statuses_ = std::make_unique<claims::StatusWriter>(loop, *api_, driver, Seed());
  }
  if (wish.watch_claims) {
    early_ = std::make_unique<claims::EarlyPreparer>(loop, manager_, *statuses_, driver);
  }
  if (wish.collect_after_seconds != 0) {
    claims::GarbageCollector::Options options{.driver_name = driver};
    options.grace = std::chrono::seconds(wish.collect_after_seconds);
    options.period = std::min(options.period, options.grace);
    collector_ =
        std::make_unique<claims::GarbageCollector>(loop, *api_, manager_, *events_, options);
  }
  // Without the directory only what is told right after a restart may be out of date.
  if (auto state = hal::OpenStateDir(config_.state_dir)) state_ = *std::move(state);
  teller_ = std::make_unique<health::HealthTeller>(
      manager_, *events_, statuses_.get(), state_.get(),
      health::HealthTeller::Options{
          .driver_name = driver, .node_name = node_name_, .claim_status = wish.claim_status});
  if (wish.device_metadata) {
    metadata_ = std::make_unique<claims::MetadataFiles>(
        fmt::format("{}/plugins/{}/dra-device-metadata", config_.kubelet_root, driver),
        config_.cdi_dir, driver);
  }
}

void Cluster::FollowInventory() {
  bool started = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto is_due = [this] { return changed_ || stopping_ || !questions_.empty(); };
    // What was held back is told when its time has come.
    const auto again = damper_.Again();
    if (again) {
      wake_.wait_until(lock, *again, is_due);
    } else {
      wake_.wait(lock, is_due);
    }
    for (const auto& answer : std::exchange(questions_, {})) answer();
    if (stopping_) return;
    if (!changed_ && (!again || std::chrono::steady_clock::now() < *again)) continue;
    changed_ = false;
    lock.unlock();
    auto snapshot = damper_.Step(manager_.CurrentSnapshot(), std::chrono::steady_clock::now());
    held_back_ = damper_.held_back();
    lock.lock();
    snapshot_ = std::move(snapshot);
    loop_->Post([this, start = !std::exchange(started, true)] {
      teller_->Look(*LatestSnapshot());
      if (!start) return publisher_->Changed();
      if (early_) reader_->Listen(early_->listener());
      publisher_->Start();
      reader_->Start();
      if (collector_) collector_->Start();
    });
  }
}

void Cluster::AskInventory(std::function<void()> answer) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back(std::move(answer));
  }
  wake_.notify_one();
}

std::shared_ptr<const driver::Snapshot> Cluster::LatestSnapshot() {
  const std::lock_guard lock(mutex_);
  return snapshot_ != nullptr ? snapshot_ : std::make_shared<const driver::Snapshot>();
}

Cluster::~Cluster() {
  listening_.reset();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (inventory_.joinable()) inventory_.join();
  if (!loop_) return;
  // What lives on the loop goes there, the users before what they use.
  loop_->Do([this] {
    early_.reset();
    teller_.reset();
    collector_.reset();
    reader_.reset();
    statuses_.reset();
    publisher_.reset();
    events_.reset();
    api_.reset();
  });
  loop_->Stop();
}

void Cluster::StopReading() {
  loop_->Do([this] { reader_->Stop(); });
}

void Cluster::Asked(const std::string& uid) {
  if (early_) early_->Claimed(uid);
}

Result<> Cluster::Prepared(const driver::ClaimRecord& record, driver::PreparedClaim& answer) {
  if (metadata_) {
    claims::MetadataClaim claim{.pod_claim_name = record.request.alias};
    for (const driver::DeviceRequest& device : record.request.devices) {
      for (const std::string& full : device.subrequests) {
        claim.full_requests.emplace(full.substr(0, full.find('/')), full);
      }
    }
    DRAPCI_TRY(const auto ids, metadata_->Write(record, claim, *LatestSnapshot()));
    for (const claims::MetadataFiles::RequestId& id : ids) {
      // Containers that name the request get the file with its first device.
      const auto first = std::ranges::find_if(answer.devices, [&](const auto& device) {
        return std::ranges::find(device.request.request_names, id.request) !=
               device.request.request_names.end();
      });
      if (first != answer.devices.end()) first->cdi_ids.push_back(id.cdi_id);
    }
  }
  if (config_.kubernetes.claim_status) {
    loop_->Post(
        [this, record] { statuses_->Write(record.request, teller_->StatusOf(record), {}); });
  }
  return {};
}

void Cluster::Failed(const driver::ClaimRequest& claim, const Error& error) {
  if (!config_.kubernetes.claim_status) return;
  loop_->Post([this, claim, devices = claims::StatusOfFailure(claim, error)]() mutable {
    statuses_->Write(claim, std::move(devices), {});
  });
}

SlicesView Cluster::CurrentSlices() {
  SlicesView published;
  loop_->Do([&] {
    published.slices = publisher_->Slices();
    published.trouble = publisher_->trouble();
    published.dropped = publisher_->dropped();
  });
  return published;
}

metrics::ClusterCounts Cluster::Counts() {
  metrics::ClusterCounts counts;
  loop_->Do([&] {
    const slices::PublisherCounts& slices = publisher_->counts();
    counts.creates = slices.creates;
    counts.updates = slices.updates;
    counts.deletes = slices.deletes;
    counts.failures = slices.failures;
    counts.reads = slices.reads;
    counts.probes = slices.probes;
    counts.published = publisher_->trouble().empty();
    const claims::EventCounts& events = events_->counts();
    counts.events_sent = events.sent;
    counts.events_merged = events.merged;
    counts.events_dropped = events.dropped;
  });
  counts.held_back = held_back_;
  return counts;
}

Result<> Cluster::Released(const std::string& uid) {
  loop_->Post([this, uid] { teller_->Released(uid); });
  return metadata_ ? metadata_->Remove(uid) : Result<>();
}

}  // namespace drapci::plugin
