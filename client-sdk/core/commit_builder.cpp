#include "core/commit_builder.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "core/manifest.h"
#include "merkle/flat_tree.h"
#include "merkle/tree.h"

namespace holdfast::core {

namespace {

using merkle::Node;
using merkle::Proof;
using merkle::RootList;

Unexpected bad_proof(char const* why) { return Unexpected(ErrorCode::BadProof, why); }
Unexpected conflict(char const* why) { return Unexpected(ErrorCode::Conflict, why); }

/// Node -> what is known of it. Nodes are spread by a multiplication, because their indexes come in
/// steps of powers of two.
struct SpreadIndex {
  std::size_t operator()(TreeIndex index) const noexcept {
    return static_cast<std::size_t>((index.value() * 0x9e3779b97f4a7c15ULL) >> 11);
  }
};
using NodeMap = std::unordered_map<TreeIndex, Node, SpreadIndex>;

/// The nodes from a block or hash up to the end of its proof, before anything vouches for them.
struct Path {
  struct Level {
    Node node;
    std::optional<Node> sibling;  ///< What leads to the next level.
    bool size_proven = true;      ///< False where only the sum with the sibling is bound.
  };
  std::vector<Level> levels;
  bool consumed = false;  ///< Its end became part of the upgrade.
  Node const& end() const { return levels.back().node; }
};

/// What one proof adds, kept aside until all of it is verified.
struct Draft {
  std::vector<Node> nodes;
  std::optional<Path> path;
  std::optional<Verifier> verifier;
  std::optional<Bytes> manifest;
  std::optional<Head> head;
  std::optional<RootList> roots;
  std::optional<std::uint64_t> truncate_to;
};

/// Roots that grow by the nodes of an upgrade; drafts every node whose size is bound by the outcome.
class Growth {
 public:
  Growth(RootList& roots, std::vector<Node>& drafted) : roots_(roots), drafted_(drafted) {}

  /// `is_claimed`: pushed as sent, not computed.
  Result<void> push(Node const& node, bool is_claimed) {
    if (!is_claimed || !drop_claimed_sibling_of(node)) drafted_.push_back(node);
    if (is_claimed) claimed_.push_back(node.index);
    return roots_.push(node, drafted_);
  }

 private:
  /// Of two siblings that both come from the proof only the sum of the sizes is bound, so that
  /// neither is kept. Why: wrong sizes of ours would make honest peers refuse what we serve.
  bool drop_claimed_sibling_of(Node const& node) {
    if (roots_.nodes().empty() || !merkle::is_valid(node.index)) return false;
    TreeIndex const last = roots_.nodes().back().index;
    if (last != merkle::sibling_of(node.index) || std::ranges::count(claimed_, last) == 0) {
      return false;
    }
    std::erase_if(drafted_, [last](Node const& other) { return other.index == last; });
    return true;
  }

  RootList& roots_;
  std::vector<Node>& drafted_;
  std::vector<TreeIndex> claimed_;
};

}  // namespace

struct CommitBuilder::State {
  CoreKey key;
  CoreView const* view = nullptr;
  Commit commit;
  Head head;
  RootList roots;
  std::optional<Verifier> verifier;  ///< Empty: no manifest known.
  NodeMap known;  ///< Current roots, what was added, and what was read from the view.
  std::unordered_set<std::uint64_t> blocks;  ///< In commit.blocks.

  Result<void> begin(CoreKey const& core, CoreView const& from);
  Result<void> add(Proof proof);

