#!/usr/bin/env python3
"""Writes the databases of this folder (MaxMind DB file format 2.0): tests/golden/geoip/make.py"""
import ipaddress
from pathlib import Path

RECORD_BITS = 24
MARKER = b"\xab\xcd\xefMaxMind.com"


def control(kind, size):
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])


def unsigned(kind, number):
    raw = number.to_bytes(16, "big").lstrip(b"\0")
    return control(kind, len(raw)) + raw


def encoded(value):
    if isinstance(value, str):
        return control(2, len(value)) + value.encode()
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(encoded(k) + encoded(v) for k, v in value.items())
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(encoded, value))
    kind, number = value
    return unsigned({"u16": 5, "u32": 6, "u64": 9}[kind], number)


class Tree:
    """A binary trie. A record is a child (list), the offset of data (int) or nothing (None)."""

    def __init__(self, bits):
        self.bits, self.root = bits, [None, None]

    def add(self, network, offset):
        network = ipaddress.ip_network(network)
        prefix, value = network.prefixlen, int(network.network_address)
        if self.bits == 128 and network.version == 4:
            prefix += 96
        node = self.root
        for at in range(prefix):
            bit = value >> (self.bits - 1 - at) & 1
            if at == prefix - 1:
                node[bit] = offset
                return
            if node[bit] is None:
                node[bit] = [None, None]
            node = node[bit]

    def nodes(self):
        out = [self.root]
        for node in out:
            out.extend(child for child in node if isinstance(child, list))
        return out

    def encoded(self):
        nodes = self.nodes()
        numbers = {id(node): number for number, node in enumerate(nodes)}
        out = b""
        for node in nodes:
            for record in node:
                if record is None:
                    number = len(nodes)
                else:
                    number = numbers[id(record)] if isinstance(record, list) else len(nodes) + 16 + record
                out += number.to_bytes(RECORD_BITS // 8, "big")
        return out, len(nodes)


def database(version, build_epoch, networks):
    tree, data = Tree(128 if version == 6 else 32), b""
    for network, value in networks.items():
        tree.add(network, len(data))
        data += encoded(value)
    search, count = tree.encoded()
    metadata = {
        "binary_format_major_version": ("u16", 2), "binary_format_minor_version": ("u16", 0),
        "build_epoch": ("u64", build_epoch), "database_type": "Holdfast-Test-Country", "description": {"en": "for tests"},
        "ip_version": ("u16", version), "languages": ["en"], "node_count": ("u32", count), "record_size": ("u16", RECORD_BITS),
    }
    return search + bytes(16) + data + MARKER + encoded(metadata)


def place(country, continent):
    return {"continent": {"code": continent}, "country": {"iso_code": country}}


COUNTRIES = {
    "192.0.2.0/24": place("BR", "SA"),
    "198.51.100.0/24": place("DE", "EU"),
    "203.0.113.0/25": {"continent": {"code": "EU"}},
    "203.0.113.128/25": place("DEU", "Europe"),
    "198.51.101.0/24": "no map",
    "198.51.102.0/24": place("1\0", "é"),
    "2001:db8:1::/48": place("US", "NA"),
}

if __name__ == "__main__":
    here = Path(__file__).parent
    (here / "countries.mmdb").write_bytes(database(6, 1_767_225_600, COUNTRIES))
    moved = COUNTRIES | {"192.0.2.0/24": place("DE", "EU")}
    (here / "countries_moved.mmdb").write_bytes(database(6, 1_767_830_400, moved))
    ipv4 = {network: value for network, value in COUNTRIES.items() if ":" not in network}
    (here / "countries_ipv4.mmdb").write_bytes(database(4, 1_767_225_600, ipv4))
