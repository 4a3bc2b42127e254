#include "merkle/make_proof.h"

#include <optional>
#include <vector>

#include "merkle/flat_tree.h"

namespace holdfast::merkle {

namespace {

/// What a block or hash request points at.
struct Target {
  TreeIndex node;
  std::uint64_t levels = 0;
  bool with_itself = false;  ///< A hash request gets the node itself, too.
};

Unexpected invalid(char const* why) { return Unexpected(ErrorCode::Malformed, why); }

/// What to read, before anything is read: a request is judged first.
struct Plan {
  std::vector<TreeIndex> path;
  std::vector<TreeIndex> upgrade;
  std::vector<TreeIndex> additional;
};

/// Appends the siblings met between `target` and `top`.
void plan_path(Target const& target, TreeIndex top, std::vector<TreeIndex>& path) {
  if (target.with_itself) path.push_back(target.node);
  for (TreeIndex at = target.node; at != top; at = parent_of(at)) path.push_back(sibling_of(at));
}

/// Returns: the ancestor `levels` above the target. Errors: Malformed if it leaves [0, end).
Result<TreeIndex> climb(Target const& target, std::uint64_t end) {
  TreeIndex at = target.node;
  for (std::uint64_t level = 0; level < target.levels; ++level) {
    at = parent_of(at);
    if (span_of(at).end() > end) return invalid("more levels than the tree has");
  }
  return at;
}

/// A target inside the upgrade stands in for the subtree of the upgrade that has it.
Result<void> embed(Target const& target, Plan& plan) {
  Span const wanted = span_of(target.node);
  for (auto subtree = plan.upgrade.begin(); subtree != plan.upgrade.end(); ++subtree) {
    Span const span = span_of(*subtree);
    if (span.start > wanted.start || wanted.end() > span.end()) continue;
    plan_path(target, *subtree, plan.path);
    plan.upgrade.erase(subtree);
    return {};
  }
  return invalid("node lies across the start of the upgrade");
}

Result<Plan> make_plan(std::uint64_t length, std::optional<Target> const& target,
                       std::optional<ProofRequest::Upgrade> const& upgrade) {
  std::uint64_t const end = upgrade ? upgrade->start + upgrade->length : length;
  Plan plan;
  if (upgrade) {
    plan.upgrade = cover(upgrade->start, end);
    plan.additional = cover(end, length);
  }
  if (!target) return plan;
  if (!is_valid(target->node) || span_of(target->node).end() > end) {
    return invalid("node outside the tree");
  }
  if (upgrade && span_of(target->node).end() > upgrade->start) {
    if (Result<void> const done = embed(*target, plan); !done) return Unexpected(done.error());
    return plan;
  }
  Result<TreeIndex> const top = climb(*target, end);
  if (!top) return Unexpected(top.error());
  plan_path(*target, *top, plan.path);
  return plan;
}

Result<std::vector<Node>> read(NodeReader const& nodes, std::vector<TreeIndex> const& wanted) {
  std::vector<Node> out;
  out.reserve(wanted.size());
  for (TreeIndex const index : wanted) {
    Result<std::optional<Node>> const node = nodes.node(index);
    if (!node) return Unexpected(node.error());
    if (!node->has_value()) return Unexpected(ErrorCode::NotFound, "tree node is not stored");
    out.push_back(**node);
  }
  return out;
}

/// Errors: Malformed.
Result<std::optional<Target>> target_of(ProofRequest const& request) {
  if (request.seek) return invalid("seeks are not offered");
  if (request.block && request.hash) return invalid("block and hash in one request");
  if (request.block) {
    if (request.block->index.value() >= kLengthMax) return invalid("block number out of range");
    return std::optional(
        Target{.node = leaf_of(request.block->index), .levels = request.block->nodes});
  }
  if (request.hash) {
    return std::optional(
        Target{.node = request.hash->index, .levels = request.hash->nodes, .with_itself = true});
  }
  return std::optional<Target>();
}

/// Errors: Malformed unless 1 <= length and the end lies in the tree.
Result<std::optional<ProofRequest::Upgrade>> upgrade_of(ProofSource const& source,
                                                        ProofRequest const& request) {
  if (!request.upgrade) return std::optional<ProofRequest::Upgrade>();
  ProofRequest::Upgrade upgrade = *request.upgrade;
  if (upgrade.start < source.prologue_length) {
    // Nothing shorter than the prologue can be verified, so it always comes as a whole.
    upgrade = {.start = 0, .length = source.prologue_length};
  }
  if (upgrade.length == 0 || upgrade.length > source.length ||
      upgrade.start > source.length - upgrade.length) {
    return invalid("upgrade outside the tree");
  }
  return std::optional(upgrade);
}

}  // namespace

Result<Proof> make_proof(NodeReader const& nodes, ProofSource const& source,
                         ProofRequest const& request) {
  Proof proof;
  proof.fork = source.fork;
  if (source.length == 0) return proof;

  Result<std::optional<Target>> const target = target_of(request);
  if (!target) return Unexpected(target.error());
  Result<std::optional<ProofRequest::Upgrade>> const upgrade = upgrade_of(source, request);
  if (!upgrade) return Unexpected(upgrade.error());
  Result<Plan> const plan = make_plan(source.length, *target, *upgrade);
  if (!plan) return Unexpected(plan.error());

  Result<std::vector<Node>> path = read(nodes, plan->path);
  if (!path) return Unexpected(path.error());
  Result<std::vector<Node>> upgrade_nodes = read(nodes, plan->upgrade);
  if (!upgrade_nodes) return Unexpected(upgrade_nodes.error());
  Result<std::vector<Node>> additional = read(nodes, plan->additional);
  if (!additional) return Unexpected(additional.error());

  if (request.block) {
    proof.block = {.index = request.block->index, .value = {}, .nodes = *std::move(path)};
  } else if (request.hash) {
    proof.hash = {.index = request.hash->index, .nodes = *std::move(path)};
  }
  if (*upgrade) {
    proof.upgrade = {.start = (*upgrade)->start,
                     .length = (*upgrade)->length,
                     .nodes = *std::move(upgrade_nodes),
                     .additional_nodes = *std::move(additional),
                     .signature = to_bytes(source.signature)};
  }
  return proof;
}

}  // namespace holdfast::merkle
