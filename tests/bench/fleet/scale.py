#!/usr/bin/env python3
"""What a large fleet costs the discovery service: look-ups among many keys, Redis memory, renewals.

A small and a large directory are measured in one run, their rounds alternating: the services on core 0, Redis, the fleets and the generator on
core 1. Figures are CPU time of whole processes (/proc/PID/stat) per request. "cold" asks for every key once in random order right after a start of
the service, "warm" asks at random once all were asked for. Replicators register over HTTPS, pass their self-test, list
their keys with keyholder proofs, and renew over connections that are kept.
"""
import argparse
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from targets import report

TICKS = os.sysconf("SC_CLK_TCK")
FLEET_MAX = 5_000  # Replicators in one process: each takes two file descriptors.


def find(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") or sys.exit(f"{program} is missing; run ./dev setup")


def cpu_us(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // TICKS


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class World:
    """Redis, the service and fleets; ended when the block is left."""

    def __init__(self, programs):
        self.programs, self.all, self.fleets = programs, [], []

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-scale-"))
        self.redis_port = free_port()
        self.redis = self.start(["taskset", "-c", "1", find("redis-server"), "--port", str(self.redis_port), "--save", "", "--appendonly", "no"])
        self.wait(self.redis, "Ready to accept")
        return self

    def __exit__(self, *_):
        for process in reversed(self.all):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, command):
        out = open(self.folder / f"{len(self.all)}.out", "w+")
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, text=True)
        process.said = Path(out.name)
        self.all.append(process)
        return process

    def wait(self, process, pattern, seconds=3_600):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            if match := re.search(pattern, process.said.read_text()):
                return match
            time.sleep(0.05)
        if match := re.search(pattern, process.said.read_text()):
            return match
        sys.exit(f"{process.args[0:4]}: no {pattern!r} in\n{process.said.read_text()[-2000:]}")

    def start_service(self, port=0):
        self.service = self.start(
            ["taskset", "-c", "0", self.programs / "holdfast-discovery", "--listen", f"127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0",
             "--state-dir", self.folder / "state", "--store", f"redis://127.0.0.1:{self.redis_port}/0", "--lease", "10m",
             "--probe-allow", "127.0.0.0/8"])
        self.port = int(self.wait(self.service, r"listening on \S+:(\d+) public").group(1))
        self.pin = self.wait(self.service, r"certificate sha256 (\w+)").group(1)

    def restart_service(self):
        self.service.kill()
        self.service.wait()
        self.start_service(self.port)
        time.sleep(3)  # Reads the table of replicators.

    def redis_bytes(self):
        with socket.create_connection(("127.0.0.1", self.redis_port)) as connection:
            connection.sendall(b"INFO memory\r\n")
            text = ""
            while "used_memory_human" not in text:
                text += connection.recv(65536).decode()
        return int(re.search(r"used_memory:(\d+)", text).group(1))

    def join(self, replicators, keys):
        """Returns: the registry keys."""
        count = -(-replicators // FLEET_MAX)
        self.fleets, files = [], []
        for i in range(count):
            files.append(self.folder / f"keys{i}")
            self.fleets.append(self.start(
                ["taskset", "-c", "1", self.programs / "holdfast-fleet", "--discovery", f"https://127.0.0.1:{self.port}", "--pin", self.pin,
                 "--replicators", str(replicators // count), "--keys", str(keys // count), "--proofs", "--seed", f"{replicators}{i}",
                 "--threads", "8", "--keys-file", files[-1]]))
        for fleet in self.fleets:
            self.wait(fleet, "joined")
        return [key for file in files for key in file.read_text().split()]

    def load(self, mode, seconds, connections, paths):
        """Returns: (answers, CPU of the service and of Redis per answer in us, what the generator said)."""
        before = cpu_us(self.service.pid), cpu_us(self.redis.pid)
        run = subprocess.run(["taskset", "-c", "1", self.programs / "https_load", mode, str(self.port), str(seconds), str(connections), f"path=@{paths}"],
                             check=True, capture_output=True, text=True)
        after = cpu_us(self.service.pid), cpu_us(self.redis.pid)
        said = json.loads(run.stdout)
        if said["failed"] or not said["requests"]:
            sys.exit(f"the generator: {run.stdout}")
        return said["requests"], (after[0] - before[0]) / said["requests"], (after[1] - before[1]) / said["requests"], said

    def renew_all(self, seconds, may_fail=False):
        """Returns: share of one core that the service and Redis used while everybody renewed once."""
        before = cpu_us(self.service.pid) + cpu_us(self.redis.pid)
        for fleet in self.fleets:
            fleet.said.write_text("")  # The fleet goes on writing behind what is cut off.
            fleet.stdin.write(f"renew {seconds}\n")
            fleet.stdin.flush()
        for fleet in self.fleets:
            failed = int(self.wait(fleet, r"renewed, failed (\d+)").group(1))
            if failed and not may_fail:
                sys.exit(f"{failed} renewals failed")
        return (cpu_us(self.service.pid) + cpu_us(self.redis.pid) - before) / seconds / 1e6


def warm_up(world, paths, keys):
    """Asks until every key was asked for: the service then holds all of them that fit."""
    asked, figures = 0, None
    while asked < 6 * keys:  # At random: 1 - e^-6 of all.
        answers, service, redis, said = world.load("keep-alive", 5, 32, paths)
        figures = figures or (service, redis, said)
        asked += answers
    return figures


def prepare(world, replicators, keys, lines, targets):
    """Fills the world, measures what is measured once, and leaves a service that knows every key. Returns: the file of
    paths to ask for, `lines` of them: the generator chooses among equally many in both worlds, so that it is equally fast.
    `targets` takes what is judged; None: nothing is."""
    world.start_service()
    base = world.redis_bytes()
    begun = time.monotonic()
    names = world.join(replicators, keys)
    entry_bytes = (world.redis_bytes() - base) / len(names)
    print(f"  joined in {time.monotonic() - begun:.0f} s; Redis: {entry_bytes:.0f} bytes per hosting entry, all indexes counted", flush=True)
    paths = world.folder / "paths"
    names *= max(1, lines // len(names))
    random.shuffle(names)
    paths.write_text("".join(f"/project/{name}/sync\n" for name in names))
    if targets is not None:
        world.renew_all(60, may_fail=True)  # Joining took so long that the first connections are closed again.
        share = world.renew_all(60)
        print(f"  {replicators} renewals in 60 s: {100 * share:.1f} % of one core, Redis included", flush=True)
        targets.append(("Redis, bytes per hosting entry", entry_bytes, 300))
        targets.append((f"{replicators} renewals in 60 s, % of one core", 100 * share, 5))
    world.restart_service()
    cold = warm_up(world, paths, keys)
    if targets is not None:
        print(f"  first look-ups after a start: {cold[0]:.1f} us CPU each, Redis {cold[1]:.1f} us, {cold[2]['requests'] / cold[2]['seconds']:.0f} per second", flush=True)
    return paths


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--replicators", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    options = parser.parse_args()
    targets = []
    with World(options.bin) as large, World(options.bin) as small:
        sizes = (large, options.replicators, options.keys, targets), (small, 10, 1_000, None)
        paths = []
        for world, replicators, keys, judged_by in sizes:
            print(f"{keys:,} keys, {replicators:,} replicators:", flush=True)
            paths.append(prepare(world, replicators, keys, options.keys, judged_by))
        rounds = [], []
        for _ in range(options.rounds):
            for i, (world, *_) in enumerate(sizes):
                rounds[i].append(world.load("keep-alive", 5, 32, paths[i])[1])
    for (_, _, keys, _), figures in zip(sizes, rounds):
        print(f"warm look-ups among {keys:,} keys: {statistics.median(figures):.2f} us CPU each (rounds: {', '.join(f'{figure:.2f}' for figure in figures)})")
    targets.append(("warm look-up, large over small", statistics.median(rounds[0]) / statistics.median(rounds[1]), 1.15))
    sys.exit(0 if report(targets) else 1)


if __name__ == "__main__":
    main()
