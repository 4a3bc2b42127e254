#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace holdfast {

/// Why something outside of us went wrong. A code exists only if some caller reacts to it differently
/// or counts it; words for people go into Error::detail.
enum class ErrorCode : std::uint8_t {
  Malformed,      ///< Bytes or text do not follow their format.
  LimitExceeded,  ///< A bound of an Options struct would be broken.
  BadCapability,  ///< The wire peer did not prove that it knows the core key.
  BadProof,       ///< Merkle nodes do not lead to a hash we trust.
  BadSignature,   ///< A signature does not verify.
  BadHandshake,   ///< Noise or secret stream: wrong key, tag or stream id.
  Protocol,       ///< A rule of the protocol was broken (state, order, ids).
  NotFound,       ///< What was named is not here.
  Conflict,       ///< Newer state is already here (seq, fork, lock).
  Denied,         ///< Policy says no.
  Unavailable,    ///< Try again later (Redis, network, time-out).
  StorageFull,    ///< No space left, or the disk budget is spent.
  Storage,        ///< The disk or the database failed.
};

std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code;
  std::string detail;  ///< One sentence without a full stop, for logs and people.
};

/// "detail (code)".
std::string to_string(Error const& error);

/// Wraps an Error so that it converts into any Result; spelled as in std::expected.
struct Unexpected {
  Error error;
  explicit Unexpected(Error e) : error(std::move(e)) {}
  Unexpected(ErrorCode code, std::string detail) : error{code, std::move(detail)} {}
};

/// A value or the Error that prevented it. Reading the wrong side is a bug and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): `return value;` is the point.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): `return Unexpected(...);` likewise.
  Result(Unexpected unexpected) : state_(std::in_place_index<1>, std::move(unexpected.error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    HOLDFAST_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T const& value() const& {
    HOLDFAST_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    HOLDFAST_CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  T const& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  T const* operator->() const { return &value(); }

  Error const& error() const {
    HOLDFAST_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): `return Unexpected(...);` is the point.
  Result(Unexpected unexpected) : error_(std::move(unexpected.error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error const& error() const {
    HOLDFAST_CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace holdfast
