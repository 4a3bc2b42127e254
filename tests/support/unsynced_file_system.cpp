#include "support/unsynced_file_system.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random.h"

namespace holdfast::support {

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();
constexpr char const* kStaging = ".unsynced";

/// A file, whatever its name is at the moment. Guarded by World::mutex.
struct Inode {
  int fd = -1;
  std::string real_path;
  std::uint64_t synced_bytes = 0;
  std::string unsynced;

  Inode() = default;
  Inode(Inode const&) = delete;
  Inode& operator=(Inode const&) = delete;
  ~Inode() {
    if (fd >= 0) ::close(fd);
  }
  std::uint64_t size() const { return synced_bytes + unsynced.size(); }

  void sync_front(std::size_t bytes) {
    std::size_t done = 0;
    while (done < bytes) {
      ssize_t const wrote = ::pwrite(fd, unsynced.data() + done, bytes - done,
                                     static_cast<off_t>(synced_bytes + done));
      HOLDFAST_CHECK(wrote > 0);
      done += static_cast<std::size_t>(wrote);
    }
    synced_bytes += bytes;
    unsynced.erase(0, bytes);
  }
  std::size_t read(std::uint64_t offset, std::size_t count, char* to) const {
    std::size_t done = 0;
    while (done < count && offset + done < synced_bytes) {
      std::size_t const want = std::min(count - done, synced_bytes - offset - done);
      ssize_t const got = ::pread(fd, to + done, want, static_cast<off_t>(offset + done));
      HOLDFAST_CHECK(got > 0);
      done += static_cast<std::size_t>(got);
    }
    if (done < count && offset + done < size()) {
      std::size_t const from = offset + done - synced_bytes;
      std::size_t const more = std::min(count - done, unsynced.size() - from);
      std::memcpy(to + done, unsynced.data() + from, more);
      done += more;
    }
    return done;
  }
};

using Names = std::map<std::string, std::shared_ptr<Inode>>;

/// What the process sees (`seen`) and what is on the disk (`durable`), and the faults.
struct World {
  std::mutex mutex;
  std::string directory;
  Names seen;
  Names durable;
  std::uint64_t next_staged = 0;
  bool crashed = false;
  std::uint64_t changes = 0;
  std::uint64_t crash_at = kEndless;
  std::uint64_t tear_seed = 0;
  std::uint64_t space_left = kEndless;
  std::uint64_t failing_syncs = 0;

  explicit World(std::filesystem::path const& path) : directory(path.lexically_normal().string()) {
    while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
    std::filesystem::create_directories(directory);
    std::filesystem::remove_all(staging());
    for (auto const& entry : std::filesystem::directory_iterator(directory)) {
      std::string const name = entry.path().filename().string();
      if (!entry.is_regular_file() || is_real(name)) continue;
      auto inode = std::make_shared<Inode>();
      inode->real_path = entry.path().string();
      inode->fd = ::open(inode->real_path.c_str(), O_RDWR | O_CLOEXEC);
      HOLDFAST_CHECK(inode->fd >= 0);
      inode->synced_bytes = entry.file_size();
      seen[name] = inode;
      durable[name] = inode;
    }
    std::filesystem::create_directory(staging());
  }

  std::string staging() const { return directory + "/" + kStaging; }
  static bool is_real(std::string const& name) { return name == "LOCK" || name.starts_with("LOG"); }
  /// Returns: the name of a file that we keep, or nothing for other paths.
  std::string name_of(std::string const& path) const {
    std::filesystem::path const normal = std::filesystem::path(path).lexically_normal();
    if (normal.parent_path().string() != directory) return {};
    std::string name = normal.filename().string();
    return name.empty() || is_real(name) || name == kStaging ? std::string() : name;
  }
  bool is_directory(std::string const& path) const {
    std::string normal = std::filesystem::path(path).lexically_normal().string();
    while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
    return normal == directory;
  }

  void crash(std::uint64_t seed) {
    if (crashed) return;
    crashed = true;
    if (seed == 0) return;
    SeededRng rng(seed);
    for (auto& [name, inode] : durable) {
      std::size_t const kept = rng.below(inode->unsynced.size() + 1);
      inode->sync_front(kept);
    }
  }
  void change() {
    ++changes;
    if (changes >= crash_at) crash(tear_seed);
  }

