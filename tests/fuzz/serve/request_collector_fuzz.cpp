/// Properties: how a stream of requests is cut into reads changes neither the requests nor whether it is refused; what
/// comes out has one end of its head, stays within the limits, and is taken or answered by the HTTP library without
/// harm.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/check.h"
#include "serve/exchange.h"
#include "serve/request_collector.h"

namespace holdfast {
namespace {

constexpr RequestLimits kLimits{.target_bytes_max = 64, .head_bytes_max = 256};
constexpr std::size_t kBodyBytesMax = 32;

Router make_router() {
  Router router;
  HttpHandler const echo = [](HttpRequest const& request) {
    HttpResponse response;
    response.body = request.path + request.body;
    return response;
  };
  router.add("GET", "/{name}", echo);
  router.add("PUT", "/{name}", echo, {.body_bytes_max = kBodyBytesMax});
  return router;
}

struct Outcome {
  std::vector<std::string> requests;
  bool refused = false;
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

Outcome collect(Router const& router, std::string_view bytes, std::size_t chunk_bytes) {
  RequestCollector collector(router, kLimits);
  Outcome outcome;
  while (!bytes.empty()) {
    collector.receive(bytes.substr(0, chunk_bytes));
    bytes.remove_prefix(std::min(chunk_bytes, bytes.size()));
    while (std::optional<RequestCollector::Collected> const got = collector.take()) {
      HOLDFAST_CHECK(got->head.find("\r\n\r\n") == got->head.size() - 4);
      HOLDFAST_CHECK(got->head.size() <= 2 * kLimits.head_bytes_max &&
                     got->body.size() <= kBodyBytesMax);
      ProxyPolicy const proxies;
      PeerAddress const peer{"192.0.2.1", 1};
      auto const answer = run_exchange({router, proxies}, {*got, peer});
      HOLDFAST_CHECK(std::get<ResponseBytes>(answer).bytes.starts_with("HTTP/1.1 "));
      outcome.requests.push_back(got->head + got->body);
    }
  }
  outcome.refused = collector.refusal().has_value();
  return outcome;
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  static Router const router = make_router();
  if (size == 0) return 0;
  std::string_view const bytes(reinterpret_cast<char const*>(data) + 1, size - 1);
  HOLDFAST_CHECK(collect(router, bytes, 1 + data[0] % 64u) == collect(router, bytes, size));
  return 0;
}
