#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "serve/message.h"
#include "serve/request_collector.h"

namespace holdfast {

/// The head of one plain GET, as views into the bytes it was read from.
struct PlainGet {
  static constexpr std::size_t kFieldsMax = 24;

  std::string_view path;
  std::string_view query;  ///< Behind the '?'; empty without one.
  bool close = false;      ///< The client ends the connection after this answer.
  std::size_t head_bytes = 0;
  std::array<FieldView, kFieldsMax> fields;
  std::size_t field_count = 0;

  std::span<FieldView const> field_list() const { return {fields.data(), field_count}; }
};

/// Recognises a request that needs no HTTP library, at the start of `bytes`.
///
/// It takes only what has one meaning: GET, HTTP/1.1, a target of unreserved characters, '/', '?', '=', '&' and a few
/// more that no decoder changes, whole CR LF lines of printable ASCII, no body and nothing that asks for one, one plain
/// Host, and Connection absent, "keep-alive" or "close". Everything else, whether wrong, incomplete or merely unusual,
/// is left to RequestCollector and the general path; nothing is refused here. Fields that the collector leaves out are
/// left out.
///
/// Source: RFC 9112, of which this is a small subset. Property (fuzzed): what is taken here is taken by the collector,
/// too, with the same meaning.
/// `out`: its earlier content is overwritten. Returns: whether one was recognised; `out` borrows from `bytes`.
bool recognise_plain_get(std::string_view bytes, RequestLimits const& limits, PlainGet& out);

}  // namespace holdfast
