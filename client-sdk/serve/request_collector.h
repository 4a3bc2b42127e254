#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "serve/router.h"

namespace holdfast {

/// Bounds on what a stranger can make us hold for one request.
struct RequestLimits {
  std::size_t target_bytes_max = 1024;  ///< Beyond: 414.
  std::size_t head_bytes_max = 8192;    ///< Request line and header fields together; beyond: 431.
};

/// Collects the bytes of one connection into complete requests and refuses what no parser should see.
///
/// Rules:
///  1. Lines end with CR LF; a bare LF, a bare CR, NUL and other control characters in the head are refused (400),
///     and so are folded lines and field names that are not tokens. Why: two parsers that disagree about where a
///     request ends are how requests are smuggled.
///  2. A body has one Content-Length of digits only. Transfer-Encoding is refused (411; 501 when it is not chunked; 400
///     beside a Content-Length). HTTP/1.1 has exactly one Host (else 400). Why: as rule 1.
///  3. Refused by the head alone: over-long targets (414), heads (431) and bodies (413, by route), before more is read.
///  4. Fields that only do harm here are left out of what take() returns: Accept-Encoding (compression costs a hundred
///     times the answer), Range, Expect, and REMOTE_ADDR and its like, which cpp-httplib would believe.
///  5. Cutting the stream differently changes nothing.
///  6. A target with scheme and host becomes its path, and its host the Host field; `*` is for OPTIONS only.
///
/// Source: RFC 9112, sections 2.3, 3.2 and 6; RFC 9110, 10.1.1.
///
/// [Pure] No I/O. Memory: head_bytes_max + the route's body limit + one read.
class RequestCollector {
 public:
  struct Collected {
    std::string head;  ///< Request line and fields, cleaned as in rule 4, with the empty line.
    std::string body;
  };
  struct Refusal {
    int status;
    std::string detail;
  };

  /// `router` tells the body limits and must outlive this.
  RequestCollector(Router const& router, RequestLimits limits)
      : router_(&router), limits_(limits) {}

  /// Adds bytes that were read. After a refusal they are ignored.
  void receive(std::string_view bytes);
  /// Returns: the next complete request, once; nothing while it is incomplete or refused.
  std::optional<Collected> take();
  /// Returns: why this connection must be answered with an error and closed.
  std::optional<Refusal> const& refusal() const { return refusal_; }
  /// Whether part of a request is here: a time-out now is worth an answer.
  bool has_partial() const { return !buffer_.empty(); }
  /// Whether the head is complete and the body is not, or not taken.
  bool in_body() const { return head_done_; }
  /// Returns: true, once for each request, if the client waits for a 100 before it sends the body.
  bool take_expectation();
  std::size_t buffered_bytes() const { return buffer_.size(); }

 private:
  void look_at_head();
  bool check_request_line(std::string_view line);
  bool check_target(std::string_view target);
  bool check_version(std::string_view version);
  bool check_field(std::string_view line);
  bool check_host(std::string_view value);
  bool check_framing();
  void refuse(int status, std::string detail);

  Router const* router_;
  RequestLimits limits_;
  std::string buffer_;  ///< Not yet taken; starts at a request.
  std::optional<Refusal> refusal_;
  bool head_done_ = false;
  std::size_t head_bytes_ = 0;  ///< In buffer_, with the empty line. Valid when head_done_.
  std::size_t body_bytes_ = 0;  ///< As announced. Valid when head_done_.
  // Of the head that is being looked at:
  std::optional<std::size_t> content_length_;
  bool has_coding_ = false;          ///< A Transfer-Encoding.
  bool has_unknown_coding_ = false;  ///< One that is not "chunked".
  bool expects_continue_ = false;
  bool is_1_0_ = false;
  std::size_t host_count_ = 0;
  std::string method_;
  std::string target_;  ///< As it goes on: path and query, or `*`.
  std::string host_;    ///< Of a target that names one.
  std::string clean_head_;
};

}  // namespace holdfast
