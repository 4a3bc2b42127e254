#include "net/https_client.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <chrono>
#include <ctime>
#include <mutex>

#include <fcntl.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "net/address.h"
#include "net/sigpipe_guard.h"

namespace holdfast::net {
namespace {

/// What the certificate check saw and decided; written during a handshake.
struct CertificateCheck {
  std::optional<Hash> pin;
  std::optional<Hash> shown;
  std::string problem;
};

/// OpenSSL's verification callback: 1 accepts the peer, 0 fails the handshake.
int check_certificate(X509_STORE_CTX* context, void* argument) {
  auto& check = *static_cast<CertificateCheck*>(argument);
  check.problem.clear();
  X509* const leaf = X509_STORE_CTX_get0_cert(context);
  Hash shown;
  unsigned size = 0;
  if (leaf == nullptr || X509_digest(leaf, EVP_sha256(), shown.data(), &size) != 1) {
    check.problem = "no certificate was shown";
    return 0;
  }
  check.shown = shown;
  if (check.pin) {
    if (*check.pin == shown) return 1;
    check.problem = "the certificate is not the pinned one";
  } else {
    if (X509_verify_cert(context) == 1) return 1;
    check.problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
  }
  X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
  return 0;
}

bool is_ip_literal(std::string const& host) {
  ASN1_OCTET_STRING* const parsed = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(parsed);
  return parsed != nullptr;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

Instant steady_now() {
  return Instant(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

/// OpenSSL's message callback: notes that bytes of an answer came. TLS 1.3 has "application data" in the header of every
/// encrypted record and tells the real kind apart.
// NOLINTNEXTLINE(readability-function-size): OpenSSL says what it passes.
void note_answer(int is_written, int /*record_version*/, int kind, void const* bytes,
                 std::size_t size, SSL* ssl, void* argument) {
  int const tells =
      SSL_version(ssl) == TLS1_3_VERSION ? SSL3_RT_INNER_CONTENT_TYPE : SSL3_RT_HEADER;
  if (is_written != 0 || kind != tells || size == 0) return;
  bool& answer_began = *static_cast<bool*>(argument);
  answer_began =
      answer_began || *static_cast<unsigned char const*>(bytes) == SSL3_RT_APPLICATION_DATA;
}

/// Whether nothing came on a connection that nothing was asked of: no bytes, no end. Does not wait.
bool is_quiet(int fd, SSL* ssl) {
  int const flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return false;
  ERR_clear_error();
  char byte = 0;
  int const peeked = SSL_peek(ssl, &byte, 1);
  bool const quiet = peeked <= 0 && SSL_get_error(ssl, peeked) == SSL_ERROR_WANT_READ;
  return ::fcntl(fd, F_SETFL, flags) == 0 && quiet;
}

/// cpp-httplib's client, which keeps its connection, and would write to one whose end it was told of inside TLS.
class KeepingClient : public httplib::SSLClient {
 public:
  using SSLClient::SSLClient;

  /// Closes what is kept, unless it may still be used. Returns: whether something is kept now.
  bool keep_if_quiet() {
    {
      std::lock_guard<std::mutex> const lock(socket_mutex_);
      if (!socket_.is_open()) return false;
      if (socket_.ssl != nullptr && is_quiet(socket_.sock, socket_.ssl)) return true;
    }
    stop();
    return false;
  }
};

bool is_idempotent(std::string const& method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

/// What went wrong between here and there, for people.
char const* words_for(httplib::Error error, Duration took, HttpsOptions const& options) {
  constexpr char const* kTooSlow = "no answer within the time-out";
  switch (error) {
    case httplib::Error::Connection:
      return "nothing accepts connections there";
    case httplib::Error::ConnectionTimeout:
      return "no connection within the time-out";
    case httplib::Error::SSLConnection:
      return took < options.connect_timeout ? "what answers there does not speak TLS" : kTooSlow;
    case httplib::Error::Write:
      return "the connection broke while the request was sent";
    case httplib::Error::Read:
      return took < options.answer_timeout ? "the connection broke before the answer was here"
                                           : kTooSlow;
    case httplib::Error::Success:
    case httplib::Error::Unknown:
    case httplib::Error::BindIPAddress:
    case httplib::Error::ExceedRedirectCount:
    case httplib::Error::Canceled:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification:
    case httplib::Error::UnsupportedMultipartBoundaryChars:
    case httplib::Error::Compression:
      return "no answer";
  }
  return "no answer";
}

void set_timeouts(httplib::SSLClient& client, HttpsOptions const& options, Duration extra) {
  client.set_connection_timeout(options.connect_timeout);
  client.set_read_timeout(options.answer_timeout + extra);
  client.set_write_timeout(options.answer_timeout);
}

}  // namespace

Result<ServiceUrl> parse_service_url(std::string_view text) {
  constexpr std::string_view kScheme = "https://";
  if (!text.starts_with(kScheme)) {
    return Unexpected(ErrorCode::Malformed, "a discovery service is given as https://HOST[:PORT]");
  }
  while (text.ends_with('/')) text.remove_suffix(1);
  std::string_view rest = text.size() > kScheme.size() ? text.substr(kScheme.size()) : "";
  bool const odd = std::any_of(rest.begin(), rest.end(), [](char c) {
    return c <= ' ' || c > '~' || c == '@' || c == '?' || c == '#' || c == '"' || c == '\\';
  });
  if (rest.empty() || odd) {
    return Unexpected(ErrorCode::Malformed,
                      "the URL of a discovery service is https://HOST[:PORT]");
  }
  ServiceUrl url;
  url.text = std::string(text);
  std::size_t const slash = rest.find('/');
  std::string authority(rest.substr(0, slash));
  if (slash != std::string_view::npos) url.base = std::string(rest.substr(slash));
  bool const has_port = authority.back() != ']' && authority.rfind(':') != std::string::npos;
  Result<Address> const address = parse_address(has_port ? authority : authority + ":443");
  if (!address) return Unexpected(address.error());
  if (address->port == 0) return Unexpected(ErrorCode::Malformed, "port 0 cannot be dialled");
  url.host = address->host;
  url.port = address->port;
  return url;
}

std::string HttpsAnswer::header(std::string const& lower_case_name) const {
  auto const found = headers.find(lower_case_name);
  return found == headers.end() ? std::string() : found->second;
}

Duration HttpsAnswer::retry_after() const {
  std::string const text = header("retry-after");
  std::uint32_t seconds = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem != std::errc{} || end != text.data() + text.size()) return Duration(0);
  return std::chrono::seconds(seconds);
}

std::optional<std::uint64_t> HttpsAnswer::date_unix_s() const {
  std::tm time{};
  std::string const text = header("date");
  if (text.empty() || strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time) == nullptr) {
    return std::nullopt;
  }
  std::time_t const seconds = timegm(&time);
  if (seconds < 0) return std::nullopt;
  return static_cast<std::uint64_t>(seconds);
}

struct HttpsClient::State {
  State(ServiceUrl given_url, HttpsOptions given)
      : url(std::move(given_url)), options(std::move(given)), client(url.host, url.port) {
    check.pin = options.trust.pin;
  }

  /// What became of sending a request over one connection.
  struct Attempt {
    httplib::Result result{nullptr, httplib::Error::Unknown, {}};
    std::string body;
    bool too_large = false;
    Duration took{0};
    bool worth_another = false;  ///< Rule 4.
  };
  Attempt attempt(httplib::Request request, HttpsRequest const& wanted);

  ServiceUrl url;
  HttpsOptions options;
  bool answer_began = false;  ///< Since the last attempt began.
  KeepingClient client;
  CertificateCheck check;
  std::atomic<bool> cancelled{false};
};

HttpsClient::State::Attempt HttpsClient::State::attempt(httplib::Request request,
                                                        HttpsRequest const& wanted) {
  Attempt out;
  request.content_receiver = [&](char const* data, std::size_t bytes, std::uint64_t,
                                 std::uint64_t) {
    out.too_large = bytes > options.answer_bytes_max - out.body.size();
    if (!out.too_large) out.body.append(data, bytes);
    return !out.too_large;
  };
  check.problem.clear();
  bool const kept = client.keep_if_quiet();
  answer_began = false;
  Instant const began = steady_now();
  out.result = client.send(request);
  out.took = steady_now() - began;
  bool const in_time = out.took < options.answer_timeout + wanted.extra_wait;
  if (out.result || !kept || answer_began || cancelled || !in_time) return out;
  // What was not written whole was not carried out: its length was announced.
  bool const unsent = out.result.error() == httplib::Error::Write;
  out.worth_another = unsent || wanted.repeatable || is_idempotent(wanted.method);
  return out;
}

HttpsClient::HttpsClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpsClient::~HttpsClient() {
  SigpipeGuard const guard;
  state_.reset();
}

Result<std::unique_ptr<HttpsClient>> HttpsClient::open(ServiceUrl url, HttpsOptions options) {
  auto state = std::make_unique<State>(std::move(url), std::move(options));
  httplib::SSLClient& client = state->client;
  SSL_CTX* const context = client.ssl_context();
  if (context == nullptr) return Unexpected(ErrorCode::Unavailable, "TLS cannot start");
  TlsTrust const& trust = state->options.trust;
  if (!trust.pin) {
    int const loaded = trust.ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context)
                           : SSL_CTX_load_verify_locations(context, trust.ca_file.c_str(), nullptr);
    if (loaded != 1) {
      return Unexpected(ErrorCode::Unavailable, "cannot read certificates from " + trust.ca_file);
    }
    X509_VERIFY_PARAM* const wanted = SSL_CTX_get0_param(context);
    std::string const& host = state->url.host;
    int const set = is_ip_literal(host) ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str())
                                        : X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), 0);
    if (set != 1) return Unexpected(ErrorCode::Malformed, "not a host name: " + host);
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &check_certificate, &state->check);
  // Ours, above, happens inside the handshake; the library's would come after it.
  client.enable_server_certificate_verification(false);
  SSL_CTX_set_msg_callback(context, &note_answer);
  SSL_CTX_set_msg_callback_arg(context, &state->answer_began);
  auto const unacknowledged_ms = static_cast<unsigned>(state->options.connect_timeout.count());
  client.set_socket_options([unacknowledged_ms](int fd) {
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
  });
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  client.set_url_encode(false);
  client.set_decompress(false);
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::move(state)));
}

