// Property: what the plain way to read a look-up takes, the other way reads alike; what an If-None-Match says is decided
// without a crash, and the answer's own tag always matches.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "codec/key_text.h"
#include "discovery/http/lookup_answers.h"
#include "discovery/http/lookup_request.h"

namespace {

using namespace holdfast;
using namespace holdfast::discovery;

HttpRequest general_request(std::string_view query) {
  HttpRequest out;
  while (!query.empty()) {
    std::string_view const item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    std::size_t const equals = item.find('=');
    std::string_view const value =
        equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1);
    out.query.emplace(std::string(item.substr(0, equals)), std::string(value));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  std::size_t const mark = text.find('?');
  std::string_view const key = text.substr(0, mark);
  std::string_view const query = mark == std::string_view::npos ? "" : text.substr(mark + 1);
  if (auto const plain = read_plain_lookup(key, query)) {
    LookupRequest general;
    auto const parsed = parse_key_as<DiscoveryKey>(key);
    HOLDFAST_CHECK(parsed.ok() && *parsed == plain->query.key);
    HOLDFAST_CHECK(!read_lookup_query(general_request(query), general));
    HOLDFAST_CHECK(general.query.region == plain->query.region);
    HOLDFAST_CHECK(general.has_region == plain->has_region);
    HOLDFAST_CHECK(general.query.transport == plain->query.transport);
    HOLDFAST_CHECK(general.query.keyholder == plain->query.keyholder);
    HOLDFAST_CHECK(general.wait == plain->wait);
    HOLDFAST_CHECK(!general.with_trace && !general.with_peers);
  }
  DirectoryAnswer answer;
  answer.hash = size;
  std::string lines;
  append_found_headers(answer, CacheScope::Public, false, lines);
  std::string const etag = lines.substr(6, 18);
  matches_etag(text, answer.hash);
  HOLDFAST_CHECK(matches_etag("\"x\", " + etag, answer.hash));
  return 0;
}
