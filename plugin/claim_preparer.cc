#include "plugin/claim_preparer.h"

#include <fmt/format.h>

#include "plugin/claim_json.h"
#include "plugin/text.h"

namespace drapci::plugin {

ClaimPreparer::ClaimPreparer(driver::Manager& manager, KubeApi* claims, std::string driver_name,
                             std::string node_name, ClaimFollower* follower)
    : manager_(manager),
      claims_(claims),
      driver_name_(std::move(driver_name)),
      node_name_(std::move(node_name)),
      follower_(follower) {}

void ClaimPreparer::PrepareIt(driver::ClaimRequest request,
                              std::function<void(Result<driver::PreparedClaim>)> done) {
  if (follower_ == nullptr) return manager_.Prepare(std::move(request), std::move(done));
  manager_.Prepare(request,
                   [this, request, done = std::move(done)](Result<driver::PreparedClaim> prepared) {
                     if (!prepared) {
                       follower_->Failed(request, prepared.error());
                     } else if (const auto record = manager_.FindClaim(request.uid)) {
                       if (auto followed = follower_->Prepared(*record, *prepared); !followed) {
                         return done(Fail(std::move(followed).error()));
                       }
                     }
                     done(std::move(prepared));
                   });
}

void ClaimPreparer::Unprepare(const std::string& uid, std::function<void(Result<>)> done) {
  if (follower_ == nullptr) return manager_.Unprepare(uid, std::move(done));
  manager_.Unprepare(uid, [this, uid, done = std::move(done)](Result<> released) {
    done(released ? follower_->Released(uid) : std::move(released));
  });
}

void ClaimPreparer::Prepare(ClaimReference claim,
                            std::function<void(Result<driver::PreparedClaim>)> done) {
  if (!driver::IsValidUid(claim.uid)) {
    done(Fail(Code::kInvalid, fmt::format("'{}' is no claim UID", Printable(claim.uid, 100))));
    return;
  }
  if (follower_ != nullptr) follower_->Asked(claim.uid);
  if (auto held = manager_.FindClaim(claim.uid);
      held && held->state == driver::ClaimState::kPrepared) {
    PrepareIt(std::move(held->request), std::move(done));
    return;
  }
  if (claims_ == nullptr) {
    done(Fail(
        Code::kUnsupported,
        fmt::format("claim {}/{} cannot be read: drapcid was told of no place to read claims from; "
                    "set kubernetes.kubeconfig in its configuration",
                    claim.namespace_name, claim.name)));
    return;
  }
  std::string namespace_name = claim.namespace_name, name = claim.name, uid = claim.uid;
  claims_->GetClaim(
      std::move(namespace_name), std::move(name), std::move(uid),
      [this, claim = std::move(claim), done = std::move(done)](Result<std::string> json) {
        if (!json) {
          done(Fail(std::move(json).error().Within(
              fmt::format("claim {}/{}", claim.namespace_name, claim.name))));
          return;
        }
        auto request = Check(claim, *json);
        if (!request) {
          done(Fail(std::move(request).error()));
          return;
        }
        PrepareIt(*std::move(request), done);
      });
}

Result<driver::ClaimRequest> ClaimPreparer::Check(const ClaimReference& claim,
                                                  const std::string& json) const {
  DRAPCI_TRY(auto request, DecodeClaim(json, driver_name_, node_name_));
  if (request.uid != claim.uid) {
    return Fail(Code::kConflict,
                fmt::format("claim {}/{} got replaced: it has the UID '{}' now, {} was asked for",
                            claim.namespace_name, claim.name, request.uid, claim.uid));
  }
  return request;
}

}  // namespace drapci::plugin
