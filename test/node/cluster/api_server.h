// The test API server (test/apiserver) as a process, and what a test asks of it.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "test/node/support/process.h"

namespace drapci::test {

using Json = nlohmann::json;

class ApiServer {
 public:
  // `directory` for its log and state. The address stays the same over Stop() and Start().
  ApiServer(std::string program, std::string directory, std::vector<std::string> options = {});

  Result<> Start();
  void Stop();  // its objects are there again after the next Start()
  bool running() const { return process_.has_value(); }
  std::string url() const;
  int port() const { return port_; }

  // A kubeconfig for it, in a file.
  std::string WriteKubeconfig(const std::string& token = "node-token") const;

  // The JSON of a 2xx answer; else an error with status and text.
  Result<Json> Get(const std::string& path) const;
  Result<Json> Post(const std::string& path, const Json& body,
                    const std::string& token = "admin-token") const;
  Result<Json> Put(const std::string& path, const Json& body,
                   const std::string& token = "admin-token") const;
  Result<> Delete(const std::string& path) const;

  // --- what the tests are about ---
  std::vector<Json> Slices() const;   // in the order of their names
  std::vector<Json> Devices() const;  // of all slices
  std::optional<Json> Device(const std::string& name) const;
  Result<Json> Claim(const std::string& name) const;  // in the namespace default
  void AddNode(const std::string& name);
  // The scheduler: see test/apiserver/scheduler.h. The claim, allocated.
  Result<Json> Allocate(const std::string& name, const Json& requests,
                        const Json& config = Json::array(), const std::string& node = "node-1");
  Result<> DeleteClaim(const std::string& name) const;

  // Calls that changed something since the last Reset().
  int Writes() const;
  int Calls(const std::string& verb_and_resource) const;  // "create resourceslices"
  size_t SliceWrites() const;                             // of them, those to slices
  void Reset();
  // A fault, see test/apiserver/README.md; all faults end with NoFaults().
  void Fault(const Json& fault);
  void NoFaults();

 private:
  const std::string program_, directory_;
  const std::vector<std::string> options_;
  int port_ = 0;
  std::optional<Process> process_;
};

}  // namespace drapci::test
