#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>

#include "crypto/keys.h"
#include "discovery/registry/placement.h"
#include "discovery/registry/record_store.h"
#include "registration/record.h"

namespace holdfast::discovery {

struct RowText;
/// Gives a text back to where its memory is from.
struct RowTextFree {
  std::pmr::memory_resource* memory = nullptr;
  void operator()(RowText const* text) const;
};
using RowTextPtr = std::unique_ptr<RowText const, RowTextFree>;

/// What answers say of a replicator, rendered once. Immutable. One block of memory: this, and behind it what is rendered.
/// Why: a look-up of a rare key waits for memory, and so waits once.
struct alignas(64) RowText {
  /// A part of json(): "host":…,"port":…,"transport":… and, for ws, "url":…
  struct Address {
    registration::AddressKind kind = registration::AddressKind::Tcp;
    std::uint16_t begin = 0;
    std::uint16_t bytes = 0;
    std::uint16_t where_bytes = 0;  ///< How much of it is host and port.
  };
  // What every look-up reads comes first.
  std::uint64_t hash = 0;  ///< Of all that is rendered.
  std::uint64_t weight = kWeightDefault;
  std::uint32_t json_bytes = 0;
  std::uint16_t common_bytes = 0;
  std::uint16_t address_count = 0;
  std::array<Address, registration::kAddressesMax> addresses{};
  std::string region;
  PublicKey id;
  std::uint64_t capacity = 0;
  std::string group;
  registration::AcceptMode accept = registration::AcceptMode::Listed;
  Bytes record;
  std::string observed_host;

  std::string_view json() const { return {reinterpret_cast<char const*>(this + 1), json_bytes}; }
  /// ,"replicator":…,"region":…,"record":…
  std::string_view common() const { return json().substr(0, common_bytes); }
  std::string_view of(Address const& address) const {
    return json().substr(address.begin, address.bytes);
  }
  std::span<Address const> all_addresses() const { return {addresses.data(), address_count}; }
  std::size_t block_bytes() const { return sizeof(RowText) + json_bytes; }

  /// `memory`: outlives the text.
  /// Returns: null if the record cannot be opened or is not `entry.id`'s. Why checked: a store that was tampered with
  /// must not reach a client.
  static RowTextPtr make(ReplicatorEntry const& entry, std::pmr::memory_resource& memory);
};

/// What a look-up judges a replicator by. Times are the store's, in Unix milliseconds. Everything that changes is atomic:
/// renewals write while look-ups read.
struct alignas(64) Row {
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
  std::uint64_t seed = 0;                    ///< seed_of(id); does not change.
  std::atomic<std::uint32_t> text_bytes{0};  ///< For fetching the text ahead of its use only.
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
