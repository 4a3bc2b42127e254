#include "serve/server.h"

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "serve/event_loop.h"
#include "serve/file_stamp.h"
#include "serve/listen_socket.h"
#include "serve/ticket_keyring.h"
#include "serve/tls.h"
#include "serve/waiters.h"
#include "serve/worker_pool.h"

namespace holdfast {

namespace {

constexpr std::size_t kFilesForOthers = 64;  // Besides connections: store, logs, listeners.

/// Cores that this process may use; a container or taskset may leave fewer than there are.
std::size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(CPU_COUNT(&set), 1));
}

/// Raises the limit on open files as far as the system lets us. Returns: how many connections fit.
std::size_t connections_that_fit(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  rlim_t const needed = wanted + kFilesForOthers;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = std::min<rlim_t>(needed, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  auto const files = static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 1u << 24));
  return std::min(wanted, files > 2 * kFilesForOthers ? files - kFilesForOthers : files / 2);
}

using Stamps = std::pair<FileStamp, FileStamp>;

Stamps stamps_of(CertificateFiles const& files) {
  return {stamp_of(files.certificate_path), stamp_of(files.key_path)};
}

}  // namespace

struct HttpServer::Parts {
  Parts(Router const& router, ServerOptions given)
      : options(std::move(given)),
        waiters(options.waits_max),
        shared{.router = router, .options = options, .workers = workers, .waiters = waiters} {}

  ServerOptions const options;
  TicketKeyring keyring;
  WorkerPool workers;
  Waiters waiters;
  LoopShared shared;
  std::vector<std::unique_ptr<EventLoop>> loops;  ///< Set by bind(), then constant.
  std::atomic<std::uint64_t> reloads{0};
  std::atomic<std::uint64_t> reload_failures{0};

  Mutex mutex;
  CondVar changed;
  Stamps stamps HOLDFAST_GUARDED_BY(mutex);
  bool stopping HOLDFAST_GUARDED_BY(mutex) = false;
};

HttpServer::HttpServer(Router const& router, ServerOptions options)
    : parts_(std::make_unique<Parts>(router, std::move(options))) {}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

/// One context for each loop: what a context counts is then touched by one thread only.
Result<void> HttpServer::set_tls() {
  CertificateFiles const& files = *parts_->options.certificate;
  {
    MutexLock const lock(parts_->mutex);
    parts_->stamps = stamps_of(files);  // Before reading: a change meanwhile is seen later.
  }
  std::vector<std::shared_ptr<SSL_CTX>> contexts;
  for (std::size_t i = 0; i < parts_->loops.size(); ++i) {
    Result<OwnedSslContext> context = make_server_context(files, parts_->keyring);
    if (!context) return Unexpected(context.error());
    contexts.emplace_back(std::move(*context));
  }
  for (std::size_t i = 0; i < contexts.size(); ++i) parts_->loops[i]->set_tls(contexts[i]);
  return {};
}

Result<void> HttpServer::bind() {
  std::size_t const count =
      parts_->options.loop_count > 0 ? parts_->options.loop_count : usable_cores();
  Result<std::vector<int>> const sockets =
      open_listen_sockets(parts_->options.host, parts_->options.port, count);
  if (!sockets) return Unexpected(sockets.error());
  for (int const socket : *sockets) {
    parts_->loops.push_back(
        std::make_unique<EventLoop>(parts_->loops.size(), parts_->shared, socket));
    parts_->shared.loops.push_back(parts_->loops.back().get());
  }
  if (parts_->options.certificate) {
    if (Result<void> const set = set_tls(); !set) {
      parts_->shared.loops.clear();
      parts_->loops.clear();
      return set;
    }
  }
  port_ = local_port(sockets->front());
  return {};
}

