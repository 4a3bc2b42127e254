#include "serve/request_collector.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace holdfast {

namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";

bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    bool const alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alphanumeric || kMarks.find(c) != std::string_view::npos;
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Those of RFC 9110 and PATCH; the library refuses others as malformed.
bool is_known_method(std::string_view method) {
  constexpr std::array<std::string_view, 9> kKnown = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH"};
  return std::find(kKnown.begin(), kKnown.end(), method) != kKnown.end();
}

bool is_dropped(std::string const& name) {
  constexpr std::array<std::string_view, 9> kDropped = {
      "accept-encoding", "range",      "if-range",   "expect",          "remote_addr",
      "remote_port",     "local_addr", "local_port", "content-encoding"};
  return std::find(kDropped.begin(), kDropped.end(), name) != kDropped.end();
}

/// Every control character is refused but the CR LF that ends a line, and the tab inside a value.
bool has_stray_control(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    auto const c = static_cast<unsigned char>(head[i]);
    if (c == '\r' ? (i + 1 < head.size() && head[i + 1] != '\n') : false) return true;
    if (c == '\n' && (i == 0 || head[i - 1] != '\r')) return true;
    if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f) return true;
  }
  return false;
}

/// "http://" or "https://" at the front of `target`, in whatever letters; empty if neither is.
std::string_view scheme_of(std::string_view target) {
  for (std::string_view const each : {std::string_view("http://"), std::string_view("https://")}) {
    if (lower(target.substr(0, each.size())) == each) return target.substr(0, each.size());
  }
  return {};
}