  std::shared_ptr<Inode> create(std::string const& name) {
    auto inode = std::make_shared<Inode>();
    inode->real_path = staging() + "/" + std::to_string(next_staged++);
    inode->fd = ::open(inode->real_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    HOLDFAST_CHECK(inode->fd >= 0);
    seen[name] = inode;
    return inode;
  }
  void sync_names() {
    for (auto const& [name, inode] : seen) {
      auto const before = durable.find(name);
      if (before != durable.end() && before->second == inode) continue;
      std::string const real = directory + "/" + name;
      HOLDFAST_CHECK(::rename(inode->real_path.c_str(), real.c_str()) == 0);
      inode->real_path = real;
    }
    for (auto const& [name, inode] : durable) {
      // A renamed file took its old name with it.
      if (!seen.contains(name) && inode->real_path == directory + "/" + name) {
        (void)::unlink(inode->real_path.c_str());
      }
    }
    durable = seen;
  }
};

class UnsyncedWritable final : public rocksdb::FSWritableFile {
 public:
  UnsyncedWritable(std::shared_ptr<World> world, std::shared_ptr<Inode> inode)
      : world_(std::move(world)), inode_(std::move(inode)) {}

  using FSWritableFile::Append;
  IOStatus Append(Slice const& data, IOOptions const&, IODebugContext*) override {
    std::lock_guard const lock(world_->mutex);
    world_->change();
    if (data.size() > world_->space_left) {
      // As a real disk: what fits is written.
      inode_->unsynced.append(data.data(), world_->space_left);
      world_->space_left = 0;
      return IOStatus::NoSpace("no space left in this test");
    }
    if (world_->space_left < kEndless) world_->space_left -= data.size();
    inode_->unsynced.append(data.data(), data.size());
    return IOStatus::OK();
  }
  IOStatus Truncate(std::uint64_t size, IOOptions const&, IODebugContext*) override {
    std::lock_guard const lock(world_->mutex);
    world_->change();
    if (size >= inode_->synced_bytes) {
      inode_->unsynced.resize(size - inode_->synced_bytes);
      return IOStatus::OK();
    }
    if (world_->crashed) return IOStatus::OK();
    inode_->unsynced.clear();
    HOLDFAST_CHECK(::ftruncate(inode_->fd, static_cast<off_t>(size)) == 0);
    inode_->synced_bytes = size;
    return IOStatus::OK();
  }
  IOStatus Close(IOOptions const&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(IOOptions const&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(IOOptions const&, IODebugContext*) override {
    std::lock_guard const lock(world_->mutex);
    world_->change();
    if (world_->failing_syncs > 0) {
      --world_->failing_syncs;
      return IOStatus::IOError("syncs fail in this test");
    }
    if (!world_->crashed) inode_->sync_front(inode_->unsynced.size());
    return IOStatus::OK();
  }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(IOOptions const&, IODebugContext*) override {
    std::lock_guard const lock(world_->mutex);
    return inode_->size();
  }

 private:
  std::shared_ptr<World> const world_;
  std::shared_ptr<Inode> const inode_;
};

class UnsyncedReadable final : public rocksdb::FSRandomAccessFile {
 public:
  UnsyncedReadable(std::shared_ptr<World> world, std::shared_ptr<Inode> inode)
      : world_(std::move(world)), inode_(std::move(inode)) {}
  // NOLINTNEXTLINE(readability-function-size): as RocksDB declares it.
  IOStatus Read(std::uint64_t offset, std::size_t count, IOOptions const&, Slice* result,
                char* scratch, IODebugContext*) const override {
    std::lock_guard const lock(world_->mutex);
    *result = Slice(scratch, inode_->read(offset, count, scratch));
    return IOStatus::OK();
  }

 private:
  std::shared_ptr<World> const world_;
  std::shared_ptr<Inode> const inode_;
};

class UnsyncedSequential final : public rocksdb::FSSequentialFile {
 public:
  UnsyncedSequential(std::shared_ptr<World> world, std::shared_ptr<Inode> inode)
      : world_(std::move(world)), inode_(std::move(inode)) {}
  IOStatus Read(std::size_t count, IOOptions const&, Slice* result, char* scratch,
                IODebugContext*) override {
    std::lock_guard const lock(world_->mutex);
    *result = Slice(scratch, inode_->read(offset_, count, scratch));
    offset_ += result->size();
    return IOStatus::OK();
  }
  IOStatus Skip(std::uint64_t count) override {
    offset_ += count;
    return IOStatus::OK();
  }

 private:
  std::shared_ptr<World> const world_;
  std::shared_ptr<Inode> const inode_;
  std::uint64_t offset_ = 0;
};

class UnsyncedDirectory final : public rocksdb::FSDirectory {
 public:
  explicit UnsyncedDirectory(std::shared_ptr<World> world) : world_(std::move(world)) {}
  IOStatus Fsync(IOOptions const&, IODebugContext*) override {
    std::lock_guard const lock(world_->mutex);
    world_->change();
    if (!world_->crashed) world_->sync_names();
    return IOStatus::OK();
  }

 private:
  std::shared_ptr<World> const world_;
};

class UnsyncedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit UnsyncedFileSystem(std::shared_ptr<World> world)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), world_(std::move(world)) {}
  char const* Name() const override { return "UnsyncedFileSystem"; }

