// A publisher between a node and an API server that the test turns.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "plugin/slices/convert.h"
#include "plugin/slices/publisher.h"
#include "test/unit/slices/node.h"
#include "test/unit/slices/slice_server.h"

namespace drapci::plugin::slices {

class PublisherFixture : public ::testing::Test {
 protected:
  void Start() {
    publisher_ = std::make_unique<Publisher>(
        loop_, server_.api, Owner{.driver_name = "dra.pci", .node_name = "node1", .node_uid = {}},
        [this](const Features& features) {
          driver::Snapshot snapshot;
          snapshot.accelerators = cards_;
          return extra_.empty() ? MakePools(snapshot, "dra.pci", "node1", features) : extra_;
        },
        1);
    publisher_->Start();
  }
  // As the daemon does: the slices stay.
  void Restart() {
    publisher_.reset();
    server_.api.watches.clear();
    Start();
  }
  void Pass(std::chrono::milliseconds time) { loop_.Advance(time); }
  void Settle() { Pass(std::chrono::seconds(5)); }

  // The writes since the last time it was asked.
  size_t Writes() {
    const size_t before = std::exchange(asked_, server_.writes());
    return server_.writes() - before;
  }
  const PublisherCounts& counts() const { return publisher_->counts(); }
  int64_t Generation(const std::string& pool) const {
    int64_t generation = 0;
    for (const StoredSlice& slice : server_.Stored()) {
      if (slice.pool == pool) generation = std::max(generation, slice.generation);
    }
    return generation;
  }
  const StoredSlice* Find(const std::string& pool, std::vector<StoredSlice>& stored) const {
    stored = server_.Stored();
    for (const StoredSlice& slice : stored) {
      if (slice.pool == pool) return &slice;
    }
    return nullptr;
  }

  kube::FakeLoop loop_;
  SliceServer server_{loop_};
  std::vector<driver::AcceleratorView> cards_;
  std::vector<Pool> extra_;  // published in the cards' stead
  std::unique_ptr<Publisher> publisher_;
  size_t asked_ = 0;
};

}  // namespace drapci::plugin::slices
