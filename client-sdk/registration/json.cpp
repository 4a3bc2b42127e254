#include "registration/json.h"

#include <utility>

#include "registration/api.h"
#include "registration/base64.h"

namespace holdfast::registration {

namespace {

Json const kNull;
std::vector<Json> const kEmptyArray;

/// Whether brackets outside of strings nest deeper than `depth_max`. Runs before the parser, so that
/// depth costs a stranger nothing of ours.
bool is_deeper_than(std::string_view text, std::size_t depth_max) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_max) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<Json> parse_json_object(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return Unexpected(ErrorCode::LimitExceeded, "body too long");
  if (is_deeper_than(text, kJsonDepthMax)) {
    return Unexpected(ErrorCode::LimitExceeded, "JSON nested too deep");
  }
  Json out = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!out.is_object()) return Unexpected(ErrorCode::Malformed, "not a JSON object");
  return out;
}

std::string dump_json(Json const& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

JsonReader::JsonReader(Json const& object) : object_(object) {
  if (!object_.is_object()) fail(ErrorCode::Malformed, "not a JSON object");
}

bool JsonReader::has(char const* name) const {
  return object_.is_object() && object_.contains(name) && !object_[name].is_null();
}

Json const* JsonReader::optional(char const* name) { return has(name) ? &object_[name] : nullptr; }

Json const& JsonReader::required(char const* name) {
  if (has(name)) return object_[name];
  fail(ErrorCode::Malformed, std::string(name) + " is missing");
  return kNull;
}

std::string JsonReader::text(char const* name, std::size_t bytes_max) {
  std::string const* const out = required(name).get_ptr<std::string const*>();
  if (out == nullptr) {
    fail(ErrorCode::Malformed, std::string(name) + " is not a text");
    return {};
  }
  if (out->size() <= bytes_max) return *out;
  fail(ErrorCode::LimitExceeded, std::string(name) + " is too long");
  return {};
}

std::string JsonReader::text_or_empty(char const* name, std::size_t bytes_max) {
  return has(name) ? text(name, bytes_max) : std::string();
}

std::uint64_t JsonReader::number(char const* name, std::uint64_t max) {
  Json const& value = required(name);
  if (!value.is_number_unsigned()) {
    fail(ErrorCode::Malformed, std::string(name) + " is not a whole number");
    return 0;
  }
  std::uint64_t const out = value.get<std::uint64_t>();
  if (out <= max) return out;
  fail(ErrorCode::LimitExceeded, std::string(name) + " is too large");
  return 0;
}

std::uint64_t JsonReader::number_or(char const* name, std::uint64_t otherwise, std::uint64_t max) {
  return has(name) ? number(name, max) : otherwise;
}

bool JsonReader::flag_or(char const* name, bool otherwise) {
  Json const* const value = optional(name);
  if (value == nullptr) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  fail(ErrorCode::Malformed, std::string(name) + " is neither true nor false");
  return otherwise;
}

Bytes JsonReader::base64url(char const* name, std::size_t bytes_max) {
  std::string const encoded = text(name, bytes_max * 4 / 3 + 4);
  std::optional<Bytes> out = from_base64url(encoded, bytes_max);
  if (!out) fail(ErrorCode::Malformed, std::string(name) + " is not base64url");
  return std::move(out).value_or(Bytes{});
}

std::vector<Json> const& JsonReader::array_or_empty(char const* name, std::size_t count_max) {
  Json const* const value = optional(name);
  if (value == nullptr) return kEmptyArray;
  Json::array_t const* const out = value->get_ptr<Json::array_t const*>();
  if (out == nullptr) {
    fail(ErrorCode::Malformed, std::string(name) + " is not an array");
    return kEmptyArray;
  }
  if (out->size() <= count_max) return *out;
  fail(ErrorCode::LimitExceeded, std::string(name) + " has too many items");
  return kEmptyArray;
}

void JsonReader::fail(ErrorCode code, std::string detail) {
  if (!error_) error_ = Error{code, std::move(detail)};
}

Result<void> JsonReader::finish() const {
  if (error_) return Unexpected(*error_);
  return {};
}

}  // namespace holdfast::registration
