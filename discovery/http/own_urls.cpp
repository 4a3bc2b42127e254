#include "discovery/http/own_urls.h"

#include <algorithm>
#include <cctype>

namespace holdfast::discovery {

namespace {

constexpr std::string_view kHttps = "https://";
constexpr std::string_view kHttp = "http://";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view authority_of(std::string_view url) { return url.substr(url.find("://") + 3); }

/// Returns: the URL in the one form that is compared, or nothing.
std::string normalized(std::string_view text) {
  std::string url = lower(text);
  bool const secure = url.starts_with(kHttps);
  if (!secure && !url.starts_with(kHttp)) return {};
  if (url.ends_with('/')) url.pop_back();
  std::string_view const default_port = secure ? ":443" : ":80";
  if (url.ends_with(default_port)) url.resize(url.size() - default_port.size());
  std::string_view const authority = authority_of(url);
  if (authority.empty() || authority.find_first_of("/?#@ \t\"\\") != std::string_view::npos)
    return {};
  return url;
}

}  // namespace

Result<OwnUrls> OwnUrls::parse(std::vector<std::string> const& texts) {
  OwnUrls own;
  if (texts.size() > kCountMax)
    return Unexpected(ErrorCode::LimitExceeded, "at most 16 public URLs");
  for (std::string const& text : texts) {
    std::string url = normalized(text);
    if (url.empty())
      return Unexpected(ErrorCode::Malformed,
                        "not a public URL such as https://host:8443: " + text);
    own.urls_.push_back(std::move(url));
  }
  return own;
}

OwnUrls OwnUrls::of_listener(std::string const& host, std::uint16_t port) {
  std::vector<std::string> hosts;
  bool const any = host == "0.0.0.0" || host == "::";
  bool const v6 = host.find(':') != std::string::npos;
  if (!any) hosts.push_back(v6 ? "[" + host + "]" : host);
  if (any || host == "localhost" || host.starts_with("127.") || host == "::1") {
    for (char const* name : {"localhost", "127.0.0.1", "[::1]"}) {
      if (std::find(hosts.begin(), hosts.end(), name) == hosts.end()) hosts.emplace_back(name);
    }
  }
  OwnUrls own;
  for (std::string const& name : hosts)
    own.urls_.push_back(normalized("https://" + name + ":" + std::to_string(port)));
  return own;
}

bool OwnUrls::has_host(std::string_view host) const {
  std::string const wanted = lower(host);
  return std::any_of(urls_.begin(), urls_.end(),
                     [&wanted](std::string const& url) { return authority_of(url) == wanted; });
}

std::vector<std::string> OwnUrls::host_names() const {
  std::vector<std::string> names;
  for (std::string const& url : urls_) {
    std::string_view name = authority_of(url);
    if (name.starts_with('[')) {
      name = name.substr(1, name.find(']') - 1);
    } else {
      name = name.substr(0, name.find(':'));
    }
    names.emplace_back(name);
  }
  return names;
}

}  // namespace holdfast::discovery
