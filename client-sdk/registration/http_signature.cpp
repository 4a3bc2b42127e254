#include "registration/http_signature.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "crypto/hash.h"
#include "registration/base64.h"

namespace holdfast::registration {

namespace {

constexpr std::array<std::string_view, 3> kComponents = {"@method", "@target-uri",
                                                         "content-digest"};
constexpr std::string_view kLabel = "sig";
constexpr std::size_t kLabelLengthMax = 16;
constexpr std::size_t kCreatedDigitsMax = 15;  // The most that an sf-integer has (RFC 8941).
constexpr std::size_t kDigestFieldBytesMax = 512;
constexpr std::size_t kSignatureFieldBytesMax = 128;

bool is_nonce_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '_';
}

bool is_one_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c != 0x7f; });
}

/// Eats a structured field from the front; errors stick, as in Decoder.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  bool take_if(char c) {
    if (!ok_ || !rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take_if(c)) ok_ = false;
  }
  /// A key of RFC 8941: lower-case letter, then letters, digits, '_' or '-'.
  std::string_view key() {
    auto const is_key_char = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    std::size_t size = 0;
    while (size < rest_.size() && is_key_char(rest_[size])) ++size;
    if (size == 0 || rest_[0] < 'a' || rest_[0] > 'z') ok_ = false;
    return take(size);
  }
  /// A quoted string. No value that we accept needs a backslash.
  std::string_view quoted() {
    expect('"');
    std::size_t const end = rest_.find('"');
    if (!ok_ || end == std::string_view::npos) {
      ok_ = false;
      return {};
    }
    std::string_view const out = take(end);
    expect('"');
    return out;
  }
  /// An integer that is not negative and has no leading zero.
  std::uint64_t integer() {
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] >= '0' && rest_[size] <= '9') ++size;
    if (size == 0 || size > kCreatedDigitsMax || (size > 1 && rest_[0] == '0')) {
      ok_ = false;
      return 0;
    }
    std::string_view const digits = take(size);
    std::uint64_t out = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return out;
  }
  void fail() { ok_ = false; }

 private:
  std::string_view take(std::size_t size) {
    if (!ok_) return {};
    std::string_view const out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }

  std::string_view rest_;
  bool ok_ = true;
};

std::string params_text_of(SignatureParams const& params) {
  std::string out = "(";
  for (std::string_view const component : kComponents) {
    if (out.size() > 1) out += ' ';
    out.append("\"").append(component).append("\"");
  }
  out.append(");created=").append(std::to_string(params.created_unix_s));
  out.append(";nonce=\"").append(params.nonce).append("\"");
  out.append(";keyid=\"").append(params.key_id.hex()).append("\"");
  return out;
}

std::string signature_base(SignedParts const& parts, std::string_view content_digest,
                           std::vector<std::string> const& components,
                           std::string_view params_text) {
  std::string out;
  for (std::string const& component : components) {
    out.append("\"").append(component).append("\": ");
    if (component == kComponents[0]) {
      out.append(parts.method);
    } else if (component == kComponents[1]) {
      out.append(parts.target_uri);
    } else {
      out.append(content_digest);
    }
    out.append("\n");
  }
  return out.append("\"@signature-params\": ").append(params_text);
}

void read_components(FieldReader& in, SignatureInput& out) {
  in.expect('(');
  do {
    std::string_view const component = in.quoted();
    bool const is_known =
        std::find(kComponents.begin(), kComponents.end(), component) != kComponents.end();
    bool const is_again =
        std::find(out.components.begin(), out.components.end(), component) != out.components.end();
    if (!is_known || is_again) return in.fail();
    out.components.emplace_back(component);
  } while (in.take_if(' '));
  in.expect(')');
  if (out.components.size() != kComponents.size()) in.fail();
}

void read_nonce(FieldReader& in, SignatureParams& params) {
  std::string_view const nonce = in.quoted();
  if (nonce.empty() || nonce.size() > kNonceBytesMax ||
      !std::all_of(nonce.begin(), nonce.end(), is_nonce_char)) {
    return in.fail();
  }
  params.nonce = nonce;
}

void read_key_id(FieldReader& in, SignatureParams& params) {
  std::string_view const hex = in.quoted();
  std::optional<PublicKey> const id = PublicKey::from_hex(hex);
  if (!id || id->hex() != hex) return in.fail();
  params.key_id = *id;
}