  IOStatus NewSequentialFile(std::string const& path, FileOptions const& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    if (name.empty()) return target()->NewSequentialFile(path, options, result, debug);
    std::shared_ptr<Inode> inode = find(name);
    if (!inode) return missing(path);
    *result = std::make_unique<UnsyncedSequential>(world_, std::move(inode));
    return IOStatus::OK();
  }
  IOStatus NewRandomAccessFile(std::string const& path, FileOptions const& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    if (name.empty()) return target()->NewRandomAccessFile(path, options, result, debug);
    std::shared_ptr<Inode> inode = find(name);
    if (!inode) return missing(path);
    *result = std::make_unique<UnsyncedReadable>(world_, std::move(inode));
    return IOStatus::OK();
  }
  IOStatus NewWritableFile(std::string const& path, FileOptions const& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    if (name.empty()) return target()->NewWritableFile(path, options, result, debug);
    std::lock_guard const lock(world_->mutex);
    world_->change();
    *result = std::make_unique<UnsyncedWritable>(world_, world_->create(name));
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(std::string const& path, FileOptions const& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    if (name.empty()) return target()->ReopenWritableFile(path, options, result, debug);
    std::lock_guard const lock(world_->mutex);
    world_->change();
    auto const found = world_->seen.find(name);
    *result = std::make_unique<UnsyncedWritable>(
        world_, found == world_->seen.end() ? world_->create(name) : found->second);
    return IOStatus::OK();
  }
  IOStatus ReuseWritableFile(std::string const&, std::string const&, FileOptions const&,
                             std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("reusing a file");
  }
  IOStatus NewRandomRWFile(std::string const&, FileOptions const&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>*, IODebugContext*) override {
    return IOStatus::NotSupported("writing within a file");
  }
  IOStatus LinkFile(std::string const&, std::string const&, IOOptions const&,
                    IODebugContext*) override {
    return IOStatus::NotSupported("linking a file");
  }
  IOStatus Truncate(std::string const&, std::size_t, IOOptions const&, IODebugContext*) override {
    return IOStatus::NotSupported("truncating by name");
  }
  IOStatus NewDirectory(std::string const& path, IOOptions const& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* debug) override {
    if (!world_->is_directory(path)) return target()->NewDirectory(path, options, result, debug);
    *result = std::make_unique<UnsyncedDirectory>(world_);
    return IOStatus::OK();
  }
  IOStatus FileExists(std::string const& path, IOOptions const& options,
                      IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    if (name.empty()) return target()->FileExists(path, options, debug);
    return find(name) ? IOStatus::OK() : IOStatus::NotFound();
  }
  IOStatus GetChildren(std::string const& path, IOOptions const& options,
                       std::vector<std::string>* result, IODebugContext* debug) override {
    if (!world_->is_directory(path)) return target()->GetChildren(path, options, result, debug);
    std::lock_guard const lock(world_->mutex);
    result->clear();
    for (auto const& entry : world_->seen) result->push_back(entry.first);
    return IOStatus::OK();
  }
  IOStatus GetChildrenFileAttributes(std::string const& path, IOOptions const& options,
                                     std::vector<rocksdb::FileAttributes>* result,
                                     IODebugContext* debug) override {
    if (!world_->is_directory(path)) {
      return target()->GetChildrenFileAttributes(path, options, result, debug);
    }
    std::lock_guard const lock(world_->mutex);
    result->clear();
    for (auto const& [name, inode] : world_->seen) result->push_back({name, inode->size()});
    return IOStatus::OK();
  }
  IOStatus DeleteFile(std::string const& path, IOOptions const& options,
                      IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    if (name.empty()) return target()->DeleteFile(path, options, debug);
    std::lock_guard const lock(world_->mutex);
    world_->change();
    auto const found = world_->seen.find(name);
    if (found == world_->seen.end()) return missing(path);
    if (world_->space_left < kEndless) world_->space_left += found->second->size();
    world_->seen.erase(found);
    return IOStatus::OK();
  }
  IOStatus RenameFile(std::string const& from, std::string const& to, IOOptions const& options,
                      IODebugContext* debug) override {
    std::string const old_name = world_->name_of(from);
    std::string const new_name = world_->name_of(to);
    if (old_name.empty() && new_name.empty()) {
      return target()->RenameFile(from, to, options, debug);
    }
    std::lock_guard const lock(world_->mutex);
    world_->change();
    auto const found = world_->seen.find(old_name);
    if (found == world_->seen.end() || new_name.empty()) return missing(from);
    world_->seen[new_name] = found->second;
    world_->seen.erase(found);
    return IOStatus::OK();
  }
  IOStatus GetFileSize(std::string const& path, IOOptions const& options, std::uint64_t* size,
                       IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    if (name.empty()) return target()->GetFileSize(path, options, size, debug);
    std::lock_guard const lock(world_->mutex);
    auto const found = world_->seen.find(name);
    if (found == world_->seen.end()) return missing(path);
    *size = found->second->size();
    return IOStatus::OK();
  }
  IOStatus GetFreeSpace(std::string const& path, IOOptions const& options, std::uint64_t* bytes,
                        IODebugContext* debug) override {
    IOStatus const status = target()->GetFreeSpace(path, options, bytes, debug);
    std::lock_guard const lock(world_->mutex);
    if (world_->space_left < kEndless) *bytes = world_->space_left;
    return status;
  }
  IOStatus GetFileModificationTime(std::string const& path, IOOptions const& options,
                                   std::uint64_t* time, IODebugContext* debug) override {
    std::string const name = world_->name_of(path);
    std::shared_ptr<Inode> const inode = name.empty() ? nullptr : find(name);
    return target()->GetFileModificationTime(inode ? inode->real_path : path, options, time, debug);
  }

 private:
  static IOStatus missing(std::string const& path) {
    return IOStatus::PathNotFound("no such file", path);
  }
  std::shared_ptr<Inode> find(std::string const& name) {
    std::lock_guard const lock(world_->mutex);
    auto const found = world_->seen.find(name);
    return found == world_->seen.end() ? nullptr : found->second;
  }

  std::shared_ptr<World> const world_;
};

/// RocksDB's background threads sleep for a second after an error; a test has hundreds of them.
class ImpatientClock final : public rocksdb::SystemClockWrapper {
 public:
  ImpatientClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  char const* Name() const override { return "ImpatientClock"; }
  void SleepForMicroseconds(int micros) override {
    SystemClockWrapper::SleepForMicroseconds(std::min(micros, 1000));
  }
};

class UnsyncedEnv final : public rocksdb::EnvWrapper {
 public:
  explicit UnsyncedEnv(std::shared_ptr<rocksdb::FileSystem> const& files)
      : EnvWrapper(std::shared_ptr<rocksdb::Env>(rocksdb::NewCompositeEnv(files))) {
    file_system_ = files;
    system_clock_ = std::make_shared<ImpatientClock>();
  }
  char const* Name() const override { return "UnsyncedEnv"; }
};

}  // namespace

struct UnsyncedDisk::Parts {
  std::shared_ptr<World> world;
  std::shared_ptr<rocksdb::Env> env;
};

UnsyncedDisk::UnsyncedDisk(std::filesystem::path const& directory)
    : parts_(std::make_unique<Parts>()) {
  parts_->world = std::make_shared<World>(directory);
  parts_->env = std::make_shared<UnsyncedEnv>(std::make_shared<UnsyncedFileSystem>(parts_->world));
}
UnsyncedDisk::~UnsyncedDisk() = default;

std::shared_ptr<rocksdb::Env> UnsyncedDisk::env() const { return parts_->env; }

void UnsyncedDisk::crash(std::uint64_t tear_seed) {
  std::lock_guard const lock(parts_->world->mutex);
  parts_->world->crash(tear_seed);
}

void UnsyncedDisk::crash_after(std::uint64_t count, std::uint64_t tear_seed) {
  std::lock_guard const lock(parts_->world->mutex);
  parts_->world->crash_at = parts_->world->changes + count;
  parts_->world->tear_seed = tear_seed;
}

bool UnsyncedDisk::crashed() const {
  std::lock_guard const lock(parts_->world->mutex);
  return parts_->world->crashed;
}

std::uint64_t UnsyncedDisk::changes() const {
  std::lock_guard const lock(parts_->world->mutex);
  return parts_->world->changes;
}

void UnsyncedDisk::set_space_left(std::uint64_t bytes) {
  std::lock_guard const lock(parts_->world->mutex);
  parts_->world->space_left = bytes;
}

void UnsyncedDisk::fail_syncs(std::uint64_t count) {
  std::lock_guard const lock(parts_->world->mutex);
  parts_->world->failing_syncs = count;
}

}  // namespace holdfast::support
