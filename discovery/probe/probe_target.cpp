#include "discovery/probe/probe_target.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::discovery {

namespace {

ProbePlan refuse(std::string text) {
  ProbePlan plan;
  plan.refused = ProbeReport{ProbeStep::Refused, std::move(text)};
  return plan;
}

std::optional<std::string> refusal(IpAddress const& ip, AddressPolicy const& policy) {
  switch (policy.check(ip)) {
    case AddressPolicy::Verdict::Allowed:
      return std::nullopt;
    case AddressPolicy::Verdict::Refused:
      return std::string(name_of(class_of(ip))) + " addresses are not reachable from outside";
    case AddressPolicy::Verdict::OwnAddress:
      return "that is an address of this service";
  }
  HOLDFAST_CHECK(false);
}

}  // namespace

std::string_view name_of(ProbeStep step) {
  switch (step) {
    case ProbeStep::Passed:
      return "passed";
    case ProbeStep::Skipped:
      return "skipped";
    case ProbeStep::Refused:
      return "refused";
    case ProbeStep::Resolve:
      return "resolve";
    case ProbeStep::Connect:
      return "connect";
    case ProbeStep::Handshake:
      return "handshake";
    case ProbeStep::Key:
      return "key";
  }
  HOLDFAST_CHECK(false);
}

std::string describe(registration::Address const& address) {
  if (address.kind == registration::AddressKind::WebSocket) return "ws " + address.url;
  bool const v6 = address.host.find(':') != std::string::npos;
  return "tcp " + (v6 ? "[" + address.host + "]" : address.host) + ":" +
         std::to_string(address.port);
}

registration::HostPort place_of(registration::Address const& address,
                                std::string const& observed_host) {
  if (address.kind == registration::AddressKind::WebSocket) {
    Result<registration::HostPort> const place = registration::host_of_url(address.url);
    return place ? *place : registration::HostPort{};
  }
  return {address.host.empty() ? observed_host : address.host, address.port};
}

ProbePlan plan_probe(ProbeTarget const& target, std::vector<ResolvedAddress> const& resolved,
                     AddressPolicy const& policy) {
  std::optional<IpAddress> const source = IpAddress::parse(target.observed_host);
  if (!source) return refuse("the source of the registration is not known");
  ProbePlan plan;
  for (std::size_t i = 0; i < resolved.size(); ++i) {
    std::string const what = describe(resolved[i].address);
    if (resolved[i].port == 0) return refuse(what + ": port 0 is no port");
    for (IpAddress const& ip : resolved[i].found) {
      if (std::optional<std::string> const why = refusal(ip, policy); why) {
        return refuse(what + ": leads to " + to_string(ip) + "; " + *why);
      }
      bool const lab = policy.is_lab(ip) && policy.is_lab(*source);
      bool const other_family = ip.is_v4() != source->is_v4();
      bool const free = target.may_name_others || lab;
      if (!free && !other_family && ip != *source) {
        return refuse(what + ": leads to " + to_string(ip) + ", but this registration comes from " +
                      to_string(*source));
      }
      plan.dials.push_back({.address = i,
                            .ip = ip,
                            .port = resolved[i].port,
                            .handshake = resolved[i].address.kind == registration::AddressKind::Tcp,
                            .other_family = !free && other_family});
    }
  }
  std::stable_sort(plan.dials.begin(), plan.dials.end(),
                   [](Dial const& a, Dial const& b) { return a.other_family < b.other_family; });
  if (plan.dials.size() > kDialsMax) return refuse("names lead to too many addresses");
  return plan;
}

}  // namespace holdfast::discovery