/// uri-host [":" port], as far as it matters: nothing that another reader could take for more than one host.
bool is_host(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    bool const alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return alphanumeric || std::string_view("-._~!$&'()*+;=:[]%").find(c) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

void RequestCollector::refuse(int status, std::string detail) {
  refusal_ = Refusal{status, std::move(detail)};
  buffer_.clear();
}

void RequestCollector::receive(std::string_view bytes) {
  if (refusal_) return;
  buffer_.append(bytes);
  if (!head_done_) look_at_head();
}

bool RequestCollector::check_request_line(std::string_view line) {
  std::size_t const first = line.find(' ');
  std::size_t const last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return refuse(400, "The request line is malformed"), false;
  method_ = std::string(line.substr(0, first));
  if (!is_token(method_)) return refuse(400, "The method is malformed"), false;
  if (!check_version(line.substr(last + 1))) return false;
  if (!is_known_method(method_)) return refuse(501, "This method is not known here"), false;
  return check_target(line.substr(first + 1, last - first - 1));
}

bool RequestCollector::check_target(std::string_view target) {
  if (target.size() > limits_.target_bytes_max) return refuse(414, "The target is too long"), false;
  bool const plain =
      std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  host_.clear();
  std::string_view const scheme = scheme_of(target);
  if (!scheme.empty()) {
    target.remove_prefix(scheme.size());
    host_ = std::string(target.substr(0, target.find_first_of("/?")));
    target.remove_prefix(host_.size());
    if (host_.empty() || !is_host(host_)) return refuse(400, "The target names no host"), false;
  }
  target_ = std::string(target);
  if (!host_.empty() && !target.starts_with('/')) target_.insert(0, 1, '/');
  bool const whole_server = target_ == "*" && method_ == "OPTIONS";
  if (!plain || (!target_.starts_with('/') && !whole_server))
    return refuse(400, "The target must be a path"), false;
  return true;
}

bool RequestCollector::check_version(std::string_view version) {
  auto const is_digit = [](char c) { return c >= '0' && c <= '9'; };
  bool const has_form = version.size() == 8 && version.starts_with("HTTP/") &&
                        is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
  if (!has_form) return refuse(400, "The HTTP version is malformed"), false;
  if (version[5] != '1') return refuse(505, "Only HTTP/1.1 is spoken here"), false;
  is_1_0_ = version[7] == '0';
  return true;
}

bool RequestCollector::check_host(std::string_view value) {
  ++host_count_;
  if (!is_host(value)) return refuse(400, "Host is malformed"), false;
  return true;
}

/// What can only be said when all fields are known.
bool RequestCollector::check_framing() {
  if (host_count_ > 1 || (host_count_ == 0 && !is_1_0_))
    return refuse(400, "HTTP/1.1 needs one Host"), false;
  if (!has_coding_) return true;
  if (content_length_ || is_1_0_)
    return refuse(400, "Transfer-Encoding contradicts the rest of the head"), false;
  if (has_unknown_coding_) return refuse(501, "This transfer coding is not known here"), false;
  return refuse(411, "A body needs a Content-Length"), false;
}

bool RequestCollector::check_field(std::string_view line) {
  std::size_t const colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return refuse(400, "A header field is malformed"), false;
  }
  std::string const name = lower(line.substr(0, colon));
  std::string_view const value = trimmed(line.substr(colon + 1));
  if (name == "transfer-encoding") {
    has_coding_ = true;
    if (lower(value) != "chunked") has_unknown_coding_ = true;
    return true;
  }
  if (name == "host") {
    if (!check_host(value)) return false;
    if (!host_.empty()) return true;  // The target's counts.
  }
  if (name == "expect" && lower(value) == "100-continue") expects_continue_ = true;
  if (name == "content-length") {
    std::size_t length = 0;
    auto const [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (error != std::errc() || end != value.data() + value.size() || content_length_) {
      return refuse(400, "Content-Length is malformed"), false;
    }
    content_length_ = length;
  }
  if (is_dropped(name)) return true;
  clean_head_.append(line.substr(0, colon)).append(": ").append(value).append("\r\n");
  return true;
}

void RequestCollector::look_at_head() {
  // Empty lines before a request are tolerated (RFC 9112, 2.2).
  while (buffer_.starts_with("\r\n")) buffer_.erase(0, 2);
  std::size_t const end = buffer_.find(kEndOfHead);
  std::string_view const head =
      std::string_view(buffer_).substr(0, end == std::string::npos ? end : end + 2);
  if (has_stray_control(head)) return refuse(400, "The head contains control characters");
  std::size_t const line_end = head.find("\r\n");
  // A CR whose LF has not come belongs to no size yet: a cut there must not decide at the limit.
  std::size_t const counted =
      head.size() - (end == std::string::npos && head.ends_with('\r') ? 1 : 0);
  // The longest request line with a target within bounds: method and version add at most 64 bytes.
  std::size_t const line_bytes = std::min(line_end, counted);
  if (line_bytes > limits_.target_bytes_max + 64) return refuse(414, "The target is too long");
  if (counted > limits_.head_bytes_max) return refuse(431, "The header fields are too large");
  if (end == std::string::npos) return;

  if (!check_request_line(head.substr(0, line_end))) return;
  clean_head_ = method_ + ' ' + target_ + (is_1_0_ ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
  if (!host_.empty()) clean_head_ += "Host: " + host_ + "\r\n";
  content_length_.reset();
  has_coding_ = has_unknown_coding_ = expects_continue_ = false;
  host_count_ = 0;
  for (std::size_t at = line_end + 2; at < head.size();) {
    std::size_t const next = head.find("\r\n", at);
    if (!check_field(head.substr(at, next - at))) return;
    at = next + 2;
  }
  if (!check_framing()) return;
  clean_head_ += "\r\n";
  body_bytes_ = content_length_.value_or(0);
  std::string_view const path = std::string_view(target_).substr(0, target_.find('?'));
  if (body_bytes_ > router_->body_bytes_max(method_, path))
    return refuse(413, "The body is too large for this path");
  head_bytes_ = end + kEndOfHead.size();
  head_done_ = true;
}

bool RequestCollector::take_expectation() {
  bool const waits = head_done_ && expects_continue_ && !is_1_0_ && body_bytes_ > 0 &&
                     buffer_.size() == head_bytes_;
  if (waits) expects_continue_ = false;
  return waits;
}

std::optional<RequestCollector::Collected> RequestCollector::take() {
  if (refusal_ || !head_done_ || buffer_.size() - head_bytes_ < body_bytes_) return std::nullopt;
  Collected collected{std::exchange(clean_head_, {}), buffer_.substr(head_bytes_, body_bytes_)};
  buffer_.erase(0, head_bytes_ + body_bytes_);
  head_done_ = false;
  if (!buffer_.empty()) look_at_head();
  return collected;
}

}  // namespace holdfast
