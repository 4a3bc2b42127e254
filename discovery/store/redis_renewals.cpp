#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "discovery/store/redis_records.h"
#include "discovery/store/redis_words.h"

namespace holdfast::discovery {

namespace {

using registration::ReplicatorState;

constexpr std::size_t kSecretTagBytes = 8;

Unexpected spend_problem(std::string const& status) {
  if (status == "used") return Unexpected(ErrorCode::Denied, "nonce was used before");
  if (status == "busy") {
    return Unexpected(ErrorCode::Unavailable, "too many requests within the life of a nonce");
  }
  return Unexpected(ErrorCode::Denied, "nonce of another store");
}

}  // namespace

std::string RedisRecords::tag_of(Hash const& secret) {
  return raw(secret.view().first(kSecretTagBytes));
}

Result<void> RedisRecords::spend_nonce(PublicKey const& id, NonceUse const& nonce) {
  Deadline const deadline = this->deadline();
  bool is_known = false;
  {
    MutexLock const lock(mutex_);
    is_known = secret_ == nonce.secret;
  }
  if (!is_known) {
    Result<NonceState> const state = nonce_state(Freshness::Now);
    if (!state) return Unexpected(state.error());
    if (state->secret != nonce.secret) return spend_problem("other");
  }
  Result<RedisReply> const reply =
      run(script(Script::Spend, {ReplicatorKeys(id).nonces}, {nonce.name, digits(nonce.life)}, 0),
          deadline);
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text != "ok") return spend_problem(reply->at(1).text);
  return {};
}

RoutedCommand RedisRecords::renew_command(std::vector<Renewal> const& renewals,
                                          Together const& which) const {
  Words keys;
  Words arguments = {channel_, "", digits(options_.lease)};
  for (std::size_t const i : which) {
    Renewal const& renewal = renewals[i];
    ReplicatorKeys names(renewal.id);
    for (std::string* const name : {&names.record, &names.index, &names.nonces})
      keys.push_back(std::move(*name));
    std::optional<NonceUse> const& nonce = renewal.nonce;
    arguments.push_back(raw(renewal.id.view()));
    arguments.emplace_back(renewal.request.state == ReplicatorState::Draining ? "1" : "0");
    arguments.push_back(encode_load(renewal.request.load));
    arguments.push_back(nonce ? tag_of(nonce->secret) : "");
    arguments.push_back(nonce ? nonce->name : "");
    arguments.push_back(nonce ? digits(nonce->life) : "");
  }
  return script(Script::Renew, std::move(keys), std::move(arguments), 2);
}

Result<ReplicatorEntry> RedisRecords::take_renewed(Renewal const& renewal,
                                                   RedisReply const& reply) {
  std::string const& status = reply.at(0).text;
  if (status == "none") return Unexpected(ErrorCode::NotFound, "no lease");
  if (status == "failed") return Unexpected(ErrorCode::Unavailable, "Redis: cannot read a record");
  if (status != "ok") {
    if (status == "other") forget_secret();
    return spend_problem(status);
  }
  ReplicatorEntry out;
  out.id = renewal.id;
  out.state = renewal.request.state;
  out.load = renewal.request.load;
  out.lease_left = options_.lease;
  out.projects = reply.at(1).number();
  out.health = decode_health(reply.at(2).text);
  out.generation = reply.at(3).number();
  return out;
}

/// One script call where all may be in one. In a cluster each is in a slot of its own, and servers are asked one after the
/// other: what one of them does not answer is no answer to its own renewals only.
std::vector<Result<ReplicatorEntry>> RedisRecords::renew_all(std::vector<Renewal> const& renewals) {
  std::vector<Result<ReplicatorEntry>> out(
      renewals.size(), Unexpected(ErrorCode::Unavailable, "Redis was not asked"));
  if (renewals.empty()) return out;
  if (servers_->is_one() && !renews_apart_) {
    Together all(renewals.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    if (renew_some(renewals, {std::move(all)}, out)) return out;
    renews_apart_ = true;
  }
  std::map<std::string, std::vector<Together>> by_server;
  for (std::size_t i = 0; i < renewals.size(); ++i) {
    std::uint16_t const slot = slot_of(ReplicatorKeys(renewals[i].id).record);
    by_server[name_of(servers_->owner_of(slot))].push_back({i});
  }
  for (auto const& [server, calls] : by_server) renew_some(renewals, calls, out);
  // The index of ids may be lost while the records are not; on one server one goes with the other.
  if (!servers_->is_one()) enter_renewed(renewals, out);
  return out;
}

bool RedisRecords::renew_some(std::vector<Renewal> const& renewals,
                              std::vector<Together> const& calls,
                              std::vector<Result<ReplicatorEntry>>& out) {
  std::vector<RoutedCommand> commands;
  commands.reserve(calls.size());
  for (Together const& each : calls) commands.push_back(renew_command(renewals, each));
  Result<std::vector<RedisReply>> replies = servers_->call(commands, deadline());
  for (std::size_t at = 0; at < calls.size(); ++at) {
    if (replies && (*replies)[at].text.starts_with("CROSSSLOT")) return false;
    Result<RedisReply> const reply = replies ? take(std::move((*replies)[at]), commands[at].slot)
                                             : Result<RedisReply>(Unexpected(replies.error()));
    std::size_t result = kFirstResult;
    for (std::size_t const i : calls[at]) {
      out[i] = reply ? take_renewed(renewals[i], reply->at(result++))
                     : Result<ReplicatorEntry>(Unexpected(reply.error()));
    }
  }
  return true;
}

void RedisRecords::enter_renewed(std::vector<Renewal> const& renewals,
                                 std::vector<Result<ReplicatorEntry>> const& results) {
  std::vector<RoutedCommand> commands;
  for (std::size_t i = 0; i < renewals.size(); ++i) {
    if (results[i]) commands.push_back(enter_command(renewals[i].id));
  }
  if (commands.empty()) return;
  Result<std::vector<RedisReply>> replies = servers_->call(commands, deadline());
  if (!replies) return;  // The next renewals try again.
  for (std::size_t i = 0; i < commands.size(); ++i) {
    (void)take_entered(take(std::move((*replies)[i]), commands[i].slot));
  }
}

}  // namespace holdfast::discovery
