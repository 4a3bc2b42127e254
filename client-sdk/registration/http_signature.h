#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::registration {

inline constexpr std::size_t kSignatureInputBytesMax = 512;
inline constexpr std::size_t kNonceBytesMax = 128;

/// The part of a request that is signed. Views are borrowed for the call.
struct SignedParts {
  std::string_view method;  ///< As sent: "PUT".
  std::string_view
      target_uri;  ///< The whole URL, scheme to query. What the *server* takes itself for: one of
                   ///< its own public URLs with the request's path and query, never `Host`.
  ByteView body;   ///< May be empty; then the digest of nothing is signed.
};

/// The three header fields of a signed request, without their names.
struct SignatureHeaders {
  std::string content_digest;   ///< Content-Digest (RFC 9530).
  std::string signature_input;  ///< Signature-Input (RFC 9421).
  std::string signature;        ///< Signature.
};

/// Parameters of one signature.
struct SignatureParams {
  std::uint64_t created_unix_s = 0;  ///< Covered, but not judged: the nonce is what makes it fresh.
                                     ///< Why: small computers start with a wrong clock.
  std::string nonce;                 ///< From the service; base64url characters.
  PublicKey key_id;                  ///< The verifying key, which is the replicator's id.
};

/// A Signature-Input field, taken apart.
struct SignatureInput {
  std::string label;                    ///< Name of the one signature.
  std::vector<std::string> components;  ///< In the order in which they are signed.
  SignatureParams params;
  std::string params_text;  ///< Value of "@signature-params": everything behind "label=".
};

/// sha-256=:…: of the body.
std::string content_digest_of(ByteView body);

/// Signs with Ed25519 over "@method" "@target-uri" "content-digest". `params.key_id` must be the
/// pair's.
SignatureHeaders sign_request(SignedParts const& parts, SignatureParams const& params,
                              KeyPair const& pair);

/// Reads a Signature-Input field. Strict: one signature, the three components above in any order
/// and each once, parameters created, nonce and keyid (64 hex digits) once each, alg="ed25519"
/// optional, nothing else, and only the canonical spelling (no optional white space). Why so
/// strict: what is signed is the canonical text, and this is not a general HTTP stack. Errors:
/// Malformed, LimitExceeded.
Result<SignatureInput> parse_signature_input(std::string_view field);

/// Verifies a signed request. Does not look at the nonce beyond its form: the caller spends it
/// after. Returns: the parameters; key_id is then proven. Errors: Malformed, LimitExceeded
/// (headers), BadProof (the digest is not the body's), BadSignature.
Result<SignatureParams> verify_request(SignedParts const& parts, SignatureHeaders const& headers);
/// As above, for who has parsed headers.signature_input already: `input` is what it says.
Result<void> verify_request(SignedParts const& parts, SignatureHeaders const& headers,
                            SignatureInput const& input);

}  // namespace holdfast::registration
