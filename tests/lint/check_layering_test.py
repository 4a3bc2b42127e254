#!/usr/bin/env python3
"""Plants one mistake at a time in a small tree and sees check_layering.py find it, and only it."""
import tempfile
import unittest
from pathlib import Path

from check_layering import Checker

LAYERS = """
set(holdfast_uses_base "")
set(holdfast_uses_crypto holdfast::base PkgConfig::sodium)
set(holdfast_uses_sync holdfast::crypto)
set(holdfast_uses_net holdfast::sync Boost::headers)
set(holdfast_uses_discovery_http holdfast::base)
set(holdfast_uses_replicator_net holdfast::net)
set(holdfast_pure base crypto sync)
"""
CLEAN = {
    "cmake/layers.cmake": LAYERS,
    "client-sdk/base/mutex.h": "#include <mutex>\n",
    "client-sdk/base/bytes.h": "#include <vector>\n#include <chrono>\n",
    "client-sdk/crypto/hash.h": '#include "base/bytes.h"\n',
    "client-sdk/crypto/hash.cpp": '#include "crypto/hash.h"\n#include <sodium.h>\n// steady_clock is not asked here.\n',
    "client-sdk/crypto/CMakeLists.txt": "holdfast_library(crypto hash.cpp)",
    "client-sdk/sync/engine.h": '#include "base/bytes.h"\n#include "crypto/hash.h"\n/// TODO(perf): batch.\n',
    "client-sdk/net/host.h": '#include <boost/asio.hpp>\n#include "base/mutex.h"\n#include "sync/engine.h"\n#include <thread>\n',
    "replicator/net/listener.h": '#include "net/host.h"\n',
    "discovery/http/routes.h": '#include "base/bytes.h"\n',
    "tests/unit/sync/engine_test.cpp": '#include <gtest/gtest.h>\n#include "sync/engine.h"\n',
    "tests/unit/sync/CMakeLists.txt": "holdfast_test(sync_engine_test SOURCES engine_test.cpp)",
}


def findings(changes=None):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in {**CLEAN, **(changes or {})}.items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Checker(folder).run()


class CheckLayering(unittest.TestCase):
    def caught(self, changes, words):
        found = findings(changes)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(findings(), [])

    def test_a_lower_folder_includes_a_higher_one(self):
        self.caught({"client-sdk/crypto/keys.h": '#include "sync/engine.h"\n'}, "'crypto' may not use 'sync'")

    def test_one_program_includes_the_other(self):
        self.caught({"replicator/net/pump.h": '#include "discovery/http/routes.h"\n'}, "may not use 'discovery_http'")

    def test_the_sdk_includes_a_program(self):
        self.caught({"client-sdk/net/peer.h": '#include "replicator/net/listener.h"\n'}, "may not use 'replicator_net'")

    def test_a_third_party_where_it_is_not_listed(self):
        self.caught({"client-sdk/sync/fast.h": "#include <sodium.h>\n"}, "'sync' may not use <sodium.h>")

    def test_a_third_party_is_not_inherited(self):
        self.caught({"replicator/net/pump.h": "#include <boost/asio.hpp>\n"}, "'replicator_net' may not use <boost/asio.hpp>")

    def test_an_unknown_third_party(self):
        self.caught({"client-sdk/net/peer.h": "#include <uv.h>\n"}, "belongs to no library")

    def test_a_pure_folder_starts_a_thread(self):
        self.caught({"client-sdk/sync/worker.h": "#include <thread>\n"}, "'sync' is pure")

    def test_a_pure_folder_takes_a_lock_of_ours(self):
        self.caught({"client-sdk/sync/worker.h": '#include "base/mutex.h"\n'}, "is for shells")

    def test_a_pure_folder_reads_a_clock(self):
        self.caught({"client-sdk/sync/tick.h": "inline auto now() { return std::chrono::steady_clock::now(); }\n"}, "steady_clock")

    def test_a_pure_folder_opens_a_socket(self):
        self.caught({"client-sdk/crypto/dial.h": "#include <sys/socket.h>\n"}, "'crypto' is pure")

    def test_headers_in_a_circle(self):
        self.caught({"client-sdk/net/a.h": '#include "net/b.h"\n', "client-sdk/net/b.h": '#include "net/a.h"\n'}, "include each other")

    def test_a_source_that_nobody_builds(self):
        self.caught({"client-sdk/crypto/lost.cpp": "\n"}, "is not listed")

    def test_a_test_that_nobody_builds(self):
        self.caught({"tests/unit/sync/lost_test.cpp": "\n"}, "is not listed")

    def test_a_folder_without_a_line_in_the_table(self):
        self.caught({"client-sdk/extra/a.h": "\n"}, "no line in cmake/layers.cmake")

    def test_a_program_includes_a_test(self):
        self.caught({"tests/support/fake.h": "\n", "client-sdk/net/peer.h": '#include "tests/support/fake.h"\n'}, "do not include tests")

    def test_marks_that_must_not_stay(self):
        self.caught({"client-sdk/base/a.h": "// TODO" + "(now): finish\n"}, "TODO needs a kind")
        self.caught({"client-sdk/base/a.h": "// FIX" + "ME later\n"}, "FIXME")
        self.caught({"client-sdk/base/a.h": "// TODO finish\n"}, "TODO needs a kind")

    def test_what_clang_14_cannot_compile(self):
        self.caught({"client-sdk/base/a.h": "auto x = v | std::views::take(2);\n"}, "std::views::")
        self.caught({"client-sdk/base/a.h": "#include <format>\n"}, "<format>")

    def test_file_names(self):
        self.caught({"client-sdk/base/BadName.h": "\n"}, "snake_case")

    def test_a_header_that_does_not_exist(self):
        self.caught({"client-sdk/net/peer.h": '#include "net/nowhere.h"\n'}, "is not in the tree")


if __name__ == "__main__":
    unittest.main()