Result<HttpsAnswer> HttpsClient::send(HttpsRequest const& request) {
  State& state = *state_;
  if (state.cancelled) return Unexpected(ErrorCode::Unavailable, "cancelled");
  set_timeouts(state.client, state.options, request.extra_wait);
  httplib::Request out;
  out.method = request.method;
  out.path = state.url.base + request.target;
  for (auto const& [name, value] : request.headers) out.headers.emplace(name, value);
  out.headers.emplace("Accept-Encoding", "identity");
  if (!request.content_type.empty()) out.headers.emplace("Content-Type", request.content_type);
  out.body = request.body;
  SigpipeGuard const guard;
  State::Attempt done = state.attempt(out, request);
  if (done.worth_another) done = state.attempt(std::move(out), request);
  std::string const where = state.url.text + ": ";
  if (done.too_large)
    return Unexpected(ErrorCode::LimitExceeded, where + "the answer is too large");
  if (!state.check.problem.empty()) {
    std::string const shown =
        state.check.shown ? " (SHA-256 " + state.check.shown->hex() + ")" : "";
    return Unexpected(ErrorCode::BadHandshake, where + state.check.problem + shown);
  }
  if (!done.result) {
    return Unexpected(ErrorCode::Unavailable,
                      where + words_for(done.result.error(), done.took, state.options));
  }
  if (done.body.empty()) done.body = done.result->body;
  HttpsAnswer answer{done.result->status, {}, std::move(done.body)};
  for (auto const& [name, value] : done.result->headers) answer.headers.emplace(lower(name), value);
  return answer;
}

void HttpsClient::cancel() {
  SigpipeGuard const guard;
  state_->cancelled = true;
  state_->client.stop();
}

ServiceUrl const& HttpsClient::url() const { return state_->url; }
std::optional<Hash> HttpsClient::shown_certificate() const { return state_->check.shown; }

}  // namespace holdfast::net