 private:
  /// Requires: there is one, as after take_manifest of a proof with an upgrade.
  Verifier const& judge(Draft const& draft) const { return verifier ? *verifier : *draft.verifier; }
  Result<void> check_shape(Proof const& proof) const;
  Result<void> check_start(Proof const& proof) const;
  Result<void> take_manifest(Proof& proof, Draft& draft) const;
  Result<void> upgrade(Proof& proof, Draft& draft);
  Result<RootList> grow(Proof::Upgrade const& upgrade, RootList grown, Draft& draft) const;
  Result<void> find_common_prefix(Draft& draft);
  Result<void> settle_path(Draft& draft);
  Result<std::optional<Node>> find_known(TreeIndex index, Draft const& draft);
  Node const* find_in_memory(TreeIndex index, Draft const& draft) const;
  void forget_from(std::uint64_t length);
  void apply(Proof& proof, Draft& draft);
};

// --- The path of a block or a hash ---

namespace {

/// Climbs over `siblings` until they end or a node is in `known`: what is above it is not looked
/// at. Errors: BadProof (a sibling is not the sibling, or sizes overflow).
Result<void> climb(Path& path, std::span<Node const> siblings, NodeMap const* known) {
  path.levels.reserve(siblings.size() + 1);
  for (Node const& sibling : siblings) {
    Path::Level& level = path.levels.back();
    if (known != nullptr && known->contains(level.node.index)) return {};
    if (sibling.index != merkle::sibling_of(level.node.index)) {
      return bad_proof("tree node is not the sibling on the path");
    }
    std::optional<Node> const parent = merkle::parent_node(level.node, sibling);
    if (!parent || !merkle::is_valid(parent->index)) return bad_proof("path leads out of the tree");
    level.sibling = sibling;
    path.levels.push_back({.node = *parent, .sibling = std::nullopt, .size_proven = true});
  }
  return {};
}

/// `known`: nodes at which the climb may end early; null if it has to go on to its end.
/// Returns: nothing if the proof is about neither a block nor a hash.
Result<std::optional<Path>> path_of(Proof const& proof, NodeMap const* known) {
  if (!proof.block && !proof.hash) return std::optional<Path>();
  Path path;
  std::span<Node const> siblings;
  if (proof.block) {
    Node const leaf = merkle::leaf_node(proof.block->index, proof.block->value);
    path.levels.push_back({.node = leaf, .sibling = std::nullopt, .size_proven = true});
    siblings = proof.block->nodes;
  } else {
    std::vector<Node> const& nodes = proof.hash->nodes;
    if (nodes.empty() || nodes[0].index != proof.hash->index) {
      return bad_proof("hash proof lacks its node");
    }
    // Without the data only the sum of the first two sizes is bound by what is above them.
    path.levels.push_back({.node = nodes[0], .sibling = std::nullopt, .size_proven = false});
    siblings = std::span(nodes).subspan(1);
  }
  if (Result<void> const done = climb(path, siblings, known); !done) {
    return Unexpected(done.error());
  }
  return std::optional(std::move(path));
}

/// The nodes of the first `levels` levels and the siblings that lead on from them are proven now.
void take_levels(Path const& path, std::size_t levels, std::vector<Node>& to) {
  for (std::size_t i = 0; i < levels; ++i) {
    Path::Level const& level = path.levels[i];
    if (!level.size_proven) continue;
    to.push_back(level.node);
    if (level.sibling) to.push_back(*level.sibling);
  }
}

}  // namespace

Node const* CommitBuilder::State::find_in_memory(TreeIndex index, Draft const& draft) const {
  if (draft.head) {
    auto const fresh = std::ranges::find(draft.nodes, index, &Node::index);
    if (fresh != draft.nodes.end()) return &*fresh;
    if (draft.truncate_to && merkle::span_of(index).end() > *draft.truncate_to) return nullptr;
  }
  auto const it = known.find(index);
  return it == known.end() ? nullptr : &it->second;
}

Result<std::optional<Node>> CommitBuilder::State::find_known(TreeIndex index, Draft const& draft) {
  if (Node const* const found = find_in_memory(index, draft)) return std::optional(*found);
  std::uint64_t const end = merkle::span_of(index).end();
  if (draft.truncate_to && end > *draft.truncate_to) return std::optional<Node>();
  if (commit.truncate_to && end > *commit.truncate_to) return std::optional<Node>();
  Result<std::optional<Node>> stored = view->node(index);
  if (stored && stored->has_value()) known.emplace(index, **stored);
  return stored;
}

Result<void> CommitBuilder::State::settle_path(Draft& draft) {
  std::vector<Path::Level> const& levels = draft.path->levels;
  auto const take_up_to = [&](std::size_t level) -> Result<void> {
    take_levels(*draft.path, level, draft.nodes);
    return {};
  };
  // Mostly the path leads to a node in memory, or was asked for up to one that is stored, so one read settles it.
  bool in_memory = false;
  for (std::size_t i = 0; i < levels.size() && !in_memory; ++i) {
    Node const* const found = find_in_memory(levels[i].node.index, draft);
    in_memory = found != nullptr;
    if (found != nullptr && found->hash == levels[i].node.hash) return take_up_to(i);
  }
  if (!in_memory) {
    Result<std::optional<Node>> const top = find_known(levels.back().node.index, draft);
    if (!top) return Unexpected(top.error());
    if (top->has_value() && (**top).hash == levels.back().node.hash) {
      return take_up_to(levels.size() - 1);
    }
  }
  // The lowest node that is known decides; siblings above it may be anything.
  for (std::size_t i = 0; i < levels.size(); ++i) {
    Result<std::optional<Node>> const found = find_known(levels[i].node.index, draft);
    if (!found) return Unexpected(found.error());
    if (!found->has_value()) continue;
    if ((**found).hash == levels[i].node.hash) return take_up_to(i);
    return bad_proof("hash differs from the stored tree");
  }
  return conflict("path does not reach a node that is stored");
}

// --- Upgrades ---

Result<void> CommitBuilder::State::check_shape(Proof const& proof) const {
  if (proof.seek) return bad_proof("seek was not asked for");
  if (proof.block && proof.hash) return bad_proof("block and hash in one proof");
  if (proof.block && proof.block->index.value() >= merkle::kLengthMax) {
    return bad_proof("block number out of range");
  }
  if (proof.hash && !merkle::is_valid(proof.hash->index)) {
    return bad_proof("tree node out of range");
  }
  if (proof.upgrade) {
    Proof::Upgrade const& upgrade = *proof.upgrade;
    if (upgrade.length == 0 || upgrade.length > merkle::kLengthMax ||
        upgrade.start > merkle::kLengthMax - upgrade.length) {
      return bad_proof("upgrade out of range");
    }
  }
  return {};
}

Result<void> CommitBuilder::State::check_start(Proof const& proof) const {
  if (proof.fork < head.fork) return conflict("proof of an older fork");
  if (proof.fork > head.fork) {
    if (!proof.upgrade || proof.upgrade->start != 0) {
      return conflict("newer fork without its whole tree");
    }
    return {};
  }
  if (proof.upgrade && proof.upgrade->start != head.length) {
    return conflict("upgrade from another length");
  }
  return {};
}

Result<void> CommitBuilder::State::take_manifest(Proof& proof, Draft& draft) const {
  if (verifier) return {};
  if (!proof.manifest) {
    if (proof.upgrade) draft.verifier = Verifier::compat(key);
    return {};
  }
  Result<Verifier> made = Verifier::from_manifest(key, *proof.manifest);
  if (!made) return Unexpected(made.error());
  draft.verifier = *std::move(made);
  if (!draft.verifier->is_compat()) draft.manifest = std::move(proof.manifest);
  return {};
}

/// Pushes what the proof claims onto `grown`.
Result<RootList> CommitBuilder::State::grow(Proof::Upgrade const& upgrade, RootList grown,
                                            Draft& draft) const {
  Growth growth(grown, draft.nodes);
  std::size_t next = 0;
  for (TreeIndex const index : merkle::cover(grown.length(), upgrade.start + upgrade.length)) {
    bool const embedded = draft.path && !draft.path->consumed && draft.path->end().index == index;
    if (embedded) {
      draft.path->consumed = true;
      take_levels(*draft.path, draft.path->levels.size() - 1, draft.nodes);
    } else if (next >= upgrade.nodes.size() || upgrade.nodes[next].index != index) {
      return bad_proof("upgrade lacks a node");
    }
    Node const& node = embedded ? draft.path->end() : upgrade.nodes[next++];
    bool const is_claimed = !embedded || !draft.path->levels.back().size_proven;
    if (Result<void> const done = growth.push(node, is_claimed); !done) {
      return Unexpected(done.error());
    }
  }
  if (next != upgrade.nodes.size()) return bad_proof("upgrade has nodes to spare");

  std::optional<Manifest::Prologue> const& prologue = judge(draft).prologue();
  if (prologue && grown.length() == prologue->length && grown.hash() != prologue->tree_hash) {
    return bad_proof("tree is not the prologue of the manifest");
  }
  for (Node const& node : upgrade.additional_nodes) {
    if (Result<void> const done = growth.push(node, true); !done) return Unexpected(done.error());
  }
  return grown;
}

/// Of a newer fork: the leading roots that are stored already are what both trees share.
Result<void> CommitBuilder::State::find_common_prefix(Draft& draft) {
  std::uint64_t common = 0;
  for (Node const& root : draft.roots->nodes()) {
    auto const it = known.find(root.index);
    Node const* stored = it == known.end() ? nullptr : &it->second;
    std::optional<Node> read;
    std::uint64_t const end = merkle::span_of(root.index).end();
    if (stored == nullptr && end <= commit.truncate_to.value_or(merkle::kLengthMax)) {
      Result<std::optional<Node>> from_view = view->node(root.index);
      if (!from_view) return Unexpected(from_view.error());
      read = *std::move(from_view);
      if (read) stored = &*read;
    }
    if (stored == nullptr || *stored != root) break;
    common = end;
  }
  draft.truncate_to = common;
  return {};
}

Result<void> CommitBuilder::State::upgrade(Proof& proof, Draft& draft) {
  bool const is_fork = proof.fork > head.fork;
  Proof::Upgrade& upgrade = *proof.upgrade;
  std::uint64_t const prologue_length = judge(draft).prologue_length();
  std::uint64_t const end = upgrade.start + upgrade.length;
  if (upgrade.start < prologue_length && (upgrade.start != 0 || end < prologue_length)) {
    return bad_proof("upgrade cuts the prologue");
  }

  Result<RootList> grown = grow(upgrade, is_fork ? RootList() : roots, draft);
  if (!grown) return Unexpected(grown.error());
  SignedTree const tree{.fork = proof.fork, .length = grown->length(), .roots = grown->nodes()};
  if (Result<void> const valid = judge(draft).verify(tree, upgrade.signature); !valid) {
    return Unexpected(valid.error());
  }
  // Nobody looked at the signature of a prologue: it is not kept.
  if (grown->length() <= prologue_length) upgrade.signature.clear();
  draft.head = Head{
      .fork = proof.fork, .length = grown->length(), .signature = std::move(upgrade.signature)};
  draft.roots = *std::move(grown);
  if (is_fork && head.length > 0) return find_common_prefix(draft);
  return {};
}

// --- Putting it together ---

Result<void> CommitBuilder::State::begin(CoreKey const& core, CoreView const& from) {
  key = core;
  view = &from;
  commit.core = core;
  head = from.head();
  if (!from.manifest().empty()) {
    Result<Verifier> made = Verifier::from_manifest(core, from.manifest());
    if (!made) return Unexpected(ErrorCode::Storage, "stored manifest: " + made.error().detail);
    verifier = *std::move(made);
  } else if (head.length > 0) {
    verifier = Verifier::compat(core);
  }
  std::vector<Node> stored_roots;
  for (TreeIndex const index : merkle::cover(0, head.length)) {
    Result<std::optional<Node>> const root = from.node(index);
    if (!root) return Unexpected(root.error());
    if (!root->has_value()) return Unexpected(ErrorCode::Storage, "a root of the tree is missing");
    stored_roots.push_back(**root);
    known.emplace(index, **root);
  }
  roots = RootList(std::move(stored_roots));
  return {};
}

Result<void> CommitBuilder::State::add(Proof proof) {
  if (Result<void> const fits = check_shape(proof); !fits) return fits;
  if (Result<void> const fits = check_start(proof); !fits) return fits;
  Draft draft;
  if (Result<void> const taken = take_manifest(proof, draft); !taken) return taken;
  Result<std::optional<Path>> path = path_of(proof, proof.upgrade ? nullptr : &known);
  if (!path) return Unexpected(path.error());
  draft.path = *std::move(path);
  if (proof.upgrade) {
    if (Result<void> const done = upgrade(proof, draft); !done) return done;
  }
  if (draft.path && !draft.path->consumed) {
    if (Result<void> const done = settle_path(draft); !done) return done;
  }
  apply(proof, draft);
  return {};
}

/// A fork: what was collected of the old one behind the cut is void.
void CommitBuilder::State::forget_from(std::uint64_t length) {
  commit.truncate_to = std::min(length, commit.truncate_to.value_or(length));
  auto const is_behind = [length](TreeIndex index) {
    return merkle::span_of(index).end() > length;
  };
  std::erase_if(known, [&](auto const& entry) { return is_behind(entry.first); });
  std::erase_if(commit.nodes, [&](Node const& node) { return is_behind(node.index); });
  std::erase_if(commit.blocks,
                [&](BlockWrite const& block) { return block.index.value() >= length; });
  std::erase_if(blocks, [&](std::uint64_t block) { return block >= length; });
}

/// From here on nothing can fail.
void CommitBuilder::State::apply(Proof& proof, Draft& draft) {
  if (draft.truncate_to) forget_from(*draft.truncate_to);
  if (draft.verifier && (draft.head || draft.manifest)) verifier = std::move(draft.verifier);
  if (draft.manifest) commit.manifest = std::move(draft.manifest);
  if (draft.head) {
    head = *draft.head;
    commit.head = *std::move(draft.head);
    roots = *std::move(draft.roots);
  }
  for (Node const& node : draft.nodes) {
    if (known.emplace(node.index, node).second) commit.nodes.push_back(node);
  }
  if (proof.block && blocks.insert(proof.block->index.value()).second) {
    commit.blocks.push_back({.index = proof.block->index, .value = std::move(proof.block->value)});
  }
}

CommitBuilder::CommitBuilder(std::unique_ptr<State> state) : state_(std::move(state)) {}
CommitBuilder::CommitBuilder(CommitBuilder&&) noexcept = default;
CommitBuilder& CommitBuilder::operator=(CommitBuilder&&) noexcept = default;
CommitBuilder::~CommitBuilder() = default;

Result<CommitBuilder> CommitBuilder::begin(CoreKey const& key, CoreView const& view) {
  auto state = std::make_unique<State>();
  if (Result<void> const begun = state->begin(key, view); !begun) return Unexpected(begun.error());
  return CommitBuilder(std::move(state));
}

Result<void> CommitBuilder::add(merkle::Proof proof) { return state_->add(std::move(proof)); }
Head const& CommitBuilder::head() const { return state_->head; }
bool CommitBuilder::has_manifest() const {
  return state_->verifier && !state_->verifier->is_compat();
}
Commit CommitBuilder::take() && { return std::move(state_->commit); }

}  // namespace holdfast::core
