#!/usr/bin/env python3
"""Holds docs/api/problems.md against the problem types that the programs answer. Usage: check_problems.py [TREE]

Every type has a heading of its own, `### NAME`, followed by a line that begins with `Status NNN`; no heading is left of a
type that is gone. Types are read where they are written: the table in registration/problem.cpp, and `type = "NAME"` in
client-sdk/serve and in the two programs. Prints one line per finding; exit code 1 if there is any.
"""
import re
import sys
from pathlib import Path

PAGE = "docs/api/problems.md"
WITH_STATUS = [
    r'ProblemRow\{ProblemType::\w+,\s*(?P<status>\d+),\s*"(?P<name>[a-z-]+)"',
    r'\.status = (?P<status>\d+),\s*\.type = "(?P<name>[a-z-]+)"',
    r'case (?P<status>\d+):\s*type = "(?P<name>[a-z-]+)"',
]
WITHOUT_STATUS = r'\btype = "(?P<name>[a-z-]+)"'


def types_in_code(tree):
    """Name -> statuses that go with it where it is written; may be none."""
    sources = [tree / "client-sdk/registration/problem.cpp"]
    for folder in ("client-sdk/serve", "discovery", "replicator"):
        sources += sorted((tree / folder).rglob("*.cpp"))
    types = {}
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for pattern in WITH_STATUS:
            for match in re.finditer(pattern, text):
                types.setdefault(match["name"], set()).add(match["status"])
        for match in re.finditer(WITHOUT_STATUS, text):
            types.setdefault(match["name"], set())
    return types


def types_on_page(tree):
    """Name -> statuses that its first sentence names."""
    text = (tree / PAGE).read_text(encoding="utf-8")
    return {match["name"]: set(re.findall(r"\b\d{3}\b", match["first"] or ""))
            for match in re.finditer(r"^### (?P<name>\S+)\n(?P<first>Status[^.]*)?", text, re.M)}


def findings(tree):
    code, page = types_in_code(tree), types_on_page(tree)
    for name in sorted(code.keys() - page.keys()):
        yield f"{PAGE}: '{name}' has no heading"
    for name in sorted(page.keys() - code.keys()):
        yield f"{PAGE}: no program answers '{name}'"
    for name in sorted(code.keys() & page.keys()):
        if not page[name]:
            yield f"{PAGE}: '{name}' does not begin with its status"
        for status in sorted(code[name] - page[name] if page[name] else ()):
            yield f"{PAGE}: '{name}' is answered with {status}"


def main():
    tree = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(findings(tree))
    for line in found:
        print(line)
    print(f"{len(types_in_code(tree))} problem types, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
