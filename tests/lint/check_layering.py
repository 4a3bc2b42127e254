#!/usr/bin/env python3
"""Holds every #include and a few house rules against the tree. Usage: check_layering.py [TREE]

The table of who may use whom is cmake/layers.cmake and nothing else:
  - a folder includes its own headers and those of the folders it uses, directly or through them;
  - a third-party header is included only by a folder whose own line names that library;
  - a folder in `holdfast_pure` meets no thread, lock, clock, file, socket, environment or randomness;
  - headers do not include each other in a circle;
  - every .cpp is listed in the CMakeLists.txt beside it;
  - no TODO(now), no FIXME, only known kinds of TODO; nothing that clang 14 cannot compile; snake_case file names.
Prints one line per finding; exit code 1 if there is any. Warnings (long files) do not fail.
"""
import os
import re
import sys
from pathlib import Path

# Third-party header -> what a folder's line in layers.cmake must name.
THIRD_PARTY = [
    (r"sodium(\.h|/)", {"PkgConfig::sodium"}),
    (r"rocksdb/", {"RocksDB::rocksdb-shared"}),
    (r"httplib\.h$", {"PkgConfig::httplib"}),
    (r"openssl/", {"OpenSSL::SSL", "OpenSSL::Crypto"}),
    (r"boost/", {"Boost::headers"}),
    (r"nlohmann/", {"nlohmann_json::nlohmann_json"}),
    (r"CLI/", {"CLI11::CLI11"}),
    (r"(spdlog|fmt)/", {"spdlog::spdlog"}),
    (r"hiredis/", {"PkgConfig::hiredis"}),
    (r"prometheus/", {"PkgConfig::prometheus_core"}),
    (r"maxminddb\.h$", {"PkgConfig::maxminddb"}),
]
SYSTEM = re.compile(
    r"^((sys|netinet|arpa|net|linux)/|(unistd|fcntl|poll|netdb|signal|pthread|termios|dirent|sched|time|errno|ifaddrs)\.h$)")
IMPURE_STD = {
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "atomic", "semaphore", "latch", "barrier",
    "stop_token", "fstream", "filesystem", "random", "iostream", "ctime", "csignal",
}
IMPURE_WORDS = re.compile(
    r"\b((?:system|steady|high_resolution|utc|file)_clock\b|(?:std::)?(?:getenv|s?rand|clock_gettime|gettimeofday)\s*\("
    r"|std::time\s*\(|random_device\b)")
# Headers of a pure folder that only shells may use, with the impure things each may touch itself.
SHELL_HEADERS = {"base/mutex.h"}
NOT_IN_CLANG_14 = re.compile(r"\bstd::(views::|ranges::views\b|source_location\b|expected\b|format\b|move_only_function\b)")
TODO_KINDS = {"perf", "test", "port", "security"}
FILE_NAME = re.compile(r"^[a-z0-9_]+\.(h|cpp)$")
FILE_LINES_WARN = 600
SKIPPED = {"build", "node_modules", ".git", "golden"}


def strip_comments(text):
    """Blanks out comments and string bodies, keeping line numbers; #include lines keep their quotes."""
    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return "\n" * token.count("\n") or " "
        return token if "\n" not in token and match.string[: match.start()].rsplit("\n", 1)[-1].lstrip().startswith("#") else '""'
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


class Table:
    """cmake/layers.cmake: what each folder uses, and which folders are pure."""

    def __init__(self, tree):
        text = re.sub(r"#[^\n]*", "", (tree / "cmake/layers.cmake").read_text())
        self.uses = {}
        self.pure = set()
        for name, body in re.findall(r"set\(holdfast_(\w[\w-]*)\s+([^)]*)\)", text):
            words = body.replace('"', "").split()
            if name == "pure":
                self.pure = set(words)
            elif name.startswith("uses_"):
                self.uses[name[len("uses_"):]] = words

    def ours(self, name):
        """Names of our libraries that `name` may include, through others too."""
        seen, todo = set(), [name]
        while todo:
            for used in self.uses.get(todo.pop(), []):
                if used.startswith("holdfast::") and (short := used[len("holdfast::"):]) not in seen:
                    seen.add(short)
                    todo.append(short)
        return seen

    def third_parties(self, name):
        return {used for used in self.uses.get(name, []) if not used.startswith("holdfast::")}


def library_of(path):
    """Library that owns a file (a path relative to the tree), or None for tests and public headers."""
    parts = path.split("/")
    if parts[0] == "client-sdk" and len(parts) > 2 and parts[1] not in ("include", "js"):
        return parts[1]
    if parts[0] in ("replicator", "discovery") and len(parts) > 2:
        return f"{parts[0]}_{parts[1]}"
    return None


