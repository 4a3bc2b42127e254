#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crypto/keys.h"
#include "discovery/registry/placement.h"
#include "discovery/registry/record_store.h"
#include "registration/record.h"

namespace holdfast::discovery {

/// What answers say of a replicator, rendered once. Immutable.
struct RowText {
  struct Address {
    registration::AddressKind kind = registration::AddressKind::Tcp;
    std::string json;             ///< "host":…,"port":…,"transport":… and, for ws, "url":…
    std::size_t where_bytes = 0;  ///< How much of `json` is host and port.
  };
  PublicKey id;
  std::vector<Address> addresses;
  std::string
      json;  ///< What all its endpoints have in common: ,"replicator":…,"region":…,"record":…
  std::uint64_t hash = 0;  ///< Of all that is rendered.
  std::uint64_t weight = kWeightDefault;
  std::uint64_t capacity = 0;
  std::string region;
  std::string group;
  registration::AcceptMode accept = registration::AcceptMode::Listed;
  Bytes record;
  std::string observed_host;

  /// Returns: null if the record cannot be opened or is not `entry.id`'s. Why checked: a store that was tampered with
  /// must not reach a client.
  static std::unique_ptr<RowText const> of(ReplicatorEntry const& entry);
};

/// What a look-up judges a replicator by. Times are the store's, in Unix milliseconds. Everything that changes is atomic:
/// renewals write while look-ups read.
struct Row {
  enum Flag : std::uint32_t {
    kDraining = 1,
    kTestPassed = 2,
    kTestFailed = 4,
    kOut = 8,
    kBusy = 16,
    kFull = 32,
  };
  std::atomic<RowText const*> text{nullptr};  ///< Null: a name that nobody bears now.
  std::atomic<std::int64_t> lease_end_ms{0};
  std::atomic<std::int64_t> last_pass_ms{0};
  std::atomic<std::uint64_t> generation{0};
  std::atomic<std::uint32_t> flags{0};
  std::atomic<std::uint32_t> load_permille{0};
  std::uint64_t seed = 0;  ///< seed_of(id); does not change.
};

/// How the present moment is judged, the same for all rows.
struct Judgement {
  std::int64_t now_ms = 0;    ///< Store time.
  std::int64_t guard_ms = 0;  ///< Mass-expiry guard: a passed probe counts for so long; 0: off.
  bool is_panic = false;      ///< Health is ignored.
};

/// When the row stops counting, by renewals or, under the guard, by probes.
std::int64_t end_of(Row const& row, Judgement const& judgement);

/// Whether it can be given to a client now; Chosen: yes.
Verdict standing_of(Row const& row, Judgement const& judgement);

/// `"` and what is between, as JSON wants it.
void append_json_text(std::string& out, std::string_view text);

}  // namespace holdfast::discovery
