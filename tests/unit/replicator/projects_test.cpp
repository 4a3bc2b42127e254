#include "replicator/daemon/projects.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "store/memory_store.h"

namespace holdfast::replicator {
namespace {

CoreKey key(Byte value) {
  CoreKey out;
  out.bytes.fill(value);
  return out;
}

TEST(Projects, AreThereAgainAfterARestart) {
  store::MemoryStore store;
  {
    Projects projects(store);
    ASSERT_TRUE(*projects.add(key(1)));
    ASSERT_TRUE(*projects.add_member(key(1), key(2)));
    ASSERT_TRUE(*projects.add(key(3)));
    ASSERT_TRUE(*projects.remove(key(3)));
  }
  Projects again(store);
  ASSERT_TRUE(again.load());
  EXPECT_EQ(again.roots(), std::vector<CoreKey>{key(1)});
  EXPECT_EQ(again.members(key(1)), std::vector<CoreKey>{key(2)});
  EXPECT_EQ(again.projects_of(key(2)), std::vector<CoreKey>{key(1)});
}

TEST(Projects, AreFoundByTheirRegistryKey) {
  store::MemoryStore store;
  Projects projects(store);
  for (Byte const value : {Byte{1}, Byte{2}, Byte{3}, Byte{4}}) {
    ASSERT_TRUE(*projects.add(key(value)));
  }
  ASSERT_TRUE(*projects.remove(key(2)));
  Projects again(store);
  ASSERT_TRUE(again.load());
  for (Projects const* const each : {&projects, &again}) {
    EXPECT_EQ(each->size(), 3u);
    EXPECT_TRUE(each->has(discovery_key_of(key(3))));
    EXPECT_FALSE(each->has(discovery_key_of(key(2))));
    auto const listed = each->by_discovery_key();
    EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
    for (auto const& [name, root] : listed) EXPECT_EQ(name, discovery_key_of(root));
    EXPECT_EQ(listed.size(), 3u);
  }
}

TEST(Projects, AddingTwiceIsNotNew) {
  store::MemoryStore store;
  Projects projects(store);
  EXPECT_TRUE(*projects.add(key(1)));
  EXPECT_FALSE(*projects.add(key(1)));
  EXPECT_TRUE(*projects.add_member(key(1), key(2)));
  EXPECT_FALSE(*projects.add_member(key(1), key(2)));
  EXPECT_FALSE(*projects.add_member(key(1), key(1))) << "a root is not its own member";
}

TEST(Projects, AMemberNeedsItsProject) {
  store::MemoryStore store;
  Projects projects(store);
  Result<bool> const added = projects.add_member(key(1), key(2));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ErrorCode::NotFound);
}

TEST(Projects, ADamagedEntryIsAnErrorAndNotForgotten) {
  store::MemoryStore store;
  ASSERT_TRUE(store.put_meta("project/" + key(1).hex(), Bytes{1, 9}));
  Projects projects(store);
  EXPECT_FALSE(projects.load());
}

}  // namespace
}  // namespace holdfast::replicator
