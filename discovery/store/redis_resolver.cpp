#include "discovery/store/redis_resolver.h"

#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include <netdb.h>

#include "base/mutex.h"

namespace holdfast::discovery {

namespace {

using Addresses = std::vector<SocketAddress>;

std::optional<Addresses> ask_system(std::string const& host, std::string const& port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return std::nullopt;
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> const owner(found, &::freeaddrinfo);
  Addresses out;
  for (addrinfo const* next = found; next != nullptr; next = next->ai_next) {
    SocketAddress& address = out.emplace_back();
    std::memcpy(&address.bytes, next->ai_addr, next->ai_addrlen);
    address.size = next->ai_addrlen;
  }
  return out;
}

}  // namespace

struct RedisResolver::State {
  struct Name {
    std::optional<Addresses> found;
    Deadline fresh_until{};
    bool is_asking = false;
  };
  Mutex mutex;
  CondVar answered;
  std::map<std::string, Name> names HOLDFAST_GUARDED_BY(mutex);

  void ask(std::string const& host, std::string const& port) HOLDFAST_EXCLUDES(mutex) {
    std::optional<Addresses> found = ask_system(host, port, 0);
    MutexLock const lock(mutex);
    Name& name = names[host + ' ' + port];
    name.is_asking = false;
    if (found) {
      name.found = std::move(found);
      name.fresh_until = std::chrono::steady_clock::now() + kFresh;
    }
    answered.notify_all();
  }
};

RedisResolver::RedisResolver() : state_(std::make_shared<State>()) {}
RedisResolver::~RedisResolver() = default;

Result<Addresses> RedisResolver::resolve(std::string const& host, std::uint16_t port,
                                         Deadline deadline) {
  std::string const port_text = std::to_string(port);
  if (std::optional<Addresses> literal = ask_system(host, port_text, AI_NUMERICHOST)) {
    return *std::move(literal);
  }
  MutexLock const lock(state_->mutex);
  State::Name& name = state_->names[host + ' ' + port_text];
  if (std::chrono::steady_clock::now() >= name.fresh_until && !name.is_asking) {
    name.is_asking = true;
    std::thread([state = state_, host, port_text] { state->ask(host, port_text); }).detach();
  }
  while (!name.found && name.is_asking) {
    auto const now = std::chrono::steady_clock::now();
    if (now >= deadline) break;
    state_->answered.wait_for(state_->mutex, deadline - now);
  }
  if (!name.found) return Unexpected(ErrorCode::Unavailable, "the name of Redis is not known");
  return *name.found;
}

}  // namespace holdfast::discovery
