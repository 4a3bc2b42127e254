#include <memory>

#include <benchmark/benchmark.h>

#include "store/rocksdb_store.h"
#include "support/temporary_directory.h"

// Unit of work: one block. Estimates, made first: a sync is 0.1 to 1 ms, the log takes 500 MB/s, so 256 blocks of
// 1 KiB take about 1 ms; a read that finds everything in memory is three look-ups of about 1.5 us.
namespace holdfast::store {
namespace {

struct Bench {
  support::TemporaryDirectory directory;
  std::unique_ptr<RocksDbStore> store;
  CoreKey key;
  std::uint64_t length = 0;

  Bench() {
    RocksDbStore::Options options;
    options.directory = directory.path() / "db";
    store = std::move(*RocksDbStore::open(options));
    key.bytes.fill(1);
  }
  void append(std::uint64_t blocks, std::size_t block_bytes) {
    core::Commit commit;
    commit.core = key;
    commit.head = core::Head{0, length + blocks, Bytes(64, 1)};
    for (std::uint64_t i = 0; i < blocks; ++i, ++length) {
      merkle::Node node{TreeIndex(length * 2), block_bytes, {}};
      commit.nodes.push_back(node);
      node.index = TreeIndex(length * 2 + 1);
      commit.nodes.push_back(node);
      Bytes value(block_bytes, static_cast<Byte>(length));
      for (std::size_t at = 0; at < block_bytes; at += 64)
        value[at] = static_cast<Byte>(length * at);
      commit.blocks.push_back({BlockIndex(length), std::move(value)});
    }
    HOLDFAST_CHECK(store->commit({&commit, 1}).ok());
  }
};

void commit_blocks(benchmark::State& state) {
  Bench bench;
  auto const blocks = static_cast<std::uint64_t>(state.range(0));
  auto const block_bytes = static_cast<std::size_t>(state.range(1));
  for (auto step : state) {
    (void)step;
    bench.append(blocks, block_bytes);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * state.range(1));
}
BENCHMARK(commit_blocks)
    ->ArgsProduct({{1, 16, 64, 256}, {1024}})
    ->ArgsProduct({{1, 16, 64}, {65536}})
    ->UseRealTime();

void read_block_and_two_nodes(benchmark::State& state) {
  Bench bench;
  constexpr std::uint64_t kBlocks = 8192;
  while (bench.length < kBlocks) bench.append(256, static_cast<std::size_t>(state.range(0)));
  std::uint64_t next = 0;
  std::unique_ptr<core::CoreView> view;
  for (auto step : state) {
    (void)step;
    // As serving does: a view for 64 requests.
    if (next % 64 == 0) view = std::move(*bench.store->view(bench.key));
    benchmark::DoNotOptimize(view->block(BlockIndex(next)));
    benchmark::DoNotOptimize(view->node(TreeIndex(next * 2)));
    benchmark::DoNotOptimize(view->node(TreeIndex(next * 2 + 1)));
    next = (next + 1) % kBlocks;
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_block_and_two_nodes)->Arg(1024)->Arg(65536)->UseRealTime();

}  // namespace
}  // namespace holdfast::store

BENCHMARK_MAIN();
