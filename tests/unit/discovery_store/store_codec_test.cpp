#include "discovery/store/store_codec.h"

#include <gtest/gtest.h>

#include "discovery/store/redis_scripts.h"

namespace holdfast::discovery {

namespace {

HostingLine line_of(Byte seed, bool is_proven) {
  HostingLine out;
  out.prefix.bytes.fill(seed);
  out.generation = kGenerationMax - seed;
  if (!is_proven) return out;
  out.proof.emplace();
  out.proof->keyholder.bytes.fill(static_cast<Byte>(seed + 1));
  out.proof->signature.bytes.fill(static_cast<Byte>(seed + 2));
  out.proof->expires_unix_s = 1'767'225'600;
  return out;
}

TEST(HostingLines, ComeBackAsWritten) {
  std::string const bytes = encode_line(line_of(1, true)) + encode_line(line_of(2, false)) +
                            encode_line(line_of(3, true));
  EXPECT_EQ(bytes.size(), 2 * kProvenLineBytes + kLineBytes);
  auto const lines = decode_lines(bytes);
  ASSERT_TRUE(lines.ok());
  EXPECT_EQ(*lines,
            (std::vector<HostingLine>{line_of(1, true), line_of(2, false), line_of(3, true)}));
  EXPECT_TRUE(decode_lines("")->empty());
}

TEST(HostingLines, CutShortTheyAreRefused) {
  std::string const bytes = encode_line(line_of(1, false)) + encode_line(line_of(3, true));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    bool const is_whole = size == 0 || size == kLineBytes;
    EXPECT_EQ(decode_lines(bytes.substr(0, size)).ok(), is_whole) << size;
  }
}

TEST(HostingLines, AProofThatCannotBeWrittenIsLeftOut) {
  HostingLine line = line_of(1, true);
  line.proof->expires_unix_s = (1ULL << 48) - 1;
  EXPECT_EQ(decode_lines(encode_line(line))->front(), line);
  line.proof->expires_unix_s += 1;
  EXPECT_FALSE(decode_lines(encode_line(line))->front().proof.has_value());
}

TEST(StoredLoad, ComesBackAsWritten) {
  registration::LoadFigures load;
  load.projects = 3;
  load.connections = 70'000;
  load.stored_bytes = 1ULL << 45;
  load.free_bytes = registration::kNumberMax;
  load.cpu_permille = 999;
  load.storage_full = true;
  std::string const bytes = encode_load(load);
  EXPECT_EQ(decode_load(bytes), load);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_load(bytes.substr(0, size)), registration::LoadFigures{}) << size;
  }
}

TEST(StoredHealth, ComesBackAsWritten) {
  Health const health{SelfTest::Failed,   true, 3, 0xffffffff, 1'767'225'600'000,
                      "handshake: silent"};
  std::string const bytes = encode_health(health);
  EXPECT_EQ(decode_health(bytes), health);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_health(bytes.substr(0, size)), Health{}) << size;
  }
}

TEST(StoreEvents, OtherMessagesAreRefused) {
  for (std::string const bytes : {"", "S", "S9", "Sx", "X", "G", "hello, is anybody there?"}) {
    EXPECT_FALSE(decode_event(bytes).ok()) << bytes;
  }
  EXPECT_FALSE(decode_event("G" + std::string(37, 'x')).ok());
  EXPECT_TRUE(decode_event("G" + std::string(38, 'x')).ok());
  auto const shared = decode_event("S5");
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(std::get<SharedEvent>(shared->what).kind, SharedKind::Instance);
}

/// Source: the Redis Cluster specification.
TEST(RedisSlots, AreThoseOfTheSpecification) {
  EXPECT_EQ(slot_of("123456789"), 0x31c3);
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
  EXPECT_NE(slot_of("foo{}{bar}"), slot_of("bar"));
}

TEST(RedisSlots, WhatBelongsToAReplicatorIsTogether) {
  for (Byte byte : {Byte{'}'}, Byte{'{'}, Byte{0}}) {  // Ids are chosen by strangers.
    PublicKey id;
    id.bytes.fill(byte);
    ReplicatorKeys const keys(id);
    for (std::string const& key : {keys.index, keys.nonces, keys.assignments, keys.ends}) {
      EXPECT_EQ(slot_of(key), slot_of(keys.record));
    }
  }
}

TEST(RedisScripts, NamesAreSha1) {
  EXPECT_EQ(script_name(Script::Peers).size(), 40U);
  EXPECT_NE(script_name(Script::Peers), script_name(Script::Put));
  EXPECT_EQ(script_name(Script::Peers).find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace

}  // namespace holdfast::discovery
