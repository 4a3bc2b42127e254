// Commits to a store on an UnsyncedDisk until it is killed.
// store_crash_worker DIRECTORY: writes each acknowledged length as one line to stdout.
#include <cstdio>
#include <memory>

#include "store/rocksdb_store.h"
#include "support/unsynced_file_system.h"

int main(int count, char** arguments) {
  using namespace holdfast;
  if (count != 2) return 2;
  support::UnsyncedDisk const disk(arguments[1]);
  store::RocksDbStore::Options options;
  options.directory = arguments[1];
  options.memory_bytes = 1U << 20U;
  options.env = disk.env();
  Result<std::unique_ptr<store::RocksDbStore>> opened = store::RocksDbStore::open(options);
  if (!opened) {
    std::fprintf(stderr, "%s\n", to_string(opened.error()).c_str());
    return 1;
  }
  store::RocksDbStore& store = **opened;
  CoreKey key;
  key.bytes.fill(1);
  std::optional<core::CoreRecord> const record = store.load(key).value();
  std::uint64_t length = record ? record->head.length : 0;
  while (true) {
    core::Commit commit;
    commit.core = key;
    for (int i = 0; i < 7; ++i, ++length) {
      commit.nodes.push_back({TreeIndex(length * 2), length, {}});
      commit.blocks.push_back({BlockIndex(length), Bytes(1000, static_cast<Byte>(length))});
    }
    commit.head = core::Head{0, length, {}};
    if (!store.commit({&commit, 1})) return 1;
    std::printf("%llu\n", static_cast<unsigned long long>(length));
    std::fflush(stdout);
  }
}
