#include "replicator/daemon/registrar.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "net/system_rng.h"
#include "net/tcp.h"
#include "registration/keyholder_proof.h"
#include "replicator/daemon/wall_clock.h"

namespace holdfast::replicator {

namespace {

constexpr char kSeqName[] = "registration-seq";
constexpr char kReceiptPrefix[] = "registration-receipt:";

/// Spread over half of it again. Why: nodes that a service refused together, when it came back, must
/// not all come back together.
std::uint64_t offer_again_s() {
  SeededRng rng = net::system_rng();
  return KeyListing::kOfferAgainS + rng.below(KeyListing::kOfferAgainS / 2);
}

}  // namespace

Result<std::uint64_t> RecordSeq::next(std::uint64_t floor) {
  MutexLock const lock(mutex_);
  Result<std::optional<Bytes>> const kept = store_.get_meta(kSeqName);
  if (!kept) return Unexpected(kept.error());
  std::uint64_t last = floor;
  if (*kept) {
    Decoder in(**kept);
    last = std::max(last, in.read_uint());
  }
  std::uint64_t const seq = std::max(unix_ms(), last + 1);
  Encoder out;
  out.write_uint(seq);
  if (Result<void> const written = store_.put_meta(kSeqName, out.view()); !written) {
    return Unexpected(written.error());
  }
  return seq;
}

Bytes Receipts::of(std::string const& service) const {
  Result<std::optional<Bytes>> const kept = store_.get_meta(kReceiptPrefix + service);
  return kept && *kept && (*kept)->size() <= registration::kReceiptBytesMax ? **kept : Bytes();
}

Result<void> Receipts::keep(std::string const& service, ByteView receipt) {
  return store_.put_meta(kReceiptPrefix + service, receipt);
}

Registrar::Registrar(RegistrarOptions options, KeyPair const& pair, RecordSeq& seq,
                     Receipts& receipts, std::function<std::vector<WantedKey>()> keys,
                     std::function<registration::LoadFigures()> load)
    : options_(std::move(options)),
      pair_(pair),
      seq_(seq),
      receipts_(receipts),
      keys_(std::move(keys)),
      load_(std::move(load)),
      listing_(offer_again_s()) {}

Registrar::~Registrar() { stop(/*deregister=*/false); }

void Registrar::start() {
  thread_ = std::thread([this] { run(); });
}

void Registrar::drain() {
  draining_ = true;
  rest_.wake();
}

void Registrar::stop(bool deregister) {
  rest_.stop();
  if (!deregister) {
    MutexLock const lock(mutex_);
    cancelled_ = true;
    if (client_) client_->cancel();
  }
  if (thread_.joinable()) thread_.join();
  if (deregister && client_ && registered_.exchange(false)) {
    if (Result<void> const left = client_->deregister(); !left) {
      spdlog::warn("{} was not told that this node leaves: {}", service(), left.error().detail);
    }
  }
}

void Registrar::run() {
  SeededRng rng = net::system_rng();
  net::Backoff backoff(options_.backoff);
  receipt_ = receipts_.of(service());
  std::string complaint;
  while (!rest_.stopped()) {
    Result<void> const done = step();
    if (done) {
      backoff.reset();
      if (!complaint.empty()) spdlog::info("registered with {} again", service());
      complaint.clear();
      rest_.sleep(std::max(renew_at_ - net::steady_now(), Duration(0)));
      continue;
    }
    if (rest_.stopped()) return;
    note_failure(done.error());
    // Once for each reason, not once per attempt.
    if (std::string const text = done.error().detail; text != complaint) {
      spdlog::warn("{}: {}{}; trying again until it works", service(), text, advice());
      complaint = text;
    }
    Duration const asked = client_ ? client_->failure().retry_after : Duration(0);
    Duration pause = backoff.next(rng, asked);
    // What is wrong with the keys must not cost the lease.
    Duration const to_renewal = renew_at_ - net::steady_now();
    if (registered_ && to_renewal > Duration(0)) pause = std::min(pause, to_renewal);
    rest_.sleep(pause);
  }
}

void Registrar::note_failure(Error const& error) {
  ++failures_;
  bool const is_self_test =
      client_ && client_->failure().problem &&
      client_->failure().problem->type == registration::ProblemType::SelfTestFailed;
  if (error.code == ErrorCode::Denied) {
    standing_ = Standing::Refusing;
  } else {
    standing_ = is_self_test ? Standing::Unlisted : Standing::Away;
  }
}

std::string Registrar::advice() const {
  if (!client_ || !client_->failure().problem) return "";
  std::string const id = pair_.public_key.hex();
  registration::ProblemType const type = client_->failure().problem->type;
  using enum registration::ProblemType;
  if (type == Denied) {
    return "; ask its operator for a token or an invite and put it into the file of "
           "--registration-token, or ask to be let in by id, " +
           id;
  }
  if (type == QuotaExceeded) return "; ask its operator for more, for id " + id;
  if (type == SelfTestFailed || type == RefusedAddress)
    return "; holdfast doctor --discovery " + service() + " --node " + id + " tells what to do";
  if (type == WrongTarget)
    return "; --discovery must be spelled as one of the service's own --public-url";
  return "";
}

Result<void> Registrar::step() {
  if (!client_) {
    Result<std::unique_ptr<net::RegistrationClient>> opened =
        net::RegistrationClient::open(options_.service, options_.https, pair_);
    if (!opened) return Unexpected(opened.error());
    MutexLock const lock(mutex_);
    client_ = std::move(*opened);
    if (cancelled_) client_->cancel();
  }
  if (Result<void> const done = ensure_registered(); !done) return done;
  if (registered_ && (net::steady_now() >= renew_at_ || draining_)) {
    Result<void> renewed = renew();
    if (!renewed && renewed.error().code == ErrorCode::NotFound) {
      // The service lost its state, not we: register again at once.
      registered_ = false;
      renewed = ensure_registered();
    }
    // Banned, say: there is no lease any more.
    if (!renewed && renewed.error().code == ErrorCode::Denied) registered_ = false;
    if (!renewed) return renewed;
  }
  return draining_ ? Result<void>() : send_keys();
}

Result<void> Registrar::ensure_registered() {
  if (registered_) return {};
  if (!draining_) return register_now();
  renew_at_ = net::steady_now() + Duration(60'000);
  return {};
}

std::uint64_t Registrar::service_now_s() const {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(unix_ms() / 1'000) + clock_offset_s_);
}

void Registrar::note_lease(registration::LeaseAnswer const& answer) {
  std::uint64_t const longest = longest_lease_s_;
  longest_lease_s_ = std::max(longest, answer.lease_s);
  // A service that says 0 would make us renew without pause.
  renew_at_ = net::steady_now() + std::max(Duration(answer.renew_in_s * 1'000), Duration(250));
  listed_count_ = answer.projects;
  if (answer.projects != listing_.size()) listing_.forget();
  if (!answer.receipt.empty()) {
    receipt_ = answer.receipt;
    // Without it the next start costs a test, no more.
    static_cast<void>(receipts_.keep(service(), receipt_).ok());
  }
  keys_max_ = answer.keys_max;
  Standing const now = answer.listed ? Standing::Listing : Standing::Unlisted;
  if (standing_.exchange(now) != now && answer.listed)
    spdlog::info("{} lists this node", service());
  if (!answer.listed && !draining_ && answer.reason != told_why_)
    spdlog::warn("{} does not list this node: {}", service(), answer.reason);
  told_why_ = answer.listed ? "" : answer.reason;
}

Result<void> Registrar::register_now() {
  Result<registration::WhoamiAnswer> const who = client_->whoami();
  if (!who) return Unexpected(who.error());
  clock_offset_s_ = static_cast<std::int64_t>(who->now_unix_ms / 1'000) -
                    static_cast<std::int64_t>(unix_ms() / 1'000);
  std::uint64_t floor = 0;
  for (int attempt = 0;; ++attempt) {
    if (!record_) {
      registration::Record record = options_.record;
      Result<std::uint64_t> const seq = seq_.next(floor);
      if (!seq) return Unexpected(seq.error());
      record.seq = *seq;
      Result<registration::SignedRecord> const signed_record =
          registration::sign_record(record, pair_);
      if (!signed_record) return Unexpected(signed_record.error());
      record_ = *signed_record;
    }
    Result<registration::LeaseAnswer> const lease =
        client_->put_record(*record_, {.receipt = receipt_, .token = options_.token});
    if (lease) {
      if (!registered_) spdlog::info("registered with {} (lease {} s)", service(), lease->lease_s);
      registered_ = true;
      ++renewals_;
      listing_.forget();
      note_lease(*lease);
      return {};
    }
    if (lease.error().code != ErrorCode::Conflict || attempt > 0) return Unexpected(lease.error());
    // A newer record of ours is there, from a run whose seq was lost: go above it.
    if (Result<registration::ReplicatorInfo> const info = client_->info()) floor = info->record.seq;
    record_.reset();
  }
}

Result<void> Registrar::renew() {
  registration::RenewRequest request;
  request.state =
      draining_ ? registration::ReplicatorState::Draining : registration::ReplicatorState::Active;
  request.load = load_();
  Result<registration::LeaseAnswer> const lease = client_->renew(request);
  if (!lease) return Unexpected(lease.error());
  ++renewals_;
  note_lease(*lease);
  return {};
}

Result<void> Registrar::send_keys() {
  Result<void> const sent = send_plan();
  bool const may_be_left_overs = sent || sent.error().code == ErrorCode::Denied;
  if (!may_be_left_overs || listed_count_ <= listing_.size()) return sent;
  listing_.replace();
  return send_plan();
}

Result<void> Registrar::send_plan() {
  std::uint64_t const now_s = service_now_s();
  KeyListing::Plan const plan = listing_.plan(keys_(), now_s, keys_max_);
  note_unlisted(plan.unlisted);
  refused_keys_ = listing_.refused_count();
  registration::ProjectsRequest batch;
  batch.replace = plan.replace;
  std::size_t batch_bytes = 0;
  auto const make_room = [&](std::size_t adds) -> Result<void> {
    bool const fits = batch.add.size() + batch.remove.size() < registration::kBatchKeysMax &&
                      batch_bytes + adds <= kBatchBytesMax;
    Result<void> const sent = fits ? Result<void>() : send_batch(std::exchange(batch, {}));
    batch_bytes = adds + (fits ? batch_bytes : 0);
    return sent;
  };
  for (DiscoveryKey const& key : plan.remove) {
    if (Result<void> const room = make_room(kRemovalBytes); !room) return room;
    batch.remove.push_back(key);
  }
  for (WantedKey const& item : plan.add) {
    std::size_t const bytes = item.root ? kProvenListingBytes : kListingBytes;
    if (Result<void> const room = make_room(bytes); !room) return room;
    registration::ProjectListing listing{.key = item.key, .proof = std::nullopt};
    if (item.root) {
      listing.proof =
          registration::make_keyholder_proof(keyholder_pair_of(*item.root), pair_.public_key,
                                             item.key, now_s + KeyListing::kProofLifeS);
    }
    batch.add.push_back(listing);
  }
  if (!batch.replace && batch.add.empty() && batch.remove.empty()) return {};
  return send_batch(batch);
}

void Registrar::note_unlisted(std::size_t count) {
  if (unlisted_keys_.exchange(count) == count) return;
  if (count == 0) return spdlog::info("{} takes all keys of this node", service());
  spdlog::warn(
      "{} takes at most {} keys of this node and {} are left out; ask its operator for more, for "
      "id {}",
      service(), keys_max_.value_or(0), count, pair_.public_key.hex());
}

Result<void> Registrar::send_batch(registration::ProjectsRequest const& batch) {
  Result<registration::ProjectsAnswer> const answer = client_->change_projects(batch);
  if (!answer) {
    if (answer.error().code == ErrorCode::NotFound) registered_ = false;
    // What was refused changed nothing; of what went wrong otherwise nobody knows how far it got.
    if (answer.error().code != ErrorCode::Denied) listing_.forget();
    return Unexpected(answer.error());
  }
  listed_count_ = answer->projects;
  for (DiscoveryKey const& key : listing_.on_sent(batch, answer->refused, service_now_s())) {
    spdlog::debug("{} does not list {}, which has as many hosts as a key may have there", service(),
                  key.hex());
  }
  refused_keys_ = listing_.refused_count();
  return {};
}

}  // namespace holdfast::replicator
