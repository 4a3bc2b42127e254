#!/usr/bin/env python3
"""Plants one mistake at a time in a small tree and sees check_problems.py find it, and only it."""
import tempfile
import unittest
from pathlib import Path

from check_problems import findings

CLEAN = {
    "client-sdk/registration/problem.cpp": 'ProblemRow{ProblemType::UnknownKey, 404, "unknown-key", "Nobody"},\n',
    "client-sdk/serve/exchange.cpp": 'std::string_view type = "malformed-request";\n    case 408:\n      type = "too-slow";\n',
    "replicator/daemon/routes.cpp": '{.status = 404,\n .type = "unknown-project"}\n',
    "docs/api/problems.md": "## Group\n\n### unknown-key\nStatus 404, with `retry_after`. Ask.\n\n"
                            "### malformed-request\nStatus 400 (505 for another version). Mend it.\n\n"
                            "### too-slow\nStatus 408. Hurry.\n\n### unknown-project\nStatus 404. No.\n",
}


class CheckProblems(unittest.TestCase):
    def found(self, path="docs/api/problems.md", old="", new=""):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in CLEAN.items():
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text.replace(old, new) if name == path and old else text)
            return list(findings(Path(folder)))

    def caught(self, words, **change):
        found = self.found(**change)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_a_page_that_agrees(self):
        self.assertEqual(self.found(), [])

    def test_types_without_a_heading(self):
        self.caught("'unknown-key' has no heading", old="### unknown-key", new="#### unknown-key")
        self.caught("'too-slow' has no heading", old="### too-slow", new="too-slow")
        self.caught("'unknown-project' has no heading", old="### unknown-project", new="unknown-project")

    def test_a_heading_without_a_type(self):
        self.caught("no program answers 'lost'", old="## Group\n", new="### lost\nStatus 404. Gone.\n")

    def test_another_status(self):
        self.caught("'unknown-key' is answered with 404", old="Status 404, with", new="Status 410, with")
        self.caught("'too-slow' is answered with 408", old="Status 408", new="Status 400")

    def test_no_status(self):
        self.caught("'too-slow' does not begin with its status", old="Status 408. ", new="")


if __name__ == "__main__":
    unittest.main()
