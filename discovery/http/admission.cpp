#include "discovery/http/admission.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "codec/key_text.h"
#include "discovery/http/answers.h"
#include "discovery/probe/steady_clock.h"
#include "registration/base64.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemType;

constexpr std::string_view kBannedId = "id:";
constexpr std::string_view kBannedNetwork = "net:";
constexpr std::string_view kDrained = "drain:";
constexpr std::string_view kTrusted = "trusted:";
constexpr std::size_t kInviteBytes = 18;
constexpr std::size_t kReasonBytesMax = 200;
constexpr std::uint64_t kQuotaRetryAfterS =
    600;  // As long as a lost lease is remembered by default.

constexpr Duration kReadAgainAfter{60'000};

Hash hash_of(std::string_view token) { return sha256(as_bytes(token)); }

std::optional<PublicKey> id_behind(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return PublicKey::from_hex(name.substr(prefix.size()));
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The name under which a ban is kept. Errors: Malformed.
Result<std::string> ban_name(std::string_view what) {
  if (Result<PublicKey> const id = parse_key_as<PublicKey>(what); id)
    return std::string(kBannedId) + id->hex();
  Result<IpNetwork> const network = parse_network_or_address(what);
  if (!network) return Unexpected(ErrorCode::Malformed, "neither an id, an address nor a range");
  return std::string(kBannedNetwork) + network->text();
}

}  // namespace

std::optional<RegistrationMode> registration_mode_from_name(std::string_view name) {
  using enum RegistrationMode;
  for (RegistrationMode const mode : {Open, Token, AllowList, Invite}) {
    if (name_of(mode) == name) return mode;
  }
  return std::nullopt;
}

std::string_view name_of(RegistrationMode mode) {
  switch (mode) {
    case RegistrationMode::Open:
      return "open";
    case RegistrationMode::Token:
      return "token";
    case RegistrationMode::AllowList:
      return "allow-list";
    case RegistrationMode::Invite:
      return "invite";
  }
  return "";
}

Admission::Admission(RecordStore& store, AdmissionOptions options)
    : store_(store), options_(std::move(options)) {}

void Admission::set_files(AdmissionFiles files) {
  MutexLock const lock(mutex_);
  tokens_.clear();
  for (std::string const& token : files.tokens) tokens_.push_back(hash_of(token));
  allowed_ = std::move(files.allowed);
  banned_ = std::move(files.banned);
}

void Admission::drop_banned() {
  std::vector<PublicKey> gone;
  {
    MutexLock const lock(mutex_);
    std::vector<PublicKey> named(banned_.ids.begin(), banned_.ids.end());
    for (IpNetwork const& network : banned_.networks) {
      std::vector<PublicKey> const inside = counts_.in(network);
      named.insert(named.end(), inside.begin(), inside.end());
    }
    for (PublicKey const& id : named) {
      if (counts_.has(id)) gone.push_back(id);
    }
  }
  // One that could not be dropped now is refused at its next renewal, and its lease runs out.
  for (PublicKey const& id : gone) static_cast<void>(store_.deregister(id).ok());
}

AdmissionVerdict Admission::judge(Applicant const& applicant) {
  auto const refuse = [](ProblemType type, std::string detail,
                         std::optional<std::uint64_t> retry_after_s = std::nullopt) {
    return AdmissionVerdict{problem_document(type, std::move(detail), retry_after_s), false};
  };
  if (auto banned = refused_by_ban(applicant.id, applicant.source); banned)
    return {std::move(banned), false};
  bool const token_is_good = knows_token(applicant.token);
  if (auto const why = network_refusal(applicant); why)
    return refuse(ProblemType::QuotaExceeded, *why, kQuotaRetryAfterS);
  // Last, because it uses an invite up.
  if (auto const why = mode_refusal(applicant, token_is_good); why)
    return refuse(ProblemType::Denied, *why);
  bool const trusted = token_is_good || (applicant.receipt && applicant.receipt->trusted) ||
                       is_trusted(applicant.id);
  if (trusted) trust(applicant.id);
  return {std::nullopt, trusted};
}

std::optional<std::string> Admission::mode_refusal(Applicant const& applicant, bool token_is_good) {
  bool const admitted_before = applicant.is_known || applicant.receipt;
  switch (options_.mode) {
    case RegistrationMode::Open:
      return std::nullopt;
    case RegistrationMode::Token:
      if (token_is_good || admitted_before) return std::nullopt;
      return "registration needs a token of the operator";
    case RegistrationMode::AllowList: {
      MutexLock const lock(mutex_);
      if (token_is_good || allowed_.has(applicant.id, IpAddress::parse(applicant.source)))
        return std::nullopt;
      return "this service takes only replicators on its operator's list";
    }
    case RegistrationMode::Invite:
      if (token_is_good || admitted_before || take_invite(applicant.token)) return std::nullopt;
      return "registration needs an invite of the operator that is not used up";
  }
  return "not allowed";
}

std::optional<std::string> Admission::network_refusal(Applicant const& applicant) const {
  std::optional<IpAddress> const source = IpAddress::parse(applicant.source);
  if (!source || options_.policy.is_lab(*source)) return std::nullopt;
  MutexLock const lock(mutex_);
  if (applicant.is_known || counts_.has(applicant.id)) return std::nullopt;
  for (NetworkCounts::Count const& count : counts_.around(*source)) {
    std::size_t const most = count.prefix_bits == 24   ? options_.per_v4_24_max
                             : count.prefix_bits == 64 ? options_.per_v6_64_max
                                                       : options_.per_v6_48_max;
    if (count.registered >= most) {
      return "too many replicators are registered from its /" + std::to_string(count.prefix_bits) +
             " network";
    }
  }
  return std::nullopt;
}

bool Admission::knows_token(std::string const& token) const {
  if (token.empty()) return false;
  Hash const hash = hash_of(token);
  MutexLock const lock(mutex_);
  bool known = false;
  for (Hash const& each : tokens_) known |= equal_in_constant_time(each.view(), hash.view());
  return known;
}

bool Admission::take_invite(std::string const& code) {
  if (code.empty()) return false;
  Result<std::optional<std::string>> const taken =
      store_.take_shared(SharedKind::Invite, hash_of(code).hex());
  return taken && *taken;
}

void Admission::trust(PublicKey const& id) {
  {
    MutexLock const lock(mutex_);
    if (!lists_.trusted.insert(id).second) return;
  }
  static_cast<void>(store_
                        .put_shared(SharedKind::Quota, std::string(kTrusted) + id.hex(), "",
                                    std::nullopt, /*only_if_absent=*/false)
                        .ok());
}

std::optional<registration::ProblemDetails> Admission::refused_by_ban(PublicKey const& id,
                                                                      std::string const& source) {
  refresh_if_changed();
  std::optional<IpAddress> const address = IpAddress::parse(source);
  MutexLock const lock(mutex_);
  auto const refuse = [](std::string const& reason) {
    return problem_document(ProblemType::Denied,
                            "banned by the operator" + (reason.empty() ? "" : ": " + reason));
  };
  if (auto const found = lists_.banned_ids.find(id); found != lists_.banned_ids.end())
    return refuse(found->second.reason);
  if (banned_.has(id, address)) return refuse("");
  if (!address) return std::nullopt;
  for (auto const& [network, ban] : lists_.banned_networks) {
    if (network.contains(*address)) return refuse(ban.reason);
  }
  return std::nullopt;
}

std::uint64_t Admission::keys_max(PublicKey const& id) {
  refresh_if_changed();
  MutexLock const lock(mutex_);
  auto const found = lists_.quotas.find(id);
  return found == lists_.quotas.end() ? options_.keys_max : found->second;
}

bool Admission::is_drained(PublicKey const& id) {
  refresh_if_changed();
  MutexLock const lock(mutex_);
  return lists_.drained.contains(id);
}

bool Admission::is_trusted(PublicKey const& id) const {
  MutexLock const lock(mutex_);
  return lists_.trusted.contains(id);
}

Result<void> Admission::ban(std::string_view what, std::string_view reason,
                            std::optional<Duration> life) {
  Result<std::string> const name = ban_name(what);
  if (!name) return Unexpected(name.error());
  Result<bool> const put = store_.put_shared(
      SharedKind::Ban, *name, reason.substr(0, kReasonBytesMax), life, /*only_if_absent=*/false);
  if (!put) return Unexpected(put.error());
  changed_ = true;
  std::vector<PublicKey> gone;
  if (std::optional<PublicKey> const id = id_behind(*name, kBannedId); id) {
    gone.push_back(*id);
  } else {
    MutexLock const lock(mutex_);
    gone = counts_.in(*IpNetwork::parse(name->substr(kBannedNetwork.size())));
  }
  for (PublicKey const& id : gone) {
    Result<void> const left = store_.deregister(id);
    if (!left && left.error().code != ErrorCode::NotFound) return left;
  }
  return {};
}

Result<void> Admission::unban(std::string_view what) {
  Result<std::string> const name = ban_name(what);
  if (!name) return Unexpected(name.error());
  Result<std::optional<std::string>> const taken = store_.take_shared(SharedKind::Ban, *name);
  if (!taken) return Unexpected(taken.error());
  changed_ = true;
  if (!*taken) return Unexpected(ErrorCode::NotFound, "no such ban at run time; see the ban list");
  return {};
}

Result<void> Admission::set_drained(PublicKey const& id, bool drained) {
  std::string const name = std::string(kDrained) + id.hex();
  changed_ = true;
  if (!drained) {
    Result<std::optional<std::string>> const taken = store_.take_shared(SharedKind::Ban, name);
    return taken ? Result<void>() : Unexpected(taken.error());
  }
  Result<bool> const put = store_.put_shared(SharedKind::Ban, name, "", std::nullopt, false);
  return put ? Result<void>() : Unexpected(put.error());
}

Result<void> Admission::set_quota(PublicKey const& id, std::optional<std::uint64_t> keys) {
  changed_ = true;
  if (!keys) {
    Result<std::optional<std::string>> const taken =
        store_.take_shared(SharedKind::Quota, id.hex());
    return taken ? Result<void>() : Unexpected(taken.error());
  }
  Result<bool> const put =
      store_.put_shared(SharedKind::Quota, id.hex(), std::to_string(*keys), std::nullopt, false);
  return put ? Result<void>() : Unexpected(put.error());
}

Result<std::string> Admission::invite(Duration life) {
  std::array<Byte, kInviteBytes> raw{};
  random_bytes(raw);
  std::string code = registration::to_base64url(raw);
  Result<bool> const put = store_.put_shared(SharedKind::Invite, hash_of(code).hex(), "", life,
                                             /*only_if_absent=*/true);
  if (!put) return Unexpected(put.error());
  return code;
}

std::vector<Admission::Ban> Admission::bans() {
  changed_ = true;
  refresh_if_changed();
  MutexLock const lock(mutex_);
  std::vector<Ban> out;
  for (auto const& [id, ban] : lists_.banned_ids) out.push_back(ban);
  for (auto const& [network, ban] : lists_.banned_networks) out.push_back(ban);
  for (PublicKey const& id : banned_.ids) out.push_back({id.hex(), "ban list", std::nullopt});
  for (IpNetwork const& network : banned_.networks)
    out.push_back({network.text(), "ban list", std::nullopt});
  return out;
}

void Admission::refresh_if_changed() {
  bool const due = steady_now() >= read_again_.load();
  if (!changed_.exchange(false) && !due) return;
  Result<Lists> fresh = read_lists();
  if (!fresh) {
    changed_ = true;
    return;
  }
  MutexLock const lock(mutex_);
  lists_ = *std::move(fresh);
}

Result<Admission::Lists> Admission::read_lists() {
  Result<std::vector<Shared>> const bans = store_.list_shared(SharedKind::Ban);
  if (!bans) return Unexpected(bans.error());
  Result<std::vector<Shared>> const quotas = store_.list_shared(SharedKind::Quota);
  if (!quotas) return Unexpected(quotas.error());
  Lists out;
  Instant const now = steady_now();
  Instant again = now + kReadAgainAfter;
  for (Shared const& each : *bans) {
    if (each.left) again = std::min(again, now + *each.left + Duration(1));
    if (auto const banned = id_behind(each.name, kBannedId); banned) {
      out.banned_ids[*banned] = {banned->hex(), each.value, each.left};
    } else if (auto const drained = id_behind(each.name, kDrained); drained) {
      out.drained.insert(*drained);
    } else if (each.name.starts_with(kBannedNetwork)) {
      std::string const text = each.name.substr(kBannedNetwork.size());
      Result<IpNetwork> const network = IpNetwork::parse(text);
      if (network) out.banned_networks.emplace_back(*network, Ban{text, each.value, each.left});
    }
  }
  for (Shared const& each : *quotas) {
    if (auto const trusted = id_behind(each.name, kTrusted); trusted) {
      out.trusted.insert(*trusted);
      continue;
    }
    std::optional<PublicKey> const id = PublicKey::from_hex(each.name);
    std::optional<std::uint64_t> const keys = parse_count(each.value);
    if (id && keys) out.quotas[*id] = *keys;
  }
  read_again_ = again;
  return out;
}

void Admission::on_table(std::vector<ReplicatorEntry> all, std::uint64_t /*now_unix_ms*/,
                         bool /*recovering*/) {
  changed_ = true;
  MutexLock const lock(mutex_);
  counts_.clear();
  for (ReplicatorEntry const& entry : all) counts_.put(entry.id, entry.observed_host);
}

void Admission::on_replicator(ReplicatorEntry const& entry, std::uint64_t /*now_unix_ms*/) {
  MutexLock const lock(mutex_);
  counts_.put(entry.id, entry.observed_host);
}

void Admission::on_gone(PublicKey const& id) {
  MutexLock const lock(mutex_);
  counts_.remove(id);
}

void Admission::on_shared(SharedKind kind) {
  if (kind == SharedKind::Ban || kind == SharedKind::Quota) changed_ = true;
}

}  // namespace holdfast::discovery
