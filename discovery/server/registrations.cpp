#include "discovery/server/registrations.h"

#include <array>
#include <utility>

#include <ifaddrs.h>
#include <spdlog/spdlog.h>

#include "discovery/probe/socket_address.h"
#include "discovery/server/list_files.h"
#include "serve/state_files.h"

namespace holdfast::discovery {

namespace {

constexpr char kSecretFile[] = "receipt-secret";
constexpr std::string_view kSecretDomain = "holdfast/receipt-secret";

/// Of this machine: the prober must not be led to what only listens for friends.
std::vector<IpAddress> own_addresses() {
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) return {};
  std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> const owner(found, freeifaddrs);
  std::vector<IpAddress> out;
  for (ifaddrs const* each = found; each != nullptr; each = each->ifa_next) {
    if (std::optional<IpAddress> const address = address_of(each->ifa_addr); address)
      out.push_back(*address);
  }
  return out;
}

Result<AdmissionFiles> read_files(Settings const& settings) {
  Result<std::vector<std::string>> tokens = read_tokens(settings.registration_token);
  if (!tokens) return Unexpected(tokens.error());
  Result<IdList> allowed = read_id_list(settings.allow_list);
  if (!allowed) return Unexpected(allowed.error());
  Result<IdList> banned = read_id_list(settings.ban_list);
  if (!banned) return Unexpected(banned.error());
  return AdmissionFiles{*std::move(tokens), *std::move(allowed), *std::move(banned)};
}

std::string random_name() {
  std::array<Byte, 8> raw{};
  random_bytes(raw);
  return to_hex(raw);
}

}  // namespace

Result<std::unique_ptr<Registrations>> Registrations::make(Settings const& settings,
                                                           RecordStore& store, Metrics& metrics) {
  std::unique_ptr<Registrations> made(new Registrations(settings, store));
  Result<std::vector<IpNetwork>> allow = parse_networks(settings.probe_allow, "--probe-allow");
  if (!allow) return Unexpected(allow.error());
  Result<AdmissionFiles> files = read_files(settings);
  if (!files) return Unexpected(files.error());
  if (Result<void> const secret = made->read_receipt_secret(); !secret)
    return Unexpected(secret.error());
  made->make_parts(metrics, *std::move(allow));
  made->admission_->set_files(*std::move(files));
  return made;
}

Registrations::~Registrations() { stop(); }

Result<void> Registrations::read_receipt_secret() {
  if (!settings_.cluster_secret.empty()) {
    Result<std::string> const text = read_list_file(settings_.cluster_secret);
    if (!text) return Unexpected(text.error());
    receipt_secret_ = blake2b_keyed(blake2b({as_bytes(*text)}).view(), {as_bytes(kSecretDomain)});
    return {};
  }
  std::string const path = settings_.state_dir + "/" + kSecretFile;
  Result<std::string> const kept = read_state_file(path);
  if (kept) {
    std::optional<Hash> const secret = Hash::from_hex(std::string_view(*kept).substr(0, 64));
    if (!secret) return Unexpected(ErrorCode::Malformed, path + " holds no 64 hex digits");
    receipt_secret_ = *secret;
    return {};
  }
  if (kept.error().code != ErrorCode::NotFound) return Unexpected(kept.error());
  random_bytes(receipt_secret_.bytes);
  return write_state_file(path, receipt_secret_.hex() + "\n", /*secret=*/true);
}

void Registrations::make_parts(Metrics& metrics, std::vector<IpNetwork> allow) {
  AdmissionOptions admission;
  admission.mode =
      registration_mode_from_name(settings_.registration).value_or(RegistrationMode::Open);
  admission.policy = AddressPolicy(std::move(allow), own_addresses());
  admission.per_v4_24_max = settings_.registrations_per_v4_24;
  admission.per_v6_64_max = settings_.registrations_per_v6_64;
  admission.per_v6_48_max = settings_.registrations_per_v6_48;
  admission.keys_max = settings_.keys_per_replicator;
  admission_ = std::make_unique<Admission>(store_, admission);
  if (settings_.self_test == "off") return;

  prober_ = std::make_unique<Prober>(admission.policy, ProberOptions{});
  HealthKeeperOptions keeper;
  keeper.instance = random_name();
  keeper.may_name_others = [this](PublicKey const& id) { return admission_->is_trusted(id); };
  keeper.notify = [this](std::string const& event) {
    if (notify_) notify_(event);
  };
  keeper.on_result = [&metrics](ProbeStep step) { metrics.on_probe(step); };
  keeper_ = std::make_unique<HealthKeeper>(store_, *prober_, std::move(keeper));
}

std::vector<StoreWatcher*> Registrations::watchers() {
  // Admission first: the keeper asks it who is trusted.
  std::vector<StoreWatcher*> out = {admission_.get()};
  if (keeper_) out.push_back(keeper_.get());
  return out;
}

RegistrationParts Registrations::parts() {
  return {.admission = admission_.get(), .tests = keeper_.get(), .receipt_secret = receipt_secret_};
}

void Registrations::start(std::function<void(std::string const&)> notify) {
  notify_ = std::move(notify);
  if (keeper_) keeper_->start();
}

Result<void> Registrations::reload() {
  Result<AdmissionFiles> files = read_files(settings_);
  if (!files) return Unexpected(files.error());
  admission_->set_files(*std::move(files));
  admission_->drop_banned();
  return {};
}

void Registrations::stop() {
  if (keeper_) keeper_->stop();
  prober_.reset();
}

LeaseCounts Registrations::counts() const { return keeper_ ? keeper_->counts() : LeaseCounts{}; }

}  // namespace holdfast::discovery