void read_params(FieldReader& in, SignatureParams& params) {
  bool created = false;
  bool nonce = false;
  bool key_id = false;
  bool alg = false;
  while (in.take_if(';')) {
    std::string_view const name = in.key();
    in.expect('=');
    if (name == "created" && !std::exchange(created, true)) {
      params.created_unix_s = in.integer();
    } else if (name == "nonce" && !std::exchange(nonce, true)) {
      read_nonce(in, params);
    } else if (name == "keyid" && !std::exchange(key_id, true)) {
      read_key_id(in, params);
    } else if (name == "alg" && !std::exchange(alg, true)) {
      if (in.quoted() != "ed25519") return in.fail();
    } else {
      return in.fail();
    }
  }
  if (!created || !nonce || !key_id) in.fail();
}

/// The value of the one member `label` of a Signature field.
std::optional<Signature> read_signature(std::string_view field, std::string_view label) {
  if (field.size() > kSignatureFieldBytesMax) return std::nullopt;
  if (!field.starts_with(label)) return std::nullopt;
  field.remove_prefix(label.size());
  if (!field.starts_with("=:") || !field.ends_with(':') || field.size() < 3) return std::nullopt;
  std::optional<Bytes> const raw = from_base64(field.substr(2, field.size() - 3), Signature::kSize);
  return raw ? Signature::from(*raw) : std::nullopt;
}

}  // namespace

std::string content_digest_of(ByteView body) {
  return "sha-256=:" + to_base64(sha256(body).view()) + ":";
}

SignatureHeaders sign_request(SignedParts const& parts, SignatureParams const& params,
                              KeyPair const& pair) {
  HOLDFAST_CHECK(params.key_id == pair.public_key);
  std::string const params_text = params_text_of(params);
  std::string content_digest = content_digest_of(parts.body);
  std::vector<std::string> const components(kComponents.begin(), kComponents.end());
  std::string const base = signature_base(parts, content_digest, components, params_text);
  Signature const signature = sign(pair, as_bytes(base));
  return {.content_digest = std::move(content_digest),
          .signature_input = std::string(kLabel) + "=" + params_text,
          .signature = std::string(kLabel) + "=:" + to_base64(signature.view()) + ":"};
}

Result<SignatureInput> parse_signature_input(std::string_view field) {
  if (field.size() > kSignatureInputBytesMax) {
    return Unexpected(ErrorCode::LimitExceeded, "Signature-Input too long");
  }
  FieldReader in(field);
  SignatureInput out;
  out.label = in.key();
  if (out.label.size() > kLabelLengthMax) in.fail();
  in.expect('=');
  out.params_text = in.rest();
  read_components(in, out);
  if (in.ok()) read_params(in, out.params);
  if (!in.ok() || !in.at_end()) {
    return Unexpected(ErrorCode::Malformed, "Signature-Input is not one we can read");
  }
  return out;
}

Result<SignatureParams> verify_request(SignedParts const& parts, SignatureHeaders const& headers) {
  Result<SignatureInput> input = parse_signature_input(headers.signature_input);
  if (!input) return Unexpected(input.error());
  Result<void> const verified = verify_request(parts, headers, *input);
  if (!verified) return Unexpected(verified.error());
  return std::move(input->params);
}

Result<void> verify_request(SignedParts const& parts, SignatureHeaders const& headers,
                            SignatureInput const& input) {
  // A line break inside would let one signed text be read as another.
  if (!is_one_line(parts.method) || !is_one_line(parts.target_uri)) {
    return Unexpected(ErrorCode::Malformed, "method or target with a control character");
  }
  std::optional<Signature> const signature = read_signature(headers.signature, input.label);
  if (!signature) return Unexpected(ErrorCode::Malformed, "Signature is not one we can read");
  if (headers.content_digest.size() > kDigestFieldBytesMax ||
      headers.content_digest != content_digest_of(parts.body)) {
    return Unexpected(ErrorCode::BadProof, "Content-Digest is not the sha-256 of the body");
  }
  std::string const base =
      signature_base(parts, headers.content_digest, input.components, input.params_text);
  if (!verify(input.params.key_id, as_bytes(base), *signature)) {
    return Unexpected(ErrorCode::BadSignature, "request is not signed by its keyid");
  }
  return {};
}

}  // namespace holdfast::registration
