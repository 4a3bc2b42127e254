#pragma once

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/vectors.h"
#include "wire/messages.h"

namespace holdfast::testing {

/// What the vectors call this kind of message.
inline std::string type_name(wire::Message const& message) {
  static constexpr std::array<char const*, 10> kNames{"sync",   "request",  "cancel", "data",
                                                      "noData", "want",     "unwant", "bitfield",
                                                      "range",  "extension"};
  return kNames.at(message.index());
}

/// Compares a decoded message with the fields of a vector, field by field.
class FieldComparison {
 public:
  explicit FieldComparison(nlohmann::json const& fields) : fields_(fields) {}

  void operator()(wire::Sync const& sync) const {
    expect("fork", sync.fork);
    expect("length", sync.length);
    expect("remoteLength", sync.remote_length);
    expect("canUpgrade", sync.can_upgrade);
    expect("uploading", sync.uploading);
    expect("downloading", sync.downloading);
    expect("hasManifest", sync.has_manifest);
    expect("allowPush", sync.allow_push);
  }
  void operator()(wire::Request const& request) const {
    expect("id", request.id);
    expect("fork", request.fork);
    expect("priority", request.priority);
    expect("manifest", request.what.manifest);
    if (same_presence("block", request.what.block.has_value())) {
      FieldComparison const block(fields_.at("block"));
      block.expect("index", request.what.block->index.value());
      block.expect("nodes", request.what.block->nodes);
    }
    if (same_presence("hash", request.what.hash.has_value())) {
      FieldComparison const hash(fields_.at("hash"));
      hash.expect("index", request.what.hash->index.value());
      hash.expect("nodes", request.what.hash->nodes);
    }
    if (same_presence("seek", request.what.seek.has_value())) {
      FieldComparison const seek(fields_.at("seek"));
      seek.expect("bytes", request.what.seek->bytes);
      seek.expect("padding", request.what.seek->padding);
    }
    if (same_presence("upgrade", request.what.upgrade.has_value())) {
      FieldComparison const upgrade(fields_.at("upgrade"));
      upgrade.expect("start", request.what.upgrade->start);
      upgrade.expect("length", request.what.upgrade->length);
    }
  }
  void operator()(wire::Cancel const& cancel) const { expect("request", cancel.request); }
  void operator()(wire::Data const& data) const {
    merkle::Proof const& proof = data.proof;
    expect("request", data.request);
    expect("fork", proof.fork);
    if (same_presence("block", proof.block.has_value())) {
      FieldComparison const block(fields_.at("block"));
      block.expect("index", proof.block->index.value());
      block.expect("value", to_hex(proof.block->value));
      block.expect_nodes("nodes", proof.block->nodes);
    }
    if (same_presence("hash", proof.hash.has_value())) {
      FieldComparison const hash(fields_.at("hash"));
      hash.expect("index", proof.hash->index.value());
      hash.expect_nodes("nodes", proof.hash->nodes);
    }
    if (same_presence("seek", proof.seek.has_value())) {
      FieldComparison const seek(fields_.at("seek"));
      seek.expect("bytes", proof.seek->bytes);
      seek.expect_nodes("nodes", proof.seek->nodes);
    }
    if (same_presence("upgrade", proof.upgrade.has_value())) {
      FieldComparison const upgrade(fields_.at("upgrade"));
      upgrade.expect("start", proof.upgrade->start);
      upgrade.expect("length", proof.upgrade->length);
      upgrade.expect_nodes("nodes", proof.upgrade->nodes);
      upgrade.expect_nodes("additionalNodes", proof.upgrade->additional_nodes);
      upgrade.expect("signature", to_hex(proof.upgrade->signature));
    }
    // The transcripts show a manifest in parts, messages.json as bytes.
    if (same_presence("manifest", proof.manifest.has_value()) &&
        fields_.at("manifest").is_string()) {
      expect("manifest", to_hex(*proof.manifest));
    }
  }
  void operator()(wire::NoData const& no_data) const {
    expect("request", no_data.request);
    expect("reason", static_cast<int>(no_data.reason));
  }
  void operator()(wire::Want const& want) const { expect_window(want); }
  void operator()(wire::Unwant const& unwant) const { expect_window(unwant); }
  void operator()(wire::Bitfield const& bitfield) const {
    expect("start", bitfield.start);
    nlohmann::json const& holder = fields_.contains("bitfield") ? fields_.at("bitfield") : fields_;
    EXPECT_EQ(nlohmann::json(bitfield.words), holder.at("words"));
  }
  void operator()(wire::Range const& range) const {
    expect("drop", range.drop);
    expect("start", range.start);
    expect("length", range.length);
  }
  void operator()(wire::Extension const& extension) const {
    expect("name", extension.name);
    expect("message", to_hex(extension.body));
  }

 private:
  template <typename Value>
  void expect(char const* name, Value const& value) const {
    EXPECT_EQ(nlohmann::json(value), fields_.at(name)) << name;
  }
  bool same_presence(char const* name, bool present) const {
    bool const expected = fields_.contains(name) && !fields_.at(name).is_null();
    EXPECT_EQ(present, expected) << name;
    return present && expected;
  }
  void expect_nodes(char const* name, std::vector<merkle::Node> const& nodes) const {
    ASSERT_EQ(nodes.size(), fields_.at(name).size()) << name;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      FieldComparison const node(fields_.at(name).at(i));
      node.expect("index", nodes[i].index.value());
      node.expect("size", nodes[i].size);
      node.expect("hash", nodes[i].hash.hex());
    }
  }
  template <typename Window>
  void expect_window(Window const& window) const {
    expect("start", window.start);
    expect("length", window.length);
    expect("any", window.any);
  }

  nlohmann::json const& fields_;
};

inline void expect_fields(wire::Message const& message, nlohmann::json const& fields) {
  std::visit(FieldComparison(fields), message);
}

}  // namespace holdfast::testing
