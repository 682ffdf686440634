// Who may do what: the roles of contract section 8.1, the node policy of 8.2, the node authorizer
// of 8.3 D and the granular status verbs of section 9. Everything is allowed while switched off.
#pragma once

#include "test/apiserver/gates.h"
#include "test/apiserver/resources.h"
#include "test/apiserver/types.h"

namespace drapci::apiserver {

// By verb and resource, before the object is looked at. `selector` is that of lists and watches.
Answer<> AuthorizeCall(const Authorization& rules, const User& user, const std::string& verb,
                       const Target& target, const Selector& selector);

// A slice that is created, changed or deleted must be of the user's node.
Answer<> AuthorizeSlice(const Authorization& rules, const User& user, const Target& target,
                        const json& slice);

// A claim that a kubelet reads must be allocated to its node.
Answer<> AuthorizeClaim(const Authorization& rules, const User& user, const Target& target,
                        const json& claim);

// What changes between `old` and `claim` in the status; `verb` is update or patch.
Answer<> AuthorizeStatus(const Authorization& rules, const Gates& gates, const User& user,
                         const std::string& verb, const Target& target, const json& old,
                         const json& claim);

// The node that an allocation is bound to; empty when it is none or several.
std::string NodeOfAllocation(const json& claim);

}  // namespace drapci::apiserver
