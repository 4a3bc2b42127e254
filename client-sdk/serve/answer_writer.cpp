#include "serve/answer_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace holdfast {

namespace {

constexpr std::string_view kAllowName = "Access-Control-Allow-Origin";
constexpr std::string_view kAllowValue = "*";
constexpr std::string_view kExposeName = "Access-Control-Expose-Headers";
constexpr std::string_view kExposeValue =
    "Retry-After, Replay-Nonce, Location, Link, Age, ETag, Warning, RateLimit, RateLimit-Policy, "
    "Holdfast-Expires-In";

void append_number(std::string& to, std::size_t value) {
  std::array<char, 24> text;
  auto const result = std::to_chars(text.data(), text.data() + text.size(), value);
  to.append(text.data(), result.ptr);
}

void append_field(std::string& to, std::string_view name, std::string_view value) {
  to.append(name).append(": ").append(value).append("\r\n");
}

/// The Date line of this second. One per thread, because making it costs more than the rest of a head.
class DateLine {
 public:
  std::string_view text() {
    std::time_t const now = std::time(nullptr);
    if (now != second_) {
      second_ = now;
      std::tm parts{};
      ::gmtime_r(&now, &parts);
      size_ =
          std::strftime(text_.data(), text_.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    }
    return {text_.data(), size_};
  }

 private:
  std::time_t second_ = -1;
  std::array<char, 64> text_{};
  std::size_t size_ = 0;
};

/// A value that a handler took from a request must not end its line.
void append_safe_field(std::string& to, std::string_view name, std::string_view value) {
  std::size_t const at = to.size();
  to.append(name).append(": ").append(value);
  for (std::size_t i = at; i < to.size(); ++i) {
    if (static_cast<unsigned char>(to[i]) < 0x20) to[i] = ' ';
  }
  to.append("\r\n");
}

struct Phrase {
  int status;
  std::string_view text;
};

/// The frequent one first.
constexpr std::array kPhrases = {
    Phrase{200, "OK"},
    Phrase{201, "Created"},
    Phrase{202, "Accepted"},
    Phrase{204, "No Content"},
    Phrase{301, "Moved Permanently"},
    Phrase{302, "Found"},
    Phrase{304, "Not Modified"},
    Phrase{307, "Temporary Redirect"},
    Phrase{308, "Permanent Redirect"},
    Phrase{400, "Bad Request"},
    Phrase{401, "Unauthorized"},
    Phrase{403, "Forbidden"},
    Phrase{404, "Not Found"},
    Phrase{405, "Method Not Allowed"},
    Phrase{406, "Not Acceptable"},
    Phrase{408, "Request Timeout"},
    Phrase{409, "Conflict"},
    Phrase{410, "Gone"},
    Phrase{411, "Length Required"},
    Phrase{412, "Precondition Failed"},
    Phrase{413, "Content Too Large"},
    Phrase{414, "URI Too Long"},
    Phrase{415, "Unsupported Media Type"},
    Phrase{421, "Misdirected Request"},
    Phrase{422, "Unprocessable Content"},
    Phrase{428, "Precondition Required"},
    Phrase{429, "Too Many Requests"},
    Phrase{431, "Request Header Fields Too Large"},
    Phrase{500, "Internal Server Error"},
    Phrase{501, "Not Implemented"},
    Phrase{502, "Bad Gateway"},
    Phrase{503, "Service Unavailable"},
    Phrase{504, "Gateway Timeout"},
    Phrase{505, "HTTP Version Not Supported"},
};

}  // namespace

std::string_view reason_phrase(int status) {
  auto const* const found =
      std::find_if(kPhrases.begin(), kPhrases.end(),
                   [status](Phrase const& each) { return each.status == status; });
  return found == kPhrases.end() ? "Status" : found->text;
}

void append_head(std::string& to, AnswerHead const& head) {
  static thread_local DateLine date;
  to.append("HTTP/1.1 ");
  append_number(to, static_cast<std::size_t>(head.status));
  to.append(" ").append(reason_phrase(head.status)).append("\r\n");
  to.append(date.text()).append(head.fields);
  if (head.cors) {
    append_field(to, kAllowName, kAllowValue);
    append_field(to, kExposeName, kExposeValue);
  }
  if (head.body_bytes > 0) append_field(to, "Content-Type", head.content_type);
  // RFC 9110, 8.6: never with 204; with 304 it would have to be the length of the 200.
  if (head.status != 204 && head.status != 304) {
    to.append("Content-Length: ");
    append_number(to, head.body_bytes);
    to.append("\r\n");
  }
  if (head.close) to.append("Connection: close\r\n");
  to.append("\r\n");
}

void append_answer(std::string& to, HttpResponse const& response, bool omit_body, bool close) {
  std::string fields;
  for (auto const& [name, value] : response.headers.fields())
    append_safe_field(fields, name, value);
  bool const bodiless = response.status == 204 || response.status == 304;
  append_head(to, {.status = response.status,
                   .fields = fields,
                   .content_type = response.content_type,
                   .body_bytes = bodiless ? 0 : response.body.size(),
                   .close = close});
  if (!omit_body && !bodiless) to.append(response.body);
}

void add_cors_fields(HeaderList& to) {
  to.set(std::string(kAllowName), std::string(kAllowValue));
  to.set(std::string(kExposeName), std::string(kExposeValue));
}

}  // namespace holdfast
