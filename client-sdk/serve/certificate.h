#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace holdfast {

/// Where a server's certificate chain and private key are (PEM), and what clients may pin.
struct CertificateFiles {
  std::string certificate_path;
  std::string key_path;
  std::string pin;         ///< SHA-256 of the leaf's DER, lower-case hex.
  bool made_here = false;  ///< Self-signed, by make_or_load_certificate.
};

/// Reads the certificate that an operator has given.
/// Errors: Storage if a file cannot be read; Malformed if it is no certificate or the key does not belong to it.
Result<CertificateFiles> load_certificate(std::string const& certificate_path,
                                          std::string const& key_path);

/// Uses `tls-cert.pem` and `tls-key.pem` of `state_dir`, and makes them if they are not there: self-signed, ECDSA P-256,
/// valid for ten years, for `names` (host names and IP literals), localhost, 127.0.0.1 and ::1. The key file is 0600.
/// An existing certificate is kept even if the names have changed. Why: clients have pinned it.
/// Errors: Storage, Malformed as above.
Result<CertificateFiles> make_or_load_certificate(std::string const& state_dir,
                                                  std::vector<std::string> const& names);

}  // namespace holdfast
