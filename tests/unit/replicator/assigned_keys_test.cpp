#include "replicator/daemon/assigned_keys.h"

#include <gtest/gtest.h>

#include "store/memory_store.h"

namespace holdfast::replicator {
namespace {

DiscoveryKey key(Byte value) {
  DiscoveryKey out;
  out.bytes.fill(value);
  return out;
}

TEST(AssignedKeys, AreThereAfterARestart) {
  store::MemoryStore store;
  AssignedKeys before(store);
  EXPECT_TRUE(*before.add(key(1), 1'000));
  EXPECT_FALSE(*before.add(key(1), 2'000));
  EXPECT_TRUE(*before.add(key(2), 3'000));
  EXPECT_TRUE(*before.remove(key(2)));
  EXPECT_FALSE(*before.remove(key(2)));
  AssignedKeys after(store);
  ASSERT_TRUE(after.load().ok());
  EXPECT_EQ(after.list(), std::vector<DiscoveryKey>{key(1)});
  EXPECT_EQ(*after.expire(1'000), 0u);
  EXPECT_EQ(*after.expire(1'001), 1u);
  AssignedKeys last(store);
  ASSERT_TRUE(last.load().ok());
  EXPECT_EQ(last.size(), 0u);
}

TEST(AssignedKeys, RefuseADamagedEntry) {
  store::MemoryStore store;
  ASSERT_TRUE(store.put_meta("assigned/zz", Bytes{1, 2}).ok());
  AssignedKeys keys(store);
  EXPECT_FALSE(keys.load().ok());
}

}  // namespace
}  // namespace holdfast::replicator
