#include "discovery/http/activation_gate.h"

#include <algorithm>
#include <string_view>

namespace holdfast::discovery {

namespace {

constexpr std::string_view kBearer = "Bearer ";

}  // namespace

void ActivationGate::set_tokens(std::vector<std::string> const& tokens) {
  MutexLock const lock(mutex_);
  tokens_.clear();
  for (std::string const& token : tokens) tokens_.push_back(blake2b({as_bytes(token)}));
}

bool ActivationGate::may_bring_keys(HttpRequest const& request) const {
  switch (policy_) {
    case NewKeys::None:
      return false;
    case NewKeys::Open:
      return true;
    case NewKeys::Token:
      break;
  }
  std::string_view const field = request.headers.get("Authorization").value_or("");
  if (!field.starts_with(kBearer)) return false;
  Hash const sent = blake2b({as_bytes(field.substr(kBearer.size()))});
  MutexLock const lock(mutex_);
  return std::find(tokens_.begin(), tokens_.end(), sent) != tokens_.end();
}

Activator::Begun ActivationGate::begin(DiscoveryKey const& key, RegionWish const& region,
                                       HttpRequest const& request) {
  if (!may_bring_keys(request)) return Begun::NotAllowed;
  bool const is_new = !parts_.service.is_running(key);
  if (is_new &&
      parts_.limiter.charge(request.peer.address, RateKind::NewKey, parts_.clock()).is_refused) {
    return Begun::OverBudget;
  }
  switch (parts_.service.begin(key, region)) {
    case ActivationTable::Begun::Started:
    case ActivationTable::Begun::Joined:
      return Begun::Waiting;
    case ActivationTable::Begun::Resting:
      return Begun::Resting;
    case ActivationTable::Begun::Refused:
      return Begun::Overloaded;
  }
  return Begun::Overloaded;
}

}  // namespace holdfast::discovery
