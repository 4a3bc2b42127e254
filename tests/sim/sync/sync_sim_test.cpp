#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "sim/sync/world.h"

/// Worlds of a few nodes in virtual time. A failure prints the seed; HOLDFAST_SIM_SEED=N runs that seed alone.
namespace holdfast::sim {
namespace {

void run_seeds(std::uint64_t count, std::function<WorldOptions(SeededRng&)> const& options_of,
               std::function<void(Outcome const&)> const& also = {}) {
  char const* const only = std::getenv("HOLDFAST_SIM_SEED");  // NOLINT(concurrency-mt-unsafe)
  std::uint64_t const first = only != nullptr ? std::strtoull(only, nullptr, 10) : 0;
  std::uint64_t const end = only != nullptr ? first + 1 : count;
  for (std::uint64_t seed = first; seed < end; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    SeededRng rng(seed * 7'919 + 1);
    World world(seed, options_of(rng));
    Outcome const outcome = world.run();
    for (std::string const& violation : outcome.violations) ADD_FAILURE() << violation;
    ASSERT_TRUE(outcome.complete) << "not complete after " << outcome.took.count() << " virtual ms";
    EXPECT_GT(outcome.spy_answers, 0u);
    if (also) also(outcome);
    if (::testing::Test::HasFailure()) return;
  }
}

WorldOptions small(SeededRng& rng) {
  WorldOptions options;
  options.nodes = 1 + rng.below(3);
  options.cores = 1 + rng.below(2);
  options.blocks = 1 + rng.below(90);
  options.mesh = rng.below(2) == 0;
  return options;
}

TEST(SyncSim, EveryBlockArrivesForEverySeed) { run_seeds(60, small); }

TEST(SyncSim, CutsAndPartitionsHeal) {
  run_seeds(60, [](SeededRng& rng) {
    WorldOptions options = small(rng);
    options.cut_percent = 25;
    options.partition_percent = 10;
    options.disk_full_percent = 10;
    return options;
  });
}

TEST(SyncSim, CrashesLoseNothingThatWasAnnounced) {
  run_seeds(60, [](SeededRng& rng) {
    WorldOptions options = small(rng);
    options.blocks += 100;
    options.disk_delay_max = Duration(400);
    options.crash_percent = 30;
    options.appends = 3;
    return options;
  });
}

TEST(SyncSim, ForksAreFollowedEverywhere) {
  run_seeds(60, [](SeededRng& rng) {
    WorldOptions options = small(rng);
    options.fork = true;
    options.appends = 2;
    options.cut_percent = 10;
    return options;
  });
}

TEST(SyncSim, SparseSourcesCompleteEachOther) {
  run_seeds(40, [](SeededRng& rng) {
    WorldOptions options = small(rng);
    options.sources = 2 + rng.below(2);
    options.sparse_sources = true;
    return options;
  });
}

TEST(SyncSim, DamagedAnswersAreNeverStoredAndOthersHelpOut) {
  std::uint64_t refused = 0;
  run_seeds(
      40,
      [](SeededRng& rng) {
        WorldOptions options = small(rng);
        options.sources = 2;
        options.blocks += 30;
        options.corrupt_percent = 40;
        return options;
      },
      [&refused](Outcome const& outcome) { refused += outcome.honest.bad_proof; });
  EXPECT_GT(refused, 0u);
}

TEST(SyncSim, SilentPeersLoseTheirBlocksToOthers) {
  std::uint64_t expired = 0;
  run_seeds(
      20,
      [](SeededRng& rng) {
        WorldOptions options = small(rng);
        options.sources = 2;
        options.blocks += 30;
        options.mute_percent = 100;
        options.faults_until = Duration(60'000);
        return options;
      },
      [&expired](Outcome const& outcome) {
        expired += outcome.honest.requests_expired;
        EXPECT_LT(outcome.took, Duration(60'000)) << "the silent peer held blocks back";
      });
  EXPECT_GT(expired, 0u);
}

TEST(SyncSim, SameSeedSameTrace) {
  WorldOptions options;
  options.nodes = 3;
  options.cut_percent = 20;
  options.crash_percent = 10;
  options.appends = 2;
  Outcome const first = World(42, options).run();
  Outcome const second = World(42, options).run();
  Outcome const other = World(43, options).run();
  EXPECT_EQ(first.trace, second.trace);
  EXPECT_NE(first.trace, other.trace);
}

}  // namespace
}  // namespace holdfast::sim
