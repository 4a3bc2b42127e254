#include "discovery/probe/resolver.h"

#include <algorithm>
#include <memory>

#include <netdb.h>
#include <sys/socket.h>

#include "discovery/probe/socket_address.h"

namespace holdfast::discovery {

Resolver::Resolver(Lookup lookup, std::size_t queue_max)
    : lookup_(std::move(lookup)), queue_max_(queue_max) {
  for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { run(); });
}

Resolver::~Resolver() {
  {
    MutexLock const lock(mutex_);
    stopping_ = true;
    queue_.clear();
    work_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

void Resolver::resolve(std::string name, Done done) {
  {
    MutexLock const lock(mutex_);
    if (queue_.size() < queue_max_ && !stopping_) {
      queue_.emplace_back(std::move(name), std::move(done));
      work_.notify_one();
      return;
    }
  }
  done({});
}

void Resolver::run() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      work_.wait(mutex_);
      continue;
    }
    auto const [name, done] = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    done(lookup_(name));
    lock.lock();
  }
}

std::vector<IpAddress> Resolver::system_lookup(std::string const& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owner(found, freeaddrinfo);
  std::vector<IpAddress> out;
  for (addrinfo const* each = found; each != nullptr; each = each->ai_next) {
    std::optional<IpAddress> const address = address_of(each->ai_addr);
    if (address && std::find(out.begin(), out.end(), *address) == out.end())
      out.push_back(*address);
    if (out.size() == kAddressesMax) break;
  }
  return out;
}

}  // namespace holdfast::discovery
