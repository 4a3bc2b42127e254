#include "registration/http_signature.h"

#include <gtest/gtest.h>

#include "golden.h"

namespace holdfast::registration {

namespace {

constexpr std::string_view kComponents = R"(("@method" "@target-uri" "content-digest"))";

class HttpSignatureTest : public testing::Test {
 protected:
  static SignatureParams params() {
    return {.created_unix_s = 1'767'225'600, .nonce = "bm9uY2U", .key_id = pair_of(1).public_key};
  }
  static SignedParts parts() {
    return {
        .method = "PUT", .target_uri = "https://d.example/replicators/x", .body = as_bytes("{}")};
  }
  static std::string input(std::string_view components, std::string const& rest) {
    return "sig=" + std::string(components) + rest;
  }
  static std::string all_params() {
    return ";created=1;nonce=\"n\";keyid=\"" + pair_of(1).public_key.hex() + "\"";
  }
  static ErrorCode refused(SignedParts const& other, SignatureHeaders const& headers) {
    auto const verified = verify_request(other, headers);
    EXPECT_FALSE(verified.ok());
    return verified ? ErrorCode::Storage : verified.error().code;
  }

  SignatureHeaders headers_ = sign_request(parts(), params(), pair_of(1));
};

TEST_F(HttpSignatureTest, FollowsTheVectors) {
  nlohmann::json const vectors = golden("http_signatures.json");
  for (nlohmann::json const& row : vectors.at("requests")) {
    std::string const method = text_of(row, "method");
    std::string const target = text_of(row, "target_uri");
    std::string const body = text_of(row, "body");
    SignedParts const signed_parts{method, target, as_bytes(body)};
    SignatureParams const wanted{row.at("created").get<std::uint64_t>(), text_of(row, "nonce"),
                                 *PublicKey::from_hex(text_of(row, "id"))};
    SignatureHeaders const made =
        sign_request(signed_parts, wanted, pair_of_hex(text_of(row, "seed")));
    EXPECT_EQ(made.content_digest, text_of(row, "content_digest"));
    EXPECT_EQ(made.signature_input, text_of(row, "signature_input"));
    EXPECT_EQ(made.signature, text_of(row, "signature"));
    auto const verified = verify_request(signed_parts, made);
    ASSERT_TRUE(verified.ok()) << to_string(verified.error());
    EXPECT_EQ(verified->nonce, wanted.nonce);
    EXPECT_EQ(verified->created_unix_s, wanted.created_unix_s);
    EXPECT_EQ(verified->key_id, wanted.key_id);
  }
}

TEST_F(HttpSignatureTest, CoversTheMethod) {
  SignedParts other = parts();
  other.method = "DELETE";
  EXPECT_EQ(refused(other, headers_), ErrorCode::BadSignature);
}

TEST_F(HttpSignatureTest, CoversTheTarget) {
  SignedParts other = parts();
  other.target_uri = "https://e.example/replicators/x";
  EXPECT_EQ(refused(other, headers_), ErrorCode::BadSignature);
}

TEST_F(HttpSignatureTest, CoversTheBody) {
  SignedParts other = parts();
  other.body = as_bytes("{ }");
  EXPECT_EQ(refused(other, headers_), ErrorCode::BadProof);
  headers_.content_digest = content_digest_of(other.body);
  EXPECT_EQ(refused(other, headers_), ErrorCode::BadSignature);
}

TEST_F(HttpSignatureTest, CoversItsOwnParameters) {
  for (auto const& [from, to] : {std::pair{"1767225600", "1767225601"}, std::pair{"bm9", "bm8"}}) {
    SignatureHeaders changed = headers_;
    changed.signature_input.replace(changed.signature_input.find(from), std::string(from).size(),
                                    to);
    EXPECT_EQ(refused(parts(), changed), ErrorCode::BadSignature);
  }
}

TEST_F(HttpSignatureTest, IsBoundToItsKey) {
  std::string const mine = pair_of(1).public_key.hex();
  headers_.signature_input.replace(headers_.signature_input.find(mine), mine.size(),
                                   pair_of(2).public_key.hex());
  EXPECT_EQ(refused(parts(), headers_), ErrorCode::BadSignature);
}

TEST_F(HttpSignatureTest, EveryFlippedBitOfTheHeadersIsNoticed) {
  for (std::string SignatureHeaders::*field :
       {&SignatureHeaders::content_digest, &SignatureHeaders::signature_input,
        &SignatureHeaders::signature}) {
    for (std::size_t i = 0; i < (headers_.*field).size() * 8; ++i) {
      SignatureHeaders changed = headers_;
      char& c = (changed.*field)[i / 8];
      c = static_cast<char>(c ^ (1 << (i % 8)));
      EXPECT_FALSE(verify_request(parts(), changed).ok()) << (headers_.*field) << " bit " << i;
    }
  }
}

TEST_F(HttpSignatureTest, EveryTruncationOfTheHeadersIsNoticed) {
  for (std::string SignatureHeaders::*field :
       {&SignatureHeaders::content_digest, &SignatureHeaders::signature_input,
        &SignatureHeaders::signature}) {
    for (std::size_t size = 0; size < (headers_.*field).size(); ++size) {
      SignatureHeaders changed = headers_;
      (changed.*field).resize(size);
      EXPECT_FALSE(verify_request(parts(), changed).ok()) << (changed.*field);
    }
  }
}

TEST_F(HttpSignatureTest, ALineBreakInTheTargetIsRefused) {
  SignedParts other = parts();
  other.target_uri = "https://d.example/x\n\"content-digest\": y";
  EXPECT_EQ(refused(other, headers_), ErrorCode::Malformed);
}

TEST_F(HttpSignatureTest, TakesTheComponentsAndParametersInAnyOrder) {
  std::string const id = pair_of(1).public_key.hex();
  for (std::string const& field :
       {input(kComponents, all_params()),
        input(R"(("content-digest" "@target-uri" "@method"))",
              ";keyid=\"" + id + "\";alg=\"ed25519\";nonce=\"n\";created=1")}) {
    auto const parsed = parse_signature_input(field);
    ASSERT_TRUE(parsed.ok()) << field;
    EXPECT_EQ(parsed->label, "sig");
    EXPECT_EQ(parsed->components.size(), 3U);
    EXPECT_EQ(parsed->params.nonce, "n");
  }
}

TEST_F(HttpSignatureTest, RefusesEverythingElse) {
  std::string const id = pair_of(1).public_key.hex();
  std::string const bad_inputs[] = {
      "",
      "sig",
      "sig=",
      "=" + std::string(kComponents) + all_params(),
      "Sig=" + std::string(kComponents) + all_params(),
      input("()", all_params()),
      input(R"(("@method" "@target-uri"))", all_params()),
      input(R"(("@method" "@target-uri" "@target-uri"))", all_params()),
      input(R"(("@method" "@target-uri" "content-digest" "date"))", all_params()),
      input(R"(("@method"  "@target-uri" "content-digest"))", all_params()),
      input(R"(( "@method" "@target-uri" "content-digest"))", all_params()),
      input(R"(("@method" "@target-uri" "content-digest" ))", all_params()),
      input(R"(("@method";req "@target-uri" "content-digest"))", all_params()),
      input(kComponents, ""),
      input(kComponents, ";created=1;nonce=\"n\""),
      input(kComponents, ";created=1;keyid=\"" + id + "\""),
      input(kComponents, ";nonce=\"n\";keyid=\"" + id + "\""),
      input(kComponents, all_params() + ";created=1"),
      input(kComponents, all_params() + ";expires=2"),
      input(kComponents, all_params() + ";alg=\"rsa-v1_5-sha256\""),
      input(kComponents, all_params() + ";alg"),
      input(kComponents, all_params() + ";"),
      input(kComponents, all_params() + " "),
      input(kComponents, all_params() + ", sig2=()"),
      input(kComponents, ";created=-1;nonce=\"n\";keyid=\"" + id + "\""),
      input(kComponents, ";created=01;nonce=\"n\";keyid=\"" + id + "\""),
      input(kComponents, ";created=1000000000000000;nonce=\"n\";keyid=\"" + id + "\""),
      input(kComponents, ";created=1;nonce=\"\";keyid=\"" + id + "\""),
      input(kComponents, ";created=1;nonce=\"a b\";keyid=\"" + id + "\""),
      input(kComponents, ";created=1;nonce=\"" + std::string(129, 'n') + "\";keyid=\"" + id + "\""),
      input(kComponents, ";created=1;nonce=\"n\";keyid=\"" + id.substr(1) + "\""),
      input(kComponents, ";created=1;nonce=\"n\";keyid=" + id),
  };
  for (std::string const& field : bad_inputs) {
    EXPECT_FALSE(parse_signature_input(field).ok()) << field;
  }
}

TEST_F(HttpSignatureTest, RefusesALongFieldUnread) {
  auto const parsed = parse_signature_input(std::string(kSignatureInputBytesMax + 1, 's'));
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().code, ErrorCode::LimitExceeded);
}

}  // namespace

}  // namespace holdfast::registration
