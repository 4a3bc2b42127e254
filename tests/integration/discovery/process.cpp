#include "integration/discovery/process.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "registration/api.h"
#include "registration/http_signature.h"
#include "registration/record.h"

namespace holdfast::test {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::string read_file(std::string const& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

int free_port() {
  int const fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

int port_of(std::string const& at) { return std::atoi(at.substr(at.rfind(':') + 1).c_str()); }

std::vector<std::string> discovery_words(std::vector<std::string> const& more,
                                         std::string const& state_dir) {
  std::vector<std::string> words = {HOLDFAST_DISCOVERY_PROGRAM,
                                    "--listen",
                                    "127.0.0.1:0",
                                    "--admin-listen",
                                    "127.0.0.1:0",
                                    "--state-dir",
                                    state_dir};
  // Most tests speak for nodes that do not listen anywhere.
  if (std::find(more.begin(), more.end(), "--self-test") == more.end()) {
    words.insert(words.end(), {"--self-test", "off"});
  }
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

template <typename Client>
int poll_status(std::chrono::milliseconds at_most, int status, Client& client,
                std::string const& path) {
  Clock::time_point const deadline = Clock::now() + at_most;
  int last = 0;
  while (last != status && Clock::now() < deadline) {
    auto const answer = client.Get(path.c_str());
    last = answer ? answer->status : 0;
    if (last != status) std::this_thread::sleep_for(50ms);
  }
  return last;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = testing::TempDir() + "holdfast_test.XXXXXX";
  char const* const made = ::mkdtemp(pattern.data());
  path_ = made == nullptr ? testing::TempDir() : made;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (path_ != testing::TempDir()) std::filesystem::remove_all(path_, ignored);
}

Process::Process(std::vector<std::string> const& words, std::string const& output_base)
    : base_(output_base) {
  std::vector<char*> argv;
  for (std::string const& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ != 0) return;
  int const out = ::open((base_ + ".out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  int const err = ::open((base_ + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(out, 1);
  ::dup2(err, 2);
  std::signal(SIGPIPE, SIG_DFL);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

Process::~Process() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  wait(5s);
}

void Process::signal(int number) const { ::kill(pid_, number); }

bool Process::running() {
  if (exit_code_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return !exit_code_;
}

std::optional<int> Process::wait(std::chrono::milliseconds at_most) {
  Clock::time_point const deadline = Clock::now() + at_most;
  while (running() && Clock::now() < deadline) std::this_thread::sleep_for(5ms);
  return exit_code_;
}

std::string Process::output() const { return read_file(base_ + ".out"); }
std::string Process::errors() const { return read_file(base_ + ".err"); }

std::optional<std::string> Process::line_after(std::string const& start) {
  Clock::time_point const deadline = Clock::now() + 10s;
  do {
    std::istringstream lines(output());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(start)) return line.substr(start.size());
    }
    std::this_thread::sleep_for(10ms);
  } while (running() && Clock::now() < deadline);
  return std::nullopt;
}

Discovery::Discovery(std::vector<std::string> const& more, std::string const& state)
    : state_dir(state.empty() ? folder.path() : state),
      process(discovery_words(more, state_dir), folder.path() + "/discovery") {
  Clock::time_point const deadline = Clock::now() + 10s;
  while (Clock::now() < deadline && admin_port == 0 && process.running()) {
    std::istringstream lines(process.output());
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("listening on ")) continue;
      int const found = port_of(line.substr(0, line.rfind(' ')));
      if (line.ends_with(" public")) port = found;
      if (line.ends_with(" admin")) admin_port = found;
    }
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_NE(port, 0);
  EXPECT_NE(admin_port, 0) << process.errors();
}

TrustingClient::TrustingClient(int port, std::string const& certificate_path)
    : httplib::SSLClient("127.0.0.1", port) {
  // OpenSSL writes to connections that the service has closed.
  std::signal(SIGPIPE, SIG_IGN);
  set_ca_cert_path(certificate_path.c_str());
  enable_server_certificate_verification(true);
}

TrustingClient Discovery::https() const {
  return TrustingClient(port, state_dir + "/tls-cert.pem");
}

httplib::Client Discovery::admin() const { return httplib::Client("127.0.0.1", admin_port); }

Redis::Redis() : port_(free_port()) { start(); }

void Redis::start() {
  std::vector<std::string> words = {"/usr/bin/redis-server",
                                    "--port",
                                    std::to_string(port_),
                                    "--bind",
                                    "127.0.0.1",
                                    "--save",
                                    "",
                                    "--appendonly",
                                    "no",
                                    "--rdbcompression",
                                    "no",
                                    "--dir",
                                    folder_.path()};
  if (clock_offset_.count() != 0) {
    words.insert(words.begin(),
                 {"/usr/bin/env", "LD_PRELOAD=" HOLDFAST_MOVED_CLOCK,
                  "HOLDFAST_CLOCK_OFFSET_S=" + std::to_string(clock_offset_.count())});
  }
  server_.emplace(words, folder_.path() + "/redis" + std::to_string(starts_++));
  Clock::time_point const deadline = Clock::now() + 10s;
  while (Clock::now() < deadline &&
         server_->output().find("Ready to accept") == std::string::npos) {
    std::this_thread::sleep_for(10ms);
  }
}

void Redis::kill() {
  server_->signal(SIGKILL);
  server_->wait(5s);
}

void Redis::flush_all() const { EXPECT_EQ(cli("FLUSHALL"), "OK\n"); }

std::string Redis::cli(std::string const& command) const {
  std::string const output = folder_.path() + "/cli";
  std::string const whole =
      "/usr/bin/redis-cli -p " + std::to_string(port_) + " " + command + " > " + output;
  EXPECT_EQ(std::system(whole.c_str()), 0) << command;
  return read_file(output);
}

std::string Redis::dump() const {
  EXPECT_EQ(cli("SAVE"), "OK\n");
  return read_file(folder_.path() + "/dump.rdb");
}

void Redis::damage_shared_values() const {
  EXPECT_NE(cli("EVAL \"local n = 0 for _, key in ipairs(redis.call('KEYS', '*shared*')) do "
                "local all = redis.call('HGETALL', key) for i = 1, #all, 2 do "
                "local value = all[i + 1] local last = string.byte(value, -1) "
                "redis.call('HSET', key, all[i], string.sub(value, 1, -2) .. "
                "string.char(bit.bxor(last, 1))) n = n + 1 end end return n\" 0"),
            "0\n");
}

void Redis::move_clock(std::chrono::seconds offset) {
  EXPECT_EQ(cli("SAVE"), "OK\n");
  kill();
  clock_offset_ = offset;
  start();
}

Node::Node(Byte number)
    : keys([number] {
        EXPECT_TRUE(init_crypto().ok());
        Seed seed;
        seed.bytes.fill(number);
        return KeyPair::from_seed(seed);
      }()) {}

Node Node::numbered(int number) {
  EXPECT_TRUE(init_crypto().ok());
  Seed seed;
  seed.bytes[0] = static_cast<Byte>(number);
  seed.bytes[1] = static_cast<Byte>(number >> 8);
  seed.bytes[2] = 1;
  return Node(KeyPair::from_seed(seed));
}

std::string Node::path() const { return "/replicators/" + keys.public_key.hex(); }

httplib::Headers Node::signature_of(Discovery const& at, std::string const& method,
                                    std::string const& rest, std::string const& body,
                                    std::optional<std::string> nonce) const {
  if (!nonce) {
    auto const answer = at.https().Get("/nonce");
    nonce = answer ? answer->get_header_value("Replay-Nonce") : std::string();
  }
  std::string const uri = at.base_url() + path() + rest;
  registration::SignatureHeaders const fields = registration::sign_request(
      {.method = method, .target_uri = uri, .body = as_bytes(body)},
      {.created_unix_s = 1, .nonce = *nonce, .key_id = keys.public_key}, keys);
  return {{"Content-Digest", fields.content_digest},
          {"Signature-Input", fields.signature_input},
          {"Signature", fields.signature},
          {"Content-Type", "application/json"}};
}

httplib::Result Node::send(Discovery const& to, std::string const& method, std::string const& rest,
                           std::string const& body, std::optional<std::string> nonce) const {
  TrustingClient client = to.https();
  httplib::Request request;
  request.method = method;
  request.path = path() + rest;
  request.body = body;
  request.headers = signature_of(to, method, rest, body, std::move(nonce));
  return client.send(request);
}

std::string Node::registration_body(Claim const& claim) const {
  registration::Record record;
  record.id = keys.public_key;
  record.seq = claim.seq;
  record.addresses = {
      {.kind = registration::AddressKind::Tcp, .host = claim.host, .port = claim.port, .url = ""}};
  Result<registration::SignedRecord> const made = registration::sign_record(record, keys);
  EXPECT_TRUE(made.ok());
  return registration::to_json(registration::RegistrationRequest{
      .record = made->bytes, .receipt = claim.receipt, .token = claim.token});
}

httplib::Result Node::register_as(Discovery const& at, Claim const& claim) const {
  return send(at, "PUT", "", registration_body(claim));
}

httplib::Result Node::list_project(Discovery const& at, CoreKey const& project) const {
  registration::ProjectsRequest request;
  registration::ProjectListing listing;
  listing.key = discovery_key_of(project);
  request.replace = true;
  request.add = {listing};
  return send(at, "POST", "/projects", registration::to_json(request));
}

std::string sync_path(CoreKey const& project) {
  return "/project/" + discovery_key_of(project).hex() + "/sync";
}

CoreKey project_key(Byte number) {
  CoreKey key;
  key.bytes.fill(number);
  return key;
}

std::string problem_of(httplib::Result const& answer) {
  if (!answer) return "no answer: " + httplib::to_string(answer.error());
  nlohmann::json const body =
      nlohmann::json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  std::string const type = body.is_object() ? body.value("type", "") : std::string();
  return type.substr(type.rfind(':') + 1);
}

int status_within(std::chrono::milliseconds at_most, int status, httplib::Client& client,
                  std::string const& path) {
  return poll_status(at_most, status, client, path);
}
int status_within(std::chrono::milliseconds at_most, int status, httplib::SSLClient& client,
                  std::string const& path) {
  return poll_status(at_most, status, client, path);
}

}  // namespace holdfast::test
