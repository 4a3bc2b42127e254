#include <unordered_map>

#include "store/database.h"

namespace holdfast::store {

namespace {

/// Reads through one snapshot. Remembers tree nodes, because the proofs of neighbouring blocks
/// share most of them.
class RocksDbView final : public core::CoreView {
 public:
  RocksDbView(std::shared_ptr<Database const> database, rocksdb::Snapshot const* snapshot,
              std::optional<CoreRow> row, Bytes manifest)
      : database_(std::move(database)),
        snapshot_(snapshot),
        exists_(row.has_value()),
        manifest_(std::move(manifest)) {
    if (row) {
      id_ = row->id;
      head_ = std::move(row->head);
    }
    read_.snapshot = snapshot_;
  }
  ~RocksDbView() override { database_->db->ReleaseSnapshot(snapshot_); }
  RocksDbView(RocksDbView const&) = delete;
  RocksDbView& operator=(RocksDbView const&) = delete;

  core::Head const& head() const override { return head_; }
  Bytes const& manifest() const override { return manifest_; }

  Result<std::optional<merkle::Node>> node(TreeIndex index) const override {
    if (!exists_) return std::optional<merkle::Node>();
    if (auto const known = nodes_.find(index); known != nodes_.end()) return known->second;
    rocksdb::PinnableSlice value;
    Result<bool> const found =
        database_->get(read_, Database::Tree, RowKey(id_, index.value()).view(), value);
    if (!found) return Unexpected(found.error());
    std::optional<merkle::Node> node;
    if (*found) {
      node = decode_node(index, text(value));
      if (!node) return Unexpected(ErrorCode::Storage, "a tree node is damaged");
    }
    if (nodes_.size() >= kNodesMax) nodes_.clear();
    nodes_.emplace(index, node);
    return node;
  }

  Result<std::optional<Bytes>> block(BlockIndex index) const override {
    if (!exists_) return std::optional<Bytes>();
    rocksdb::PinnableSlice value;
    Result<bool> const found =
        database_->get(read_, Database::Blocks, RowKey(id_, index.value()).view(), value);
    if (!found) return Unexpected(found.error());
    if (!*found) return std::optional<Bytes>();
    return std::optional(to_bytes(as_bytes(text(value))));
  }

 private:
  static constexpr std::size_t kNodesMax = 4096;

  std::shared_ptr<Database const> const database_;
  rocksdb::Snapshot const* const snapshot_;
  bool const exists_;
  CoreId id_{};
  core::Head head_;
  Bytes const manifest_;
  rocksdb::ReadOptions read_;
  mutable std::unordered_map<TreeIndex, std::optional<merkle::Node>> nodes_;
};

}  // namespace

std::unique_ptr<core::CoreView> make_view(std::shared_ptr<Database const> database,
                                          rocksdb::Snapshot const* snapshot,
                                          std::optional<CoreRow> row, Bytes manifest) {
  return std::make_unique<RocksDbView>(std::move(database), snapshot, std::move(row),
                                       std::move(manifest));
}

}  // namespace holdfast::store
