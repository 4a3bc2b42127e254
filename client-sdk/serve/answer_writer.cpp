#include "serve/answer_writer.h"

#include <array>
#include <charconv>
#include <ctime>

namespace holdfast {

namespace {

constexpr std::string_view kAllowName = "Access-Control-Allow-Origin";
constexpr std::string_view kAllowValue = "*";
constexpr std::string_view kExposeName = "Access-Control-Expose-Headers";
constexpr std::string_view kExposeValue =
    "Retry-After, Replay-Nonce, Location, Age, ETag, Warning, RateLimit, RateLimit-Policy";

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

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
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
