/// Property: what the fast path recognises, the collector and the HTTP library take, too, with the same path, query,
/// fields, length and end of the connection; so a request means the same whoever reads it.

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
#include "serve/plain_get.h"
#include "serve/request_collector.h"

namespace holdfast {
namespace {

constexpr RequestLimits kLimits{.target_bytes_max = 64, .head_bytes_max = 256};

/// What a handler could see of it, as text.
struct Seen {
  std::string target;
  std::string fields;
  friend bool operator==(Seen const&, Seen const&) = default;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

/// Different names may change places in the library's map; those that are equal may not.
std::string sorted(std::vector<std::string> fields) {
  std::stable_sort(fields.begin(), fields.end(), [](std::string const& a, std::string const& b) {
    return a.substr(0, a.find(':')) < b.substr(0, b.find(':'));
  });
  std::string text;
  for (std::string const& field : fields) text += field + "\n";
  return text;
}

Seen seen_fast(PlainGet const& plain) {
  std::string target(plain.path);
  if (plain.query.data() != nullptr && plain.query.data() > plain.path.data())
    target += "?" + std::string(plain.query);
  std::vector<std::string> fields;
  for (FieldView const& field : plain.field_list())
    fields.push_back(lower(field.name) + ":" + std::string(field.value));
  return {target, sorted(std::move(fields))};
}

void check(std::string_view bytes, PlainGet const& plain) {
  Router router;
  Seen general;
  HttpHandler const look = [&general](HttpRequest const& request) {
    std::vector<std::string> fields;
    for (auto const& [name, value] : request.headers.fields())
      fields.push_back(lower(name) + ":" + value);
    general = {request.target, sorted(std::move(fields))};
    HOLDFAST_CHECK(request.path == request.target.substr(0, request.target.find('?')));
    return HttpResponse{};
  };
  router.set_guard([&look](HttpRequest const& request) {
    return std::optional(std::get<HttpResponse>(look(request)));
  });
  RequestCollector collector(router, kLimits);
  collector.receive(bytes.substr(0, plain.head_bytes));
  std::optional<RequestCollector::Collected> const request = collector.take();
  HOLDFAST_CHECK(request && request->body.empty() && !collector.has_partial());
  ProxyPolicy const proxies;
  PeerAddress const peer{"192.0.2.1", 1};
  auto const outcome = run_exchange({router, proxies}, {*request, peer});
  HOLDFAST_CHECK(std::get<ResponseBytes>(outcome).close == plain.close);
  HOLDFAST_CHECK(general == seen_fast(plain));
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  std::string_view const bytes(reinterpret_cast<char const*>(data), size);
  PlainGet plain;
  if (recognise_plain_get(bytes, kLimits, plain)) check(bytes, plain);
  return 0;
}
