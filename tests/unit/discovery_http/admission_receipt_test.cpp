#include "discovery/http/admission_receipt.h"

#include <gtest/gtest.h>

#include "discovery/http/id_list.h"

namespace holdfast::discovery {
namespace {

Hash secret_of(Byte number) {
  Hash secret;
  secret.bytes.fill(number);
  return secret;
}

registration::Record some_record() {
  registration::Record record;
  record.id.bytes.fill(1);
  record.seq = 5;
  record.addresses = {{registration::AddressKind::Tcp, "a.example.org", 4838, ""}};
  return record;
}

class ReceiptTest : public testing::Test {
 protected:
  Bytes const receipt = make_receipt(secret_of(1), some_record(), "198.41.0.4",
                                     {.trusted = true, .expires_unix_s = 1'000});
  std::optional<Receipt> check(registration::Record const& record, std::string const& source,
                               std::uint64_t now = 999, Byte secret = 1) const {
    return check_receipt(secret_of(secret), record, source, receipt, now);
  }
};

TEST_F(ReceiptTest, SaysWhatWasPutIn) {
  std::optional<Receipt> const said = check(some_record(), "198.41.0.4");
  ASSERT_TRUE(said);
  EXPECT_TRUE(said->trusted);
  EXPECT_EQ(said->expires_unix_s, 1'000u);
}

TEST_F(ReceiptTest, HoldsForANewerRecordWithTheSameAddresses) {
  registration::Record newer = some_record();
  newer.seq = 6;
  newer.region = "eu";
  EXPECT_TRUE(check(newer, "198.41.0.4"));
}

TEST_F(ReceiptTest, IsWorthlessForAnotherIdSourceAddressTimeOrService) {
  registration::Record other = some_record();
  other.id.bytes.fill(2);
  EXPECT_FALSE(check(other, "198.41.0.4"));
  EXPECT_FALSE(check(some_record(), "198.41.0.5"));
  other = some_record();
  other.addresses[0].port = 4839;
  EXPECT_FALSE(check(other, "198.41.0.4"));
  other = some_record();
  other.addresses.push_back(other.addresses[0]);
  EXPECT_FALSE(check(other, "198.41.0.4"));
  EXPECT_FALSE(check(some_record(), "198.41.0.4", 1'000));
  EXPECT_FALSE(check(some_record(), "198.41.0.4", 999, 2));
}

TEST_F(ReceiptTest, EveryChangedOrMissingByteIsNoticed) {
  for (std::size_t i = 0; i < receipt.size(); ++i) {
    Bytes changed = receipt;
    changed[i] ^= 1;
    EXPECT_FALSE(check_receipt(secret_of(1), some_record(), "198.41.0.4", changed, 1)) << i;
    EXPECT_FALSE(
        check_receipt(secret_of(1), some_record(), "198.41.0.4", ByteView(receipt).first(i), 1));
  }
}

TEST(IdList, NamesIdsAddressesAndNetworks) {
  std::string const id(64, 'a');
  Result<IdList> const list =
      parse_id_list("# banned\n\n " + id + "  # spammer\n198.41.0.0/24\r\n2600::1");
  ASSERT_TRUE(list.ok());
  EXPECT_TRUE(list->has(*PublicKey::from_hex(id), std::nullopt));
  EXPECT_TRUE(list->has({}, IpAddress::parse("198.41.0.255")));
  EXPECT_TRUE(list->has({}, IpAddress::parse("::ffff:198.41.0.1")));
  EXPECT_TRUE(list->has({}, IpAddress::parse("2600::1")));
  EXPECT_FALSE(list->has({}, IpAddress::parse("2600::2")));
  EXPECT_FALSE(list->has({}, std::nullopt));
}

TEST(IdList, SaysWhichLineIsWrong) {
  Result<IdList> const list = parse_id_list("198.41.0.4\n\nnonsense\n");
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().detail.rfind("line 3", 0), 0u);
}

}  // namespace
}  // namespace holdfast::discovery