Result<void> HttpServer::start() {
  std::signal(SIGPIPE, SIG_IGN);  // Other libraries write with write(2).
  if (parts_->loops.empty()) {
    if (Result<void> const bound = bind(); !bound) return bound;
  }
  parts_->shared.connections_max = connections_that_fit(parts_->options.connections_max);
  if (parts_->options.certificate) {
    parts_->shared.period = parts_->options.certificate_check;
    parts_->shared.periodic = [this] {
      Result<bool> const changed = reload_if_changed();
      if (!parts_->options.on_certificate || (changed && !*changed)) return;
      parts_->options.on_certificate(changed ? Result<void>()
                                             : Result<void>(Unexpected(changed.error())));
    };
  }
  parts_->workers.start(parts_->options.worker_count, parts_->options.queued_max);
  for (std::unique_ptr<EventLoop> const& loop : parts_->loops) {
    if (Result<void> const started = loop->start(); !started) return started;
  }
  return {};
}

void HttpServer::notify(std::string const& event) {
  for (Waiters::Token const& token : parts_->waiters.notify(event))
    parts_->loops[token.loop]->wake(token.session);
}

Result<void> HttpServer::reload() {
  if (!parts_->options.certificate) return {};
  CertificateFiles const& files = *parts_->options.certificate;
  {
    // Before reading: a change meanwhile is seen later. Also when it fails, so that it is said once.
    Stamps const now = stamps_of(files);
    MutexLock const lock(parts_->mutex);
    parts_->stamps = now;
  }
  // It says in words what is wrong with a pair, before OpenSSL has a say.
  Result<CertificateFiles> const read = load_certificate(files.certificate_path, files.key_path);
  Result<void> const set = read ? set_tls() : Result<void>(Unexpected(read.error()));
  (set ? parts_->reloads : parts_->reload_failures)++;
  return set;
}

Result<bool> HttpServer::reload_if_changed() {
  if (!parts_->options.certificate) return false;
  {
    Stamps const now = stamps_of(*parts_->options.certificate);
    MutexLock const lock(parts_->mutex);
    if (parts_->stamps == now) return false;
    parts_->stamps = now;
  }
  if (Result<void> const reloaded = reload(); !reloaded) return Unexpected(reloaded.error());
  return true;
}

void HttpServer::set_ticket_keys(TicketKeys keys, std::int64_t now_unix_s) {
  parts_->keyring.set(std::move(keys), now_unix_s);
}

void HttpServer::drain(std::chrono::milliseconds delay) {
  parts_->shared.closing_after_answers = true;
  auto const end = std::chrono::steady_clock::now() + delay;
  MutexLock const lock(parts_->mutex);
  while (!parts_->stopping) {
    auto const left = end - std::chrono::steady_clock::now();
    if (left <= left.zero() || !parts_->changed.wait_for(parts_->mutex, left)) return;
  }
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  {
    MutexLock const lock(parts_->mutex);
    if (std::exchange(parts_->stopping, true)) return;
    parts_->changed.notify_all();
  }
  parts_->shared.closing_after_answers = true;
  auto const deadline = std::chrono::steady_clock::now() + grace;
  for (std::unique_ptr<EventLoop> const& loop : parts_->loops) loop->drain();
  for (std::unique_ptr<EventLoop> const& loop : parts_->loops) {
    if (loop->started()) loop->wait_drained(deadline);
  }
  for (std::unique_ptr<EventLoop> const& loop : parts_->loops) loop->end();
  for (std::unique_ptr<EventLoop> const& loop : parts_->loops) loop->join();
  // Workers last post to loops whose threads are gone, which does nothing.
  parts_->workers.stop();
}

std::uint64_t ServerCounters::requests_refused() const {
  std::uint64_t sum = 0;
  for (std::uint64_t const count : refused) sum += count;
  return sum;
}

ServerCounters HttpServer::counters() const {
  ServerCounters sum;
  for (std::unique_ptr<EventLoop> const& loop : parts_->loops) loop->add_to(sum);
  sum.connections_open = parts_->shared.connections_open;
  sum.waiting = parts_->waiters.count();
  sum.certificate_reloads = parts_->reloads;
  sum.certificate_failures = parts_->reload_failures;
  return sum;
}

}  // namespace holdfast
