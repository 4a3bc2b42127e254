#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "serve/message.h"

namespace holdfast {

/// What stands around a body. Written alike for the fast path and for the general one.
struct AnswerHead {
  int status = 200;
  std::string_view fields{};  ///< Whole lines, each with its CR LF.
  bool cors = false;          ///< The fields that let any web page read the answer.
  std::string_view content_type{};
  std::size_t body_bytes = 0;
  bool close = false;
};

/// Appends status line, Date, `fields`, CORS, Content-Type, Content-Length, Connection and the empty line.
void append_head(std::string& to, AnswerHead const& head);

/// Appends a whole answer. `omit_body`: for HEAD; Content-Length tells what GET would give.
void append_answer(std::string& to, HttpResponse const& response, bool omit_body, bool close);

/// The fields that append_head() writes for `cors`, as they stand in an HttpResponse.
void add_cors_fields(HeaderList& to);

/// What a status is called; never empty.
std::string_view reason_phrase(int status);

}  // namespace holdfast
