#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "discovery/directory/answer_writer.h"
#include "discovery/directory/directory.h"
#include "discovery/registry/region.h"
#include "registration/problem.h"
#include "serve/message.h"

namespace holdfast::discovery {

/// Whom an answer may be kept for.
enum class CacheScope : std::uint8_t {
  Public,
  Private,  ///< It is for the client's address: no cache may give it to others.
};

/// Appends the header lines of an answer that was found, for 200 and 304: ETag, Cache-Control, Vary; Age and Warning for
/// what is only known from before the store went away.
///
/// Rules:
///  1. The ETag is over everything in the answer but `expires_in`. A 304 says the present one in Holdfast-Expires-In.
///  2. max-age is at most half of the smallest `expires_in`. Who keeps an answer takes its age off `expires_in`.
///  3. A degraded answer is not to be stored.
void append_found_headers(DirectoryAnswer const& answer, CacheScope scope, bool is_not_modified,
                          std::string& lines);

/// Whether the value of an If-None-Match field names the answer.
bool matches_etag(std::string_view if_none_match, std::uint64_t hash);

/// "Name: value\r\n" lines as fields.
void add_header_lines(HttpResponse& response, std::string_view lines);

/// What a look-up without endpoints is answered with. Requires: status is not Found, Fetch or Wait.
/// Retry-After is jittered; for unknown keys it grows with how often the key was asked for, up to five minutes.
registration::ProblemDetails lookup_problem(DirectoryAnswer const& answer, Duration lease,
                                            Rng& rng);

/// Puts ,"name":value before the last brace. Requires: `body` is a JSON object that is not empty.
void add_json_member(std::string& body, std::string_view name, std::string_view value);

/// [{"replicator":…,"verdict":"chosen",…}, …]
std::string to_json(std::vector<TraceLine> const& trace);
/// {"country":"br","continent":"sa"}, without what is not known.
std::string to_json(ClientPlace const& place);
/// [{"host":…,"port":…}, …]
std::string to_json(std::vector<PeerEndpoint> const& peers);

}  // namespace holdfast::discovery
