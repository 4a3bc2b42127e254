#include "discovery/geo/geo_places.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_directory.h"

namespace holdfast::discovery {
namespace {

namespace fs = std::filesystem;

class GeoPlacesTest : public testing::Test {
 protected:
  GeoPlacesTest() { become("countries.mmdb"); }

  /// Another file under the same name, as an update puts it there.
  void become(std::string const& golden) {
    fs::path const fresh = folder.path() / "fresh";
    fs::copy_file(std::string(HOLDFAST_GOLDEN_DIR) + "/geoip/" + golden, fresh);
    fs::rename(fresh, path);
  }
  std::unique_ptr<GeoPlaces> opened() const {
    auto places = GeoPlaces::open(path.string());
    EXPECT_TRUE(places.ok());
    return *std::move(places);
  }
  static std::string country(GeoPlaces const& places) {
    ClientPlace const place = places.place_of(IpAddress::v4({192, 0, 2, 1}));
    return std::string(text_of(place.country));
  }

  support::TemporaryDirectory const folder;
  fs::path const path = folder.path() / "countries.mmdb";
};

TEST_F(GeoPlacesTest, AFileThatCannotBeReadIsNotOpened) {
  std::ofstream(path) << "nonsense";
  EXPECT_FALSE(GeoPlaces::open(path.string()).ok());
}

TEST_F(GeoPlacesTest, AnotherFileIsUsedWhenItIsThere) {
  auto const places = opened();
  EXPECT_EQ(country(*places), "br");
  EXPECT_FALSE(*places->reload_if_changed()) << "nothing has changed";
  become("countries_moved.mmdb");
  EXPECT_TRUE(*places->reload_if_changed());
  EXPECT_EQ(country(*places), "de");
  EXPECT_EQ(places->built_unix_s(), 1'767'830'400u);
  become("countries.mmdb");
  EXPECT_TRUE(places->reload().ok());
  EXPECT_EQ(country(*places), "br");
  EXPECT_EQ(places->figures().reloads, 2u);
}

TEST_F(GeoPlacesTest, AFileThatCannotBeReadLeavesTheOldOneInUse) {
  auto const places = opened();
  std::ofstream(path, std::ios::trunc) << "half a fi";
  EXPECT_FALSE(places->reload_if_changed().ok());
  EXPECT_FALSE(*places->reload_if_changed()) << "said once for each change";
  fs::remove(path);
  EXPECT_FALSE(places->reload().ok());
  EXPECT_EQ(country(*places), "br");
  EXPECT_EQ(places->figures().failures, 2u);
  EXPECT_EQ(places->figures().reloads, 0u);
  become("countries_moved.mmdb");
  EXPECT_TRUE(*places->reload_if_changed());
  EXPECT_EQ(country(*places), "de");
}

TEST_F(GeoPlacesTest, WhoAsksWhileItIsReadAgainAlwaysGetsAnAnswer) {
  auto const places = opened();
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> askers;
  for (int i = 0; i < 2; ++i) {
    askers.emplace_back([&] {
      while (!stop) {
        std::string const found = country(*places);
        wrong += found == "br" || found == "de" ? 0 : 1;
        ++asked;
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    become(i % 2 == 0 ? "countries_moved.mmdb" : "countries.mmdb");
    EXPECT_TRUE(places->reload().ok());
    int const before = asked;
    while (asked < before + 2) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(GeoPlacesTest, ChangesAreSeenWithoutAWord) {
  auto const places = opened();
  std::atomic<int> told{0};
  places->start([&](Result<void> const& read) { told += read.ok() ? 1 : 0; },
                std::chrono::milliseconds(1));
  become("countries_moved.mmdb");
  while (told == 0) std::this_thread::yield();
  EXPECT_EQ(country(*places), "de");
  places->stop();
}

}  // namespace
}  // namespace holdfast::discovery
