#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_network.h"
#include "crypto/keys.h"
#include "discovery/probe/address_policy.h"
#include "registration/problem.h"
#include "registration/record.h"

namespace holdfast::discovery {

/// A replicator whose addresses are to be tested.
struct ProbeTarget {
  PublicKey id;
  std::vector<registration::Address> addresses;
  std::string observed_host;  ///< A literal: where its registration came from.
  bool may_name_others =
      false;  ///< Registered with an operator's token: other public addresses are fine.
};

/// What a test came to, or where it ended. Also the labels of the metric.
enum class ProbeStep : std::uint8_t {
  Passed,
  Skipped,  ///< Not tested: too many tests of one target or at once. Says nothing about the node.
  Refused,  ///< An address that may not be tested, and so not be registered.
  Resolve,
  Connect,
  Handshake,
  Key,  ///< Somebody else's static key answered.
};
std::string_view name_of(ProbeStep step);

struct ProbeReport {
  ProbeStep step = ProbeStep::Skipped;
  /// For the replicator's owner: which address, which step. At most registration::kTranscriptBytesMax. Connection errors are not told
  /// apart, so that it is no port scan.
  std::string transcript;
  bool passed() const { return step == ProbeStep::Passed; }
  bool says_something() const { return step != ProbeStep::Skipped; }
};

/// Tests replicators. `done` comes exactly once, on any thread, perhaps before probe() returns.
class SelfTester {
 public:
  virtual ~SelfTester() = default;
  using Done = std::function<void(ProbeReport)>;
  virtual void probe(ProbeTarget target, Done done) = 0;
};

/// One address of a record after resolution.
struct ResolvedAddress {
  registration::Address address;
  std::uint16_t port = 0;
  std::vector<IpAddress> found;  ///< Empty: the name has no address.
};

struct Dial {
  std::size_t address = 0;  ///< Which of the record's.
  IpAddress ip;             ///< Exactly what is dialled; checked by the policy.
  std::uint16_t port = 0;
  bool handshake = true;      ///< False for ws: only that something accepts is tested.
  bool other_family = false;  ///< Only after one of the source's family has passed.
};

struct ProbePlan {
  std::optional<ProbeReport> refused;  ///< Nothing is dialled then.
  std::vector<Dial> dials;             ///< Those of the source's family first. At most kDialsMax.
};
inline constexpr std::size_t kDialsMax = 8;

/// Decides what may be dialled. Pure.
///
/// Rules:
///  1. Every address that a name leads to must be allowed by the policy; else the whole record is refused.
///     Why: clients would be sent there.
///  2. Without may_name_others an address of the source's family must be the source itself; one of the other family is
///     dialled only behind one that passed. Why: nobody may have us, or our clients, knock at a third party's door.
///  3. Between lab addresses (AddressPolicy::is_lab) rule 2 does not count, if the source is one, too.
ProbePlan plan_probe(ProbeTarget const& target, std::vector<ResolvedAddress> const& resolved,
                     AddressPolicy const& policy);

/// Host and port behind an address; an empty host is the observed one. Port 0: the URL cannot be read.
registration::HostPort place_of(registration::Address const& address,
                                std::string const& observed_host);

/// "tcp node.example.org:4838", for transcripts.
std::string describe(registration::Address const& address);

}  // namespace holdfast::discovery
