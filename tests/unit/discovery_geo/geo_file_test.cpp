#include "discovery/geo/geo_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "support/temporary_directory.h"

namespace holdfast::discovery {
namespace {

std::string golden(std::string const& name) {
  return std::string(HOLDFAST_GOLDEN_DIR) + "/geoip/" + name;
}

std::string bytes_of(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Another file each time: some file systems wait for the disk when one is cut and written again.
void write_anew(std::string const& path, std::string const& bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

/// "br/sa"; "/" if nothing is known.
std::string place(GeoFile const& file, std::string_view address) {
  ClientPlace const found = file.place_of(IpAddress::parse(address).value());
  return std::string(text_of(found.country)).append("/").append(text_of(found.continent));
}

struct Known {
  char const* address;
  char const* place;
};
void PrintTo(Known const& known, std::ostream* out) { *out << known.address; }

class GeoFileTest : public testing::TestWithParam<Known> {};

TEST_P(GeoFileTest, FindsThePlaceOfAnAddress) {
  auto const file = GeoFile::open(golden("countries.mmdb"));
  ASSERT_TRUE(file.ok()) << file.error().detail;
  EXPECT_EQ(place(**file, GetParam().address), GetParam().place);
}

INSTANTIATE_TEST_SUITE_P(Addresses, GeoFileTest,
                         testing::Values(Known{"192.0.2.0", "br/sa"}, Known{"192.0.2.255", "br/sa"},
                                         Known{"198.51.100.7", "de/eu"},
                                         Known{"::ffff:198.51.100.7", "de/eu"},
                                         Known{"2001:db8:1::", "us/na"},
                                         Known{"2001:db8:1:ffff:ffff:ffff:ffff:ffff", "us/na"},
                                         Known{"203.0.113.127", "/eu"},  // No country.
                                         Known{"203.0.113.128", "/"},    // Three letters.
                                         Known{"198.51.101.1", "/"},
                                         Known{"198.51.102.1", "/"}  // Neither is a code.
                                         ));

INSTANTIATE_TEST_SUITE_P(Strangers, GeoFileTest,
                         testing::Values(Known{"192.0.3.0", "/"}, Known{"192.0.1.255", "/"},
                                         Known{"0.0.0.0", "/"}, Known{"255.255.255.255", "/"},
                                         Known{"::", "/"}, Known{"2001:db8:2::", "/"},
                                         Known{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "/"}));

TEST(GeoFile, AFileOfIpv4OnlyKnowsNoIpv6Address) {
  auto const file = GeoFile::open(golden("countries_ipv4.mmdb"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(place(**file, "192.0.2.1"), "br/sa");
  EXPECT_EQ(place(**file, "::ffff:192.0.2.1"), "br/sa");
  EXPECT_EQ(place(**file, "2001:db8:1::1"), "/");
}

TEST(GeoFile, SaysWhatItIs) {
  auto const file = GeoFile::open(golden("countries.mmdb"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->built_unix_s(), 1'767'225'600u);
  EXPECT_EQ((*file)->type(), "Holdfast-Test-Country");
}

TEST(GeoFile, AFileThatIsNotThereIsNamed) {
  auto const file = GeoFile::open("/nowhere/countries.mmdb");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::NotFound);
  EXPECT_NE(file.error().detail.find("/nowhere/countries.mmdb"), std::string::npos);
  EXPECT_EQ(GeoFile::open(golden("")).error().code, ErrorCode::NotFound) << "a folder";
}

TEST(GeoFile, EveryTruncationIsRefused) {
  support::TemporaryDirectory const folder;
  std::string const path = (folder.path() / "cut.mmdb").string();
  std::string const whole = bytes_of(golden("countries.mmdb"));
  std::size_t const needed = whole.rfind("record_size") + std::string("record_size").size() + 2;
  for (std::size_t bytes = 0; bytes < needed; ++bytes) {
    write_anew(path, whole.substr(0, bytes));
    auto const file = GeoFile::open(path);
    ASSERT_FALSE(file.ok()) << bytes << " of " << whole.size();
    EXPECT_EQ(file.error().code, ErrorCode::Malformed);
  }
}

TEST(GeoFile, EveryChangedByteIsSurvived) {
  support::TemporaryDirectory const folder;
  std::string const path = (folder.path() / "changed.mmdb").string();
  std::string const whole = bytes_of(golden("countries.mmdb"));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(~changed[at]);
    write_anew(path, changed);
    auto const file = GeoFile::open(path);
    if (!file) continue;
    for (char const* const address : {"192.0.2.1", "198.51.100.7", "2001:db8:1::1", "::1"})
      place(**file, address);
  }
}

/// A mapped file that is cut off ends its readers with SIGBUS.
TEST(GeoFile, WhatHappensToTheFileLaterHarmsNobody) {
  support::TemporaryDirectory const folder;
  std::string const path = (folder.path() / "countries.mmdb").string();
  std::filesystem::copy_file(golden("countries.mmdb"), path);
  auto const file = GeoFile::open(path);
  ASSERT_TRUE(file.ok());
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(place(**file, "192.0.2.1"), "br/sa");
}

}  // namespace
}  // namespace holdfast::discovery
