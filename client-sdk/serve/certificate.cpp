#include "serve/certificate.h"

#include <array>
#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "serve/state_files.h"

namespace holdfast {

namespace {

struct Free {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr long kTenYears = 10L * 365 * 86'400;
constexpr long kOneDay =
    86'400;  // A certificate made a moment ago must hold on a client whose clock is behind.

Owned<BIO> reader_of(std::string const& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  long const size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

bool is_ip_literal(std::string const& name) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  return ::inet_pton(AF_INET, name.c_str(), raw.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), raw.data()) == 1;
}

/// OpenSSL reads the list as configuration text, so a name with its separators must not reach it.
bool is_plain_name(std::string const& name) {
  return !name.empty() && name.find_first_of(",;:/ \t\r\n\"\\#$=[]") == std::string::npos;
}

std::string alternative_names(std::vector<std::string> const& names) {
  std::string list = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (std::string const& name : names) {
    if (name == "localhost" || name == "127.0.0.1" || name == "::1") continue;
    if (is_ip_literal(name))
      list += ",IP:" + name;
    else if (is_plain_name(name))
      list += ",DNS:" + name;
  }
  return list;
}

bool add_extension(X509* certificate, int nid, std::string const& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  Owned<X509_EXTENSION> const extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 8> raw{};
  if (RAND_bytes(raw.data(), static_cast<int>(raw.size())) != 1) return false;
  std::uint64_t serial = 0;
  for (unsigned char const byte : raw) serial = serial << 8 | byte;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

Owned<X509> make_certificate(EVP_PKEY* key, std::vector<std::string> const& names) {
  Owned<X509> certificate(X509_new());
  if (!certificate) return nullptr;
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  auto const* const common_name = reinterpret_cast<unsigned char const*>("holdfast");
  bool const ok =
      X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_serial(certificate.get()) &&
      X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kOneDay) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kTenYears) != nullptr &&
      X509_set_pubkey(certificate.get(), key) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1 &&
      X509_set_issuer_name(certificate.get(), subject) == 1 &&
      add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature,keyCertSign") &&
      add_extension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
      add_extension(certificate.get(), NID_subject_alt_name, alternative_names(names)) &&
      X509_sign(certificate.get(), key, EVP_sha256()) > 0;
  if (!ok) return nullptr;
  return certificate;
}

Result<void> write_new_pair(std::string const& certificate_path, std::string const& key_path,
                            std::vector<std::string> const& names) {
  Owned<EVP_PKEY> const key(EVP_EC_gen("P-256"));
  Owned<X509> const certificate = key ? make_certificate(key.get(), names) : nullptr;
  Owned<BIO> const key_text(BIO_new(BIO_s_mem()));
  Owned<BIO> const certificate_text(BIO_new(BIO_s_mem()));
  bool const ok = certificate && key_text && certificate_text &&
                  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                           nullptr) == 1 &&
                  PEM_write_bio_X509(certificate_text.get(), certificate.get()) == 1;
  if (!ok) return Unexpected(ErrorCode::Malformed, "cannot make a certificate");
  // The certificate is written last: it is what says that the pair is complete.
  Result<void> const written = write_state_file(key_path, text_of(key_text.get()), /*secret=*/true);
  if (!written) return written;
  return write_state_file(certificate_path, text_of(certificate_text.get()), /*secret=*/false);
}

/// Else OpenSSL asks on the terminal, and the server stands still until somebody types.
int no_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* /*argument*/) { return -1; }

std::string pin_of(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  return to_hex({digest.data(), size});
}

}  // namespace

Result<CertificateFiles> load_certificate(std::string const& certificate_path,
                                          std::string const& key_path) {
  Result<std::string> const certificate_text = read_state_file(certificate_path);
  if (!certificate_text) return Unexpected(certificate_text.error());
  Result<std::string> const key_text = read_state_file(key_path);
  if (!key_text) return Unexpected(key_text.error());
  Owned<X509> const certificate(
      PEM_read_bio_X509(reader_of(*certificate_text).get(), nullptr, nullptr, nullptr));
  if (!certificate)
    return Unexpected(ErrorCode::Malformed, certificate_path + " holds no PEM certificate");
  Owned<EVP_PKEY> const key(
      PEM_read_bio_PrivateKey(reader_of(*key_text).get(), nullptr, &no_passphrase, nullptr));
  if (!key) {
    return Unexpected(ErrorCode::Malformed,
                      key_path + " holds no PEM private key that needs no passphrase");
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return Unexpected(ErrorCode::Malformed, key_path + " does not belong to " + certificate_path);
  }
  return CertificateFiles{certificate_path, key_path, pin_of(certificate.get()), false};
}

Result<CertificateFiles> make_or_load_certificate(std::string const& state_dir,
                                                  std::vector<std::string> const& names) {
  std::string const certificate_path = state_dir + "/tls-cert.pem";
  std::string const key_path = state_dir + "/tls-key.pem";
  Result<std::string> const existing = read_state_file(certificate_path);
  if (!existing && existing.error().code == ErrorCode::NotFound) {
    if (Result<void> const made = write_new_pair(certificate_path, key_path, names); !made) {
      return Unexpected(made.error());
    }
  }
  Result<CertificateFiles> files = load_certificate(certificate_path, key_path);
  if (files) files->made_here = true;
  return files;
}

}  // namespace holdfast
