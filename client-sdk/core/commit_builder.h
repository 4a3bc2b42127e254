#pragma once

#include <memory>

#include "core/store.h"
#include "merkle/proof.h"

namespace holdfast::core {

/// Verifies proofs against one view of a core and collects what they prove into one Commit.
///
/// Rules (SPEC 8.4 and 7.7):
///  1. add() either takes all of a proof or leaves the builder as it was.
///  2. Later proofs see what earlier ones added.
///  3. A proof with a higher fork must upgrade from 0: verified from an empty tree; the leading roots that equal
///     stored nodes are the common prefix, everything behind it is truncated.
///  4. A climb ends at the first ancestor that is known with the same hash; siblings above it are not looked at.
///     Why: requesters that cannot know yet what they will hold ask for long paths.
/// Memory: what was added. Thread-safety: none; borrows the view for its life.
class CommitBuilder {
 public:
  /// Errors: Storage (the view could not be read, or a root is missing).
  static Result<CommitBuilder> begin(CoreKey const& key, CoreView const& view);
  CommitBuilder(CommitBuilder&&) noexcept;
  CommitBuilder& operator=(CommitBuilder&&) noexcept;
  ~CommitBuilder();

  /// Errors: BadProof, BadSignature, Malformed (bad manifest): the sender's fault.
  ///         Conflict: the proof does not fit the present state (upgrade from another length, ancestor not stored,
  ///         lower fork); ask again. Storage: the view failed.
  Result<void> add(merkle::Proof proof);

  Head const& head() const;
  bool has_manifest() const;
  Commit take() &&;

 private:
  struct State;
  explicit CommitBuilder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::core
