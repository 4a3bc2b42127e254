#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "integration/discovery/process.h"
#include "integration/discovery/wire_client.h"
#include "serve/certificate.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

std::size_t count_of(std::string const& what, std::string const& in) {
  std::size_t count = 0;
  for (std::size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) ++count;
  return count;
}

/// The real program with certificate files that change.
class CertificateReload : public testing::Test {
 protected:
  CertificateReload() : first_(pair("first")), second_(pair("second")) {
    put(first_);
    discovery_.emplace(std::vector<std::string>{"--tls-cert", live("cert"), "--tls-key",
                                                live("key"), "--loops", "2"});
  }

  CertificateFiles pair(std::string const& name) {
    std::string const dir = folder_.path() + "/" + name;
    std::filesystem::create_directories(dir);
    Result<CertificateFiles> const made = make_or_load_certificate(dir, {});
    EXPECT_TRUE(made.ok());
    return *made;
  }
  std::string live(std::string const& what) const { return folder_.path() + "/" + what + ".pem"; }
  static void replace(std::string const& path, std::string const& with) {
    // As tools that renew certificates do it: the file is never half there.
    std::filesystem::copy_file(with, path + ".new",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(path + ".new", path);
  }
  void put(CertificateFiles const& files) {
    replace(live("key"), files.key_path);
    replace(live("cert"), files.certificate_path);
  }
  std::string shown() const { return WireClient(discovery_->port).pin(); }
  /// At least: the program may notice a change by itself just before the signal comes.
  bool counted(std::string const& outcome, int times) const {
    std::string const text = discovery_->admin().Get("/metrics")->body;
    std::string const start = "certificate_reloads_total{outcome=\"" + outcome + "\"} ";
    std::size_t const at = text.find(start);
    return at != std::string::npos && std::stoi(text.substr(at + start.size())) >= times;
  }
  /// SIGHUP, and until it was obeyed: the old certificate must have been kept for `reason`.
  void expect_kept(std::string const& reason, int times) {
    std::size_t const before = count_of("stays as it was", discovery_->process.errors());
    discovery_->process.signal(SIGHUP);
    EXPECT_TRUE(within(10s, [&] {
      return count_of("stays as it was", discovery_->process.errors()) > before;
    })) << reason;
    EXPECT_NE(discovery_->process.errors().find(reason), std::string::npos)
        << discovery_->process.errors();
    EXPECT_EQ(shown(), first_.pin) << reason;
    EXPECT_TRUE(counted("kept-old", times)) << reason;
  }

  TemporaryFolder folder_;
  CertificateFiles const first_;
  CertificateFiles const second_;
  std::optional<Discovery> discovery_;
};

TEST_F(CertificateReload, AHangUpGivesNewConnectionsTheNewOneAndOldOnesGoOn) {
  WireClient old(discovery_->port);
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(old.pin(), first_.pin);
  put(second_);
  discovery_->process.signal(SIGHUP);
  // Connections go to either loop: each must have it.
  ASSERT_TRUE(within(10s, [&] { return shown() == second_.pin; }));
  ASSERT_TRUE(within(10s, [&] { return counted("used", 1); }));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(shown(), second_.pin);
  ASSERT_TRUE(old.send(get_request("/")));
  EXPECT_EQ(status_of(old.answer()), 200);
}

TEST_F(CertificateReload, ChangedFilesAreNoticedWithoutASignal) {
  put(second_);
  EXPECT_TRUE(within(10s, [&] { return shown() == second_.pin; }));
  EXPECT_TRUE(within(10s, [&] {
    return count_of("the certificate has changed", discovery_->process.errors()) == 1;
  }));
}

TEST_F(CertificateReload, WhatCannotBeUsedLeavesTheOldOneAndIsSaid) {
  std::ofstream(live("cert")) << "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  expect_kept("holds no PEM certificate", 1);
  replace(live("cert"), second_.certificate_path);
  expect_kept("does not belong to", 2);
  std::filesystem::remove(live("key"));
  expect_kept(live("key"), 3);
  std::string const lock = "/usr/bin/openssl pkcs8 -topk8 -passout pass:secret -in " +
                           second_.key_path + " -out " + live("key");
  ASSERT_EQ(std::system(lock.c_str()), 0);
  expect_kept("needs no passphrase", 4);
  replace(live("key"), second_.key_path);
  discovery_->process.signal(SIGHUP);
  EXPECT_TRUE(within(10s, [&] { return shown() == second_.pin; }));
  EXPECT_TRUE(counted("used", 1));
}

TEST_F(CertificateReload, ATicketFromBeforeStillResumes) {
  WireClient before(discovery_->port, {.version = TLS1_3_VERSION});
  before.send(get_request("/"));
  ASSERT_EQ(status_of(before.answer()), 200);
  TlsSession const ticket = before.take_session();
  put(second_);
  discovery_->process.signal(SIGHUP);
  ASSERT_TRUE(within(10s, [&] { return shown() == second_.pin; }));
  WireClient after(discovery_->port, {.version = TLS1_3_VERSION, .session = ticket.get()});
  EXPECT_TRUE(after.ok() && after.resumed());
}

TEST(CertificateAtStart, AKeyWithAPassphraseEndsTheStartInsteadOfAskingForIt) {
  TemporaryFolder const folder;
  ASSERT_TRUE(make_or_load_certificate(folder.path(), {}).ok());
  std::string const lock = "/usr/bin/openssl pkcs8 -topk8 -passout pass:secret -in " +
                           folder.path() + "/tls-key.pem -out " + folder.path() + "/locked.pem";
  ASSERT_EQ(std::system(lock.c_str()), 0);
  Process process({HOLDFAST_DISCOVERY_PROGRAM, "--state-dir", folder.path(), "--listen",
                   "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--tls-cert",
                   folder.path() + "/tls-cert.pem", "--tls-key", folder.path() + "/locked.pem"},
                  folder.path() + "/run");
  EXPECT_EQ(process.wait(10s), 1);
  EXPECT_EQ(count_of("\n", process.errors()), 1u) << process.errors();
}

}  // namespace
}  // namespace holdfast::test
