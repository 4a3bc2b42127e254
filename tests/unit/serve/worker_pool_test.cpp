#include "serve/worker_pool.h"

#include <future>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(WorkerPool, AJobOfManyRequestsFillsTheQueueAsTheyWouldOneByOne) {
  WorkerPool pool;
  pool.start(1, 4);
  std::promise<void> begun;
  std::promise<void> go_on;
  ASSERT_TRUE(pool.submit([&] {
    begun.set_value();
    go_on.get_future().wait();
  }));
  begun.get_future().wait();
  std::promise<void> done;
  EXPECT_TRUE(pool.submit([] {}, 3));
  EXPECT_TRUE(pool.submit([&] { done.set_value(); }, 64)) << "there is room for one more";
  EXPECT_FALSE(pool.submit([] {}));
  go_on.set_value();
  done.get_future().wait();
  EXPECT_TRUE(pool.submit([] {})) << "what was taken from the queue makes room";
}

}  // namespace
}  // namespace holdfast
