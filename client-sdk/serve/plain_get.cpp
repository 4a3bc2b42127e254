#include "serve/plain_get.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace holdfast {

namespace {

enum Kind : std::uint8_t { kToken = 1, kTarget = 2, kValue = 4, kHost = 8 };

constexpr std::array<std::uint8_t, 256> make_kinds() {
  std::array<std::uint8_t, 256> kinds{};
  for (unsigned c = 0x20; c < 0x7f; ++c) {
    bool const alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    std::uint8_t kind = kValue;
    if (alphanumeric) kind |= kToken | kTarget | kHost;
    kinds[c] = kind;
  }
  for (char const c : std::string_view("!#$%&'*+-.^_`|~"))
    kinds[static_cast<unsigned char>(c)] |= kToken;
  for (char const c : std::string_view("-._~/,:=&?"))
    kinds[static_cast<unsigned char>(c)] |= kTarget;
  for (char const c : std::string_view("-._:[]")) kinds[static_cast<unsigned char>(c)] |= kHost;
  return kinds;
}

constexpr std::array<std::uint8_t, 256> kKinds = make_kinds();

/// How many characters at the front of `text` are of `kind`.
std::size_t run_of(Kind kind, std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && (kKinds[static_cast<unsigned char>(text[i])] & kind) != 0) ++i;
  return i;
}

/// `lower`: in small letters.
bool same(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + ('a' - 'A')) : x) == y;
         });
}

enum class Field : std::uint8_t { Plain, LeftOut, Connection, Host, Unusual };

/// By length first: most names are told apart by it.
Field kind_of(std::string_view name) {
  switch (name.size()) {
    case 2:
      return same(name, "te") ? Field::Unusual : Field::Plain;
    case 4:
      return same(name, "host") ? Field::Host : Field::Plain;
    case 5:
      return same(name, "range") ? Field::LeftOut : Field::Plain;
    case 6:
      return same(name, "expect") ? Field::Unusual : Field::Plain;
    case 7:
      return same(name, "upgrade") || same(name, "trailer") ? Field::Unusual : Field::Plain;
    case 8:
      return same(name, "if-range") ? Field::LeftOut : Field::Plain;
    case 10:
      if (same(name, "connection")) return Field::Connection;
      return same(name, "local_addr") || same(name, "local_port") || same(name, "keep-alive")
                 ? Field::Unusual
                 : Field::Plain;
    case 11:
      return same(name, "remote_addr") || same(name, "remote_port") ? Field::Unusual : Field::Plain;
    case 12:
      return same(name, "content-type") ? Field::Unusual : Field::Plain;
    case 14:
      return same(name, "content-length") ? Field::Unusual : Field::Plain;
    case 15:
      return same(name, "accept-encoding") ? Field::LeftOut : Field::Plain;
    case 16:
      return same(name, "content-encoding") || same(name, "proxy-connection") ? Field::Unusual
                                                                              : Field::Plain;
    case 17:
      return same(name, "transfer-encoding") ? Field::Unusual : Field::Plain;
    default:
      return Field::Plain;
  }
}

/// Fields that may come once.
struct Seen {
  bool connection = false;
  bool host = false;
};

/// Takes one line off the front of `rest`. Returns: false if it is not a plain field.
bool take_field(std::string_view& rest, Seen& seen, PlainGet& out) {
  std::size_t const name_bytes = run_of(kToken, rest);
  if (name_bytes == 0 || name_bytes >= rest.size() || rest[name_bytes] != ':') return false;
  std::string_view const name = rest.substr(0, name_bytes);
  rest.remove_prefix(name_bytes + 1);
  std::size_t const line_bytes = run_of(kValue, rest);
  if (!rest.substr(line_bytes).starts_with("\r\n")) return false;
  std::string_view value = rest.substr(0, line_bytes);
  rest.remove_prefix(line_bytes + 2);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  // The HTTP library leaves out fields without a value, and decodes percent signs in others.
  if (value.empty()) return kind_of(name) != Field::Unusual && kind_of(name) != Field::Host;
  if (value.find('%') != std::string_view::npos) return false;
  switch (kind_of(name)) {
    case Field::Unusual:
      return false;
    case Field::LeftOut:
      return true;
    case Field::Connection:
      if (std::exchange(seen.connection, true)) return false;
      out.close = same(value, "close");
      if (!out.close && !same(value, "keep-alive")) return false;
      break;
    case Field::Host:
      if (std::exchange(seen.host, true) || run_of(kHost, value) != value.size()) return false;
      break;
    case Field::Plain:
      break;
  }
  if (out.field_count == PlainGet::kFieldsMax) return false;
  out.fields[out.field_count++] = {name, value};
  return true;
}

}  // namespace

bool recognise_plain_get(std::string_view bytes, RequestLimits const& limits, PlainGet& out) {
  constexpr std::string_view kMethod = "GET ";
  constexpr std::string_view kVersion = " HTTP/1.1\r\n";
  if (!bytes.starts_with(kMethod) || bytes.size() <= kMethod.size() || bytes[4] != '/')
    return false;
  std::string_view rest = bytes.substr(kMethod.size());
  std::size_t const target_bytes = run_of(kTarget, rest);
  std::string_view const target = rest.substr(0, target_bytes);
  rest.remove_prefix(target_bytes);
  if (target_bytes > limits.target_bytes_max || !rest.starts_with(kVersion)) return false;
  rest.remove_prefix(kVersion.size());
  std::size_t const question = target.find('?');
  out.path = target.substr(0, question);
  out.query = question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
  if (out.query.find('?') != std::string_view::npos) return false;  // The library refuses it.
  out.close = false;
  out.field_count = 0;
  Seen seen;
  while (!rest.starts_with("\r\n")) {
    if (!take_field(rest, seen, out)) return false;
  }
  if (!seen.host) return false;
  out.head_bytes = bytes.size() - rest.size() + 2;
  // The collector counts without the empty line.
  return out.head_bytes - 2 <= limits.head_bytes_max;
}

}  // namespace holdfast
