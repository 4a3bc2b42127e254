#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include "raw_client.h"
#include "serve/ticket_keys.h"
#include "test_server.h"

namespace holdfast {
namespace {

constexpr char kRequest[] = "GET /project/k/sync HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::int64_t kNow = 1'000'000;

class TlsTest : public TestServer, public testing::WithParamInterface<int> {
 protected:
  std::unique_ptr<HttpServer> another(CertificateFiles const& files) {
    ServerOptions options;
    options.certificate = files;
    auto made = std::make_unique<HttpServer>(router_, options);
    EXPECT_TRUE(made->start().ok());
    return made;
  }
  static void lock_key(std::string const& from, std::string const& to) {
    std::unique_ptr<BIO, int (*)(BIO*)> const in(BIO_new_file(from.c_str(), "r"), &BIO_free);
    std::unique_ptr<BIO, int (*)(BIO*)> const out(BIO_new_file(to.c_str(), "w"), &BIO_free);
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> const key(
        PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
    auto const* const secret = reinterpret_cast<unsigned char const*>("secret");
    ASSERT_EQ(PEM_write_bio_PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), secret, 6, nullptr,
                                       nullptr),
              1);
  }
  static void replace(std::string const& path, std::string const& with) {
    std::filesystem::copy_file(with, path, std::filesystem::copy_options::overwrite_existing);
  }
};

TEST_P(TlsTest, ATicketResumesAtAnotherServerWithTheSameKeys) {
  CertificateFiles const files = certificate();
  std::unique_ptr<HttpServer> const first = another(files);
  std::unique_ptr<HttpServer> const second = another(files);
  TicketKeys const keys = renewed({}, kNow);
  first->set_ticket_keys(keys, kNow);
  TlsResult const full = tls_request(first->port(), GetParam(), kRequest);
  ASSERT_TRUE(full.ok);
  EXPECT_FALSE(full.resumed);
  ASSERT_NE(full.session, nullptr);

  EXPECT_FALSE(tls_request(second->port(), GetParam(), kRequest, full.session.get()).resumed)
      << "it has keys of its own";
  second->set_ticket_keys(keys, kNow);
  TlsResult const again = tls_request(second->port(), GetParam(), kRequest, full.session.get());
  EXPECT_TRUE(again.ok);
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(second->counters().handshakes_resumed, 1u);
  EXPECT_EQ(second->counters().handshakes_full, 1u);
}

TEST_P(TlsTest, OldKeysOpenTicketsUntilTheyEnd) {
  CertificateFiles const files = certificate();
  std::unique_ptr<HttpServer> const server = another(files);
  TicketKeyLife const life{.making_s = 100, .ahead_s = 10, .opening_s = 50};
  TicketKeys const keys = renewed({}, kNow, life);
  server->set_ticket_keys(keys, kNow);
  TlsResult const full = tls_request(server->port(), GetParam(), kRequest);
  TicketKeys const both = renewed(keys, kNow + 95, life);
  ASSERT_EQ(both.keys.size(), 2u);
  server->set_ticket_keys(both, kNow + 140);
  EXPECT_TRUE(tls_request(server->port(), GetParam(), kRequest, full.session.get()).resumed);
  server->set_ticket_keys(both, kNow + 150);
  TlsResult const late = tls_request(server->port(), GetParam(), kRequest, full.session.get());
  EXPECT_TRUE(late.ok);
  EXPECT_FALSE(late.resumed);
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](auto const& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

using TlsServerTest = TlsTest;

TEST_F(TlsServerTest, OldVersionsAreRefused) {
  std::unique_ptr<HttpServer> const server = another(certificate());
  EXPECT_FALSE(tls_request(server->port(), TLS1_1_VERSION, kRequest).ok);
  EXPECT_TRUE(eventually([&] { return server->counters().handshakes_failed == 1; }));
}

TEST_F(TlsServerTest, AChangedCertificateIsUsedForNewConnections) {
  CertificateFiles const files = certificate("a");
  CertificateFiles const other = certificate("b");
  std::unique_ptr<HttpServer> const server = another(files);
  EXPECT_EQ(tls_request(server->port(), TLS1_3_VERSION, kRequest).pin, files.pin);
  EXPECT_FALSE(*server->reload_if_changed());
  replace(files.certificate_path, other.certificate_path);
  replace(files.key_path, other.key_path);
  EXPECT_TRUE(*server->reload_if_changed());
  EXPECT_FALSE(*server->reload_if_changed());
  EXPECT_EQ(tls_request(server->port(), TLS1_3_VERSION, kRequest).pin, other.pin);
  EXPECT_EQ(server->counters().certificate_reloads, 1u);
}

TEST_F(TlsServerTest, ChangedFilesAreNoticed) {
  CertificateFiles const files = certificate("a");
  CertificateFiles const other = certificate("b");
  std::atomic<int> failures{0};
  std::atomic<int> changes{0};
  start({.certificate = files,
         .certificate_check = std::chrono::milliseconds(20),
         .on_certificate = [&](Result<void> const& read) { ++(read.ok() ? changes : failures); }});
  replace(files.certificate_path, other.certificate_path);
  EXPECT_TRUE(eventually([&] { return failures > 0; })) << "the key is still the old one";
  EXPECT_EQ(tls_request(server_->port(), TLS1_3_VERSION, kRequest).pin, files.pin);
  replace(files.key_path, other.key_path);
  EXPECT_TRUE(eventually([&] { return changes > 0; }));
  EXPECT_EQ(tls_request(server_->port(), TLS1_3_VERSION, kRequest).pin, other.pin);
}

TEST_F(TlsServerTest, ABrokenCertificateLeavesTheOldOneInUse) {
  CertificateFiles const files = certificate("a");
  CertificateFiles const other = certificate("b");
  std::unique_ptr<HttpServer> const server = another(files);
  replace(files.certificate_path, other.certificate_path);  // Its key is still the old one.
  EXPECT_FALSE(server->reload().ok());
  EXPECT_EQ(tls_request(server->port(), TLS1_3_VERSION, kRequest).pin, files.pin);
  EXPECT_FALSE(*server->reload_if_changed()) << "what is wrong is said once";
  EXPECT_EQ(server->counters().certificate_failures, 1u);
  replace(files.key_path, other.key_path);
  EXPECT_TRUE(server->reload().ok());
  EXPECT_EQ(tls_request(server->port(), TLS1_3_VERSION, kRequest).pin, other.pin);
}

TEST_F(TlsServerTest, AKeyWithAPassphraseIsRefusedAndNobodyIsAskedForIt) {
  CertificateFiles const files = certificate();
  std::string const locked = dir_ + "/locked.pem";
  lock_key(files.key_path, locked);
  Result<CertificateFiles> const read = load_certificate(files.certificate_path, locked);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::Malformed);
  EXPECT_NE(read.error().detail.find("passphrase"), std::string::npos);
}

TEST_F(TlsServerTest, HttpInClearOnTheTlsPortIsAnsweredInClear) {
  start({.certificate = certificate()});
  RawClient client(server_->port());
  client.send(std::string("POST /project/k/sync HTTP/1.1\r\nHost: a\r\n\r\n") +
              std::string(100'000, 'x'));
  std::string const answer = client.rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_NE(answer.find("HTTPS"), std::string::npos);
  EXPECT_EQ(server_->counters().handshakes_failed, 1u);
}

}  // namespace
}  // namespace holdfast
