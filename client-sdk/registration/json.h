#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/result.h"

// For the .cpp files of this folder only.
namespace holdfast::registration {

using Json = nlohmann::json;

/// Parses a JSON object without exceptions.
/// Errors: LimitExceeded (longer than bytes_max, deeper than kJsonDepthMax), Malformed (no JSON, no
/// object, text that is not UTF-8).
Result<Json> parse_json_object(std::string_view text, std::size_t bytes_max);

/// Compact, and never throws: bytes that are not UTF-8 are replaced.
std::string dump_json(Json const& value);

/// Reads members of one JSON object. Errors stick; ask once in finish().
class JsonReader {
 public:
  explicit JsonReader(Json const& object);

  bool has(char const* name) const;
  /// The member, or null; an absent member is an error.
  Json const& required(char const* name);
  /// The member if it is there and not null.
  Json const* optional(char const* name);

  std::string text(char const* name, std::size_t bytes_max);
  std::string text_or_empty(char const* name, std::size_t bytes_max);
  std::uint64_t number(char const* name, std::uint64_t max);
  std::uint64_t number_or(char const* name, std::uint64_t otherwise, std::uint64_t max);
  bool flag_or(char const* name, bool otherwise);
  Bytes base64url(char const* name, std::size_t bytes_max);
  template <typename Fixed>
  Fixed hex(char const* name) {
    return hex_value<Fixed>(required(name));
  }
  template <typename Fixed>
  Fixed hex_value(Json const& value) {
    std::string const* const text = value.get_ptr<std::string const*>();
    std::optional<Fixed> out;
    if (text != nullptr) out = Fixed::from_hex(*text);
    if (!out) fail(ErrorCode::Malformed, "not hex of the right length");
    return out.value_or(Fixed{});
  }
  /// An absent array is empty.
  std::vector<Json> const& array_or_empty(char const* name, std::size_t count_max);

  void fail(ErrorCode code, std::string detail);
  bool ok() const { return !error_.has_value(); }
  /// Takes over the error of a part that was read by other means.
  template <typename T>
  T take(Result<T> part) {
    if (part) return std::move(part).value();
    fail(part.error().code, part.error().detail);
    return T{};
  }
  Result<void> finish() const;

 private:
  Json const& object_;
  std::optional<Error> error_;
};

}  // namespace holdfast::registration
