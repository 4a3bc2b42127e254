#include "discovery/server/activations.h"

#include <utility>
#include <vector>

#include "discovery/probe/steady_clock.h"
#include "discovery/server/list_files.h"

namespace holdfast::discovery {

namespace {

NewKeys policy_of(std::string const& name) {
  if (name == "open") return NewKeys::Open;
  return name == "token" ? NewKeys::Token : NewKeys::None;
}

}  // namespace

Activations::Activations(Settings const& settings, RecordStore& store, LookupService& lookups,
                         std::function<void(std::string const& event)> notify)
    : token_file_(settings.new_keys_token),
      policy_(policy_of(settings.new_keys)),
      service_(
          store,
          [&lookups](Freshness freshness) {
            return lookups.directory().candidates(steady_now(), freshness);
          },
          ActivationOptions{}),
      gate_(policy_, {service_, lookups.limiter(), std::move(notify), steady_now}) {}

Result<std::unique_ptr<Activations>> Activations::make(
    Settings const& settings, RecordStore& store, LookupService& lookups,
    std::function<void(std::string const& event)> notify) {
  std::unique_ptr<Activations> made(new Activations(settings, store, lookups, std::move(notify)));
  if (Result<void> const read = made->reload(); !read) return Unexpected(read.error());
  return made;
}

Result<void> Activations::reload() {
  Result<std::vector<std::string>> const tokens = read_tokens(token_file_);
  if (!tokens) return Unexpected(tokens.error());
  gate_.set_tokens(*tokens);
  return {};
}

}  // namespace holdfast::discovery
