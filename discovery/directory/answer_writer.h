#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/keys.h"
#include "discovery/directory/hosting_map.h"
#include "discovery/directory/replicator_row.h"
#include "discovery/directory/replicator_table.h"
#include "discovery/registry/region.h"
#include "registration/record.h"

namespace holdfast::discovery {

/// What a client asked for beside the key.
struct AnswerWish {
  std::uint64_t key_seed = 0;          ///< seed_of(key).
  RegionWish const* region = nullptr;  ///< Null: anywhere.
  std::optional<registration::AddressKind> transport;
  PublicKey const* keyholder = nullptr;  ///< Null: any.
};

/// A line of a hosting set with its place in the answer.
struct RankedLine {
  std::size_t line = 0;
  Row const* row = nullptr;
  RowText const* text = nullptr;
  std::int64_t left_ms = 0;
  std::uint64_t cost = 0;
  std::uint32_t behind = 0;  ///< Steps to the region wished, then busy: higher is later.
};

/// What was written.
struct WrittenAnswer {
  bool is_known = false;  ///< Somebody is listed who matches, though perhaps not able to serve.
  std::size_t endpoints = 0;
  std::uint64_t hash = 0;  ///< Of the answer but for what counts down.
  std::uint64_t least_left_s = 0;
  std::uint64_t first_left_s = 0;
};

/// Picks, ranks and writes the endpoints of one key as the JSON of an answer.
///
/// Rules:
///  1. A line counts if its replicator is in the table with the line's generation, and, where a keyholder is asked for, its
///     proof is by that one and not over.
///  2. Order: nearness to the region wished, not busy, rendezvous cost, id; the addresses of one replicator in its own order.
///  3. `expires_in` is whole seconds of the lease, rounded down; who has less than one is left out.
/// Not thread-safe; keeps its scratch memory. Nothing is allocated for sets of ordinary size.
class AnswerWriter {
 public:
  /// Appends the body to `out`; nothing if there is no endpoint. Everything is read during the call.
  WrittenAnswer write(HostingView const& lines, ReplicatorTable const& table,
                      AnswerWish const& wish, Judgement const& judgement, std::string& out);

 private:
  std::vector<RankedLine> ranked_;
};

/// Why a line is or is not in an answer.
struct TraceLine {
  PublicKey id;
  std::string region;
  std::string group;
  std::uint64_t weight = 0;
  std::uint64_t cost = 0;
  std::uint64_t load_permille = 0;
  std::uint64_t expires_in_s = 0;
  bool is_busy = false;
  Verdict verdict = Verdict::Chosen;
};
/// One entry for every line of a replicator in the table, with its generation: those that are
/// given, then the others, best first.
std::vector<TraceLine> trace_lines(HostingView const& lines, ReplicatorTable const& table,
                                   AnswerWish const& wish, Judgement const& judgement);

}  // namespace holdfast::discovery