class Checker:
    def __init__(self, tree):
        self.tree = Path(tree)
        self.table = Table(self.tree)
        self.findings = []
        self.warnings = []
        self.includes = {}  # header -> headers of ours it includes
        self.files = sorted(self.sources())

    def sources(self):
        for top in ("client-sdk", "replicator", "discovery", "tests"):
            for folder, names, files in os.walk(self.tree / top):
                names[:] = [n for n in names if n not in SKIPPED and not n.startswith(".")]
                yield from (os.path.relpath(os.path.join(folder, f), self.tree) for f in files if f.endswith((".h", ".cpp", ".cc", ".hpp")))

    def report(self, path, line, text):
        self.findings.append(f"{path}:{line}: {text}")

    def run(self):
        for name in self.table.pure - set(self.table.uses):
            self.report("cmake/layers.cmake", 1, f"'{name}' is called pure and is no folder")
        for path in self.files:
            self.check_file(path)
        self.check_cycles()
        self.check_listed()
        return self.findings

    def check_file(self, path):
        text = (self.tree / path).read_text(encoding="utf-8")
        if not FILE_NAME.match(Path(path).name):
            self.report(path, 1, "file names are snake_case, .h or .cpp")
        if text.count("\n") > FILE_LINES_WARN:
            self.warnings.append(f"{path}: {text.count(chr(10))} lines; 600 needs a reason in the commit message")
        self.check_marks(path, text)
        code = strip_comments(text)
        library = library_of(path)
        if library is not None and library not in self.table.uses:
            self.report(path, 1, f"its folder '{library}' has no line in cmake/layers.cmake")
            return
        for number, line in enumerate(code.split("\n"), 1):
            if match := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line):
                self.check_include(path, number, library, match.group(1) == '"', match.group(2))
            elif match := NOT_IN_CLANG_14.search(line):
                self.report(path, number, f"{match.group(0)} is not in g++ 12 or clang 14 as C++20")
            elif library in self.table.pure and not self.is_shell(path) and (match := IMPURE_WORDS.search(line)):
                self.report(path, number, f"'{library}' is pure: no {match.group(1).strip('( ')}")

    def check_marks(self, path, text):
        for number, line in enumerate(text.split("\n"), 1):
            if re.search(r"\bFIXME\b", line):
                self.report(path, number, "FIXME: mend it or write TODO(kind): text")
            for match in re.finditer(r"\bTODO\b(?:\((\w*)\))?", line):
                if match.group(1) not in TODO_KINDS:
                    self.report(path, number, f"TODO needs a kind of {', '.join(sorted(TODO_KINDS))}")

    def is_shell(self, path):
        return path.removeprefix("client-sdk/") in SHELL_HEADERS

    def find(self, path, header):
        """Where a quoted header of ours is, relative to the tree."""
        for base in ("client-sdk", "client-sdk/include", ".", "tests", os.path.dirname(path)):
            if (self.tree / base / header).is_file():
                return os.path.normpath(os.path.join(base, header))
        return None

    def check_include(self, path, number, library, quoted, header):
        target = self.find(path, header) if quoted or header.startswith("holdfast/") else None
        if target is not None:
            self.includes.setdefault(path, []).append((target, number))
            self.check_ours(path, number, library, target)
        elif quoted:
            self.report(path, number, f'"{header}" is not in the tree; third parties are included with <>')
        elif library is not None:
            self.check_foreign(path, number, library, header)

    def check_ours(self, path, number, library, target):
        if target.startswith("tests/") and not path.startswith("tests/"):
            self.report(path, number, "programs do not include tests")
        if library is None:
            return
        if library in self.table.pure and not self.is_shell(path) and self.is_shell(target):
            self.report(path, number, f"'{library}' is pure: {target} is for shells")
        other = library_of(target)
        if other is not None and other != library and other not in self.table.ours(library):
            self.report(path, number, f"'{library}' may not use '{other}'")

    def check_foreign(self, path, number, library, header):
        pure = library in self.table.pure and not self.is_shell(path)
        for pattern, names in THIRD_PARTY:
            if re.match(pattern, header):
                if not names & self.table.third_parties(library):
                    self.report(path, number, f"'{library}' may not use <{header}>: its line in cmake/layers.cmake does not name it")
                return
        if SYSTEM.match(header):
            if pure:
                self.report(path, number, f"'{library}' is pure: no <{header}>")
        elif re.fullmatch(r"[a-z0-9_]+", header):
            if pure and header in IMPURE_STD:
                self.report(path, number, f"'{library}' is pure: no <{header}>")
            if header in ("format", "expected", "source_location"):
                self.report(path, number, f"<{header}> is not in g++ 12 or clang 14 as C++20")
        else:
            self.report(path, number, f"<{header}> belongs to no library of cmake/dependencies.cmake")

    def check_cycles(self):
        done, trail = set(), []

        def visit(path):
            if path in trail:
                circle = trail[trail.index(path):] + [path]
                self.report(path, 1, "headers include each other: " + " -> ".join(circle))
            elif path not in done:
                trail.append(path)
                for target, _ in self.includes.get(path, []):
                    visit(target)
                trail.pop()
                done.add(path)

        for path in self.files:
            visit(path)

    def check_listed(self):
        for path in self.files:
            if not path.endswith(".cpp"):
                continue
            folder = Path(path).parent
            while folder != Path(".") and not (self.tree / folder / "CMakeLists.txt").is_file():
                folder = folder.parent
            lists = self.tree / folder / "CMakeLists.txt"
            if not lists.is_file() or Path(path).name not in lists.read_text() and not path.startswith("tests/support/"):
                self.report(path, 1, f"is not listed in {folder}/CMakeLists.txt")


def main():
    checker = Checker(sys.argv[1] if len(sys.argv) > 1 else ".")
    findings = checker.run()
    for line in checker.warnings:
        print(f"warning: {line}")
    for line in findings:
        print(line)
    print(f"{len(checker.files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
