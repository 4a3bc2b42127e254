#!/usr/bin/env python3
"""Breaks one rule at a time in a copy of the tree and expects the test that guards it to fail.

Usage: run.py [NAME...]     names of patches in tests/mutants, without .patch; all when none is named

A patch starts with three lines, then the diff (as `git diff` prints it):
    Breaks: the rule, in words
    Target: the test program to build and run
    Test: the gtest filter of the tests that must pass without the patch and fail with it
The copy and its build folder stay in build/mutants, so that the next run compiles only what changed.
Exit code 0 when every mutant was caught.
"""
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "build/mutants/tree"
BUILD = ROOT / "build/mutants/build"
LOGS = ROOT / "build/log"
TEST_SECONDS = 180
CONFIGURE = ["cmake", "-S", str(COPY), "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_COMPILER=g++",
             "-DCMAKE_CXX_FLAGS=-O1 -D_GLIBCXX_ASSERTIONS", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]


@dataclass
class Mutant:
    name: str
    patch: Path
    breaks: str
    target: str
    test: str


def read(patch):
    head = patch.read_text().split("\ndiff ", 1)[0] + "\n"
    fields = dict(re.findall(r"^(Breaks|Target|Test): *(.+)$", head, flags=re.M))
    missing = {"Breaks", "Target", "Test"} - set(fields)
    if missing:
        sys.exit(f"{patch}: no line for {', '.join(sorted(missing))}")
    return Mutant(patch.stem, patch, fields["Breaks"].strip(), fields["Target"].strip(), fields["Test"].strip())


def copy_tree():
    """Brings the copy up to date with the working tree; files that did not change keep their time, so that nothing is compiled twice."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    wanted = {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()}
    for name in sorted(wanted):
        source, target = ROOT / name, COPY / name
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        shutil.copymode(source, target)
    for path in [p for p in COPY.rglob("*") if p.is_file() or p.is_symlink()]:
        if str(path.relative_to(COPY)) not in wanted:
            path.unlink()


def run(command, log, seconds=None):
    """Returns: the exit code (None on time-out); output goes to the log, which is kept."""
    with open(log, "a") as out:
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        try:
            # A terminal or a proxy must not change what tests print; everything else of the environment stays.
            return subprocess.run(command, cwd=COPY, stdout=out, stderr=subprocess.STDOUT, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            return None


def build(target, log):
    return run(["cmake", "--build", str(BUILD), "--target", target], log) == 0


def run_test(mutant, log):
    """Returns: "passed", "failed", "stuck", or "nothing ran" when the filter names no test."""
    program = BUILD / "bin" / mutant.target
    listed = subprocess.run([program, f"--gtest_filter={mutant.test}", "--gtest_list_tests"], capture_output=True, text=True, timeout=60)
    if not re.search(r"^  \S", listed.stdout, flags=re.M):
        return "nothing ran"
    code = run([program, f"--gtest_filter={mutant.test}"], log, TEST_SECONDS)
    return "stuck" if code is None else "passed" if code == 0 else "failed"


def judge(mutant, baseline):
    """Returns: (caught?, what happened)."""
    log = LOGS / f"mutant-{mutant.name}.log"
    log.unlink(missing_ok=True)
    if (mutant.target, mutant.test) not in baseline:
        if not build(mutant.target, log):
            return False, f"{mutant.target} does not build without the patch"
        baseline[(mutant.target, mutant.test)] = run_test(mutant, log)
    if baseline[(mutant.target, mutant.test)] != "passed":
        return False, f"without the patch: {baseline[(mutant.target, mutant.test)]}"
    touched = re.findall(r"^\+\+\+ b/(\S+)", mutant.patch.read_text(), flags=re.M)
    kept = {name: (COPY / name).read_bytes() for name in touched if (COPY / name).is_file()}
    try:
        if run(["patch", "-p1", "--no-backup-if-mismatch", "-F2", "-i", str(mutant.patch)], log) != 0:
            return False, "the patch no longer applies"
        if not build(mutant.target, log):
            return False, "does not compile"
        outcome = run_test(mutant, log)
        return outcome in ("failed", "stuck"), {"passed": "NOT NOTICED"}.get(outcome, outcome)
    finally:
        for name, content in kept.items():
            (COPY / name).write_bytes(content)


def main(names):
    patches = sorted(Path(__file__).parent.glob("*.patch"))
    if unknown := set(names) - {p.stem for p in patches}:
        sys.exit(f"no such mutant: {', '.join(sorted(unknown))}")
    mutants = [read(p) for p in patches if not names or p.stem in names]
    if not mutants:
        sys.exit("there are no patches in tests/mutants")
    LOGS.mkdir(parents=True, exist_ok=True)
    COPY.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("CCACHE_BASEDIR", str(COPY))
    copy_tree()
    configure_log = LOGS / "mutants-configure.log"
    configure_log.unlink(missing_ok=True)
    if run(CONFIGURE, configure_log) != 0:
        sys.exit(f"the copy does not configure, see {configure_log}")
    baseline, missed = {}, 0
    for mutant in mutants:
        started = time.monotonic()
        caught, outcome = judge(mutant, baseline)
        missed += not caught
        print(f"{'caught' if caught else 'MISSED':7} {mutant.name:40} {time.monotonic() - started:4.0f} s  {mutant.test}: {outcome}"
              f"\n        {mutant.breaks}", flush=True)
    print(f"\n{len(mutants) - missed} of {len(mutants)} mutants caught; logs: build/log/mutant-*.log")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
