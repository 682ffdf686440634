#include "plugin/claim_preparer.h"

#include <fmt/format.h>

#include "plugin/claim_json.h"
#include "plugin/text.h"

namespace drapci::plugin {

ClaimPreparer::ClaimPreparer(driver::Manager& manager, KubeApi* claims, std::string driver_name)
    : manager_(manager), claims_(claims), driver_name_(std::move(driver_name)) {}

void ClaimPreparer::Prepare(ClaimReference claim,
                            std::function<void(Result<driver::PreparedClaim>)> done) {
  if (!driver::IsValidUid(claim.uid)) {
    done(Fail(Code::kInvalid, fmt::format("'{}' is no claim UID", Printable(claim.uid, 100))));
    return;
  }
  if (auto held = manager_.FindClaim(claim.uid);
      held && held->state == driver::ClaimState::kPrepared) {
    manager_.Prepare(std::move(held->request), std::move(done));
    return;
  }
  if (claims_ == nullptr) {
    done(Fail(
        Code::kUnsupported,
        fmt::format("claim {}/{} cannot be read: drapcid was told of no place to read claims from; "
                    "start it with --claim-directory",
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
        manager_.Prepare(*std::move(request), done);
      });
}

Result<driver::ClaimRequest> ClaimPreparer::Check(const ClaimReference& claim,
                                                  const std::string& json) const {
  DRAPCI_TRY(auto request, DecodeClaim(json, driver_name_));
  if (request.uid != claim.uid) {
    return Fail(Code::kConflict,
                fmt::format("claim {}/{} got replaced: it has the UID '{}' now, {} was asked for",
                            claim.namespace_name, claim.name, request.uid, claim.uid));
  }
  return request;
}

}  // namespace drapci::plugin
