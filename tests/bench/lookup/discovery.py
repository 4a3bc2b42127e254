#!/usr/bin/env python3
"""What holdfast-discovery's look-ups cost, beside nginx returning a constant of the same size and Syncthing's discovery server.

All serve TLS with the same certificate. Servers (Redis too) are pinned to core 0, the load generator to core 1, so that it does not
eat what is measured. The figure is CPU time of all processes of a server (user and system, from /proc/PID/stat) divided by requests
answered: requests per second would mislead, because the generator saturates first. Rounds of all servers alternate, so that what the
machine does meanwhile meets all alike; ratios are those of the medians.
"""
import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from servers import (Processes, cpu_seconds, eventually, make_certificate, memory_kb, need, pinned, request, start_fleet, start_instance, start_nginx,
                     start_redis, start_stdiscosrv)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from targets import report

OURS, NGINX, STDISCO = "holdfast-discovery", "nginx constant", "stdiscosrv"

# name: (mode and connections of the generator, its options, whether ours asks another instance for the ticket)
LOADS = {
    "keep-alive, 32 connections": ("keep-alive", 32, []),
    "keep-alive, 500 connections": ("keep-alive", 500, []),
    "keep-alive, 32, headers of Node's fetch": ("keep-alive", 32, ["fetch"]),
    "full handshake each, TLS 1.3": ("handshake", 16, []),
    "full handshake each, TLS 1.2": ("handshake", 16, ["tls=1.2"]),
    "resumed, TLS 1.3": ("resume", 16, []),
    "resumed, TLS 1.2": ("resume", 16, ["tls=1.2"]),
}


class Bench:
    def __init__(self, options, folder, processes):
        self.options, self.folder, self.processes = options, folder, processes
        self.certificate = make_certificate(folder, "server")
        pin = hashlib.sha256(self.certificate[2]).hexdigest()
        self.redis, self.redis_port = start_redis(processes, folder)
        programs = options.bin
        self.other = start_instance(processes, programs, folder, "other", self.certificate, self.redis_port)
        self.ours = start_instance(processes, programs, folder, "ours", self.certificate, self.redis_port)
        self.paths = start_fleet(processes, programs, folder, self.ours[1], pin, options.replicators, options.keys)
        self.path = self.paths.read_text().split("\n", 1)[0]
        status, self.size, body = request(self.ours[1], "GET", self.path)
        if status != 200:
            sys.exit(f"a registered key is not found: {status} {body[:300]!r}")
        self.nginx = start_nginx(processes, folder, self.certificate, self.size)
        self.stdisco = start_stdiscosrv(processes, folder, self.certificate)
        self.servers = {OURS: (self.ours[0], self.ours[1], f"path=@{self.paths}"), NGINX: (self.nginx[0], self.nginx[1], "path=/")}
        if self.stdisco:
            self.servers[STDISCO] = (self.stdisco[0], self.stdisco[1], "path=" + self.stdisco[2])
        print(f"answers: {OURS} {self.size} bytes, {NGINX} {self.nginx[2]}" + ("" if self.stdisco else "; stdiscosrv is not installed"))

    def generator(self, mode, port, seconds, connections, arguments):
        return [str(word) for word in pinned(1, [self.options.bin / "https_load", mode, port, seconds, connections, *arguments])]

    def once(self, server, mode, connections, arguments):
        """Returns: the generator's figures, with cpu_us and redis_us."""
        pid, port, path = self.servers[server]
        ticket = [f"ticket-port={self.other[1]}"] if server == OURS and mode == "resume" else []
        before, redis_before = cpu_seconds(pid), cpu_seconds(self.redis)
        out = subprocess.run(self.generator(mode, port, self.options.seconds, connections, [path, *arguments, *ticket]),
                             check=True, capture_output=True, text=True).stdout
        figures = json.loads(out)
        if figures["requests"] == 0 or figures["failed"] > figures["requests"] / 1000:
            sys.exit(f"{server}: {figures['failed']} failed of {figures['requests']}")
        if mode == "resume" and figures["resumed"] < figures["requests"] * 0.99:
            sys.exit(f"{server}: only {figures['resumed']} of {figures['requests']} connections were resumed")
        figures["cpu_us"] = 1e6 * (cpu_seconds(pid) - before) / figures["requests"]
        figures["redis_us"] = 1e6 * (cpu_seconds(self.redis) - redis_before) / figures["requests"]
        return figures

    def compare(self, name):
        """Returns: server -> median CPU."""
        mode, connections, arguments = LOADS[name]
        # Go's server resumes in its own way; what is compared with it is said in the targets.
        servers = [each for each in self.servers if each != STDISCO or mode != "resume"]
        rounds = {server: [] for server in servers}
        for _ in range(self.options.rounds):
            for server in servers:
                rounds[server].append(self.once(server, mode, connections, arguments))
        print(f"\n{name}\n  {'':20} {'us CPU/request: min':>20} {'median':>8} {'max':>8} {'requests/s':>11} {'p99 us':>8}")
        medians = {}
        for server, figures in rounds.items():
            cpu = [each["cpu_us"] for each in figures]
            medians[server] = statistics.median(cpu)
            rate = statistics.median(each["requests"] / each["seconds"] for each in figures)
            p99 = statistics.median(each["p99_us"] for each in figures)
            redis = statistics.median(each["redis_us"] for each in figures)
            beside = f"  Redis {redis:.2f} us" if server == OURS else f"  ours is {medians[OURS] / medians[server]:.2f}x"
            print(f"  {server:20} {min(cpu):20.2f} {medians[server]:8.2f} {max(cpu):8.2f} {rate:11.0f} {p99:8.0f}{beside}", flush=True)
        return medians

    def hold(self, mode, port, connections, path):
        process = subprocess.Popen(self.generator(mode, port, 1, connections, [path]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()  # "holding"
        return process

    def fresh(self):
        """Servers that have answered nothing yet: what loads leave behind is reused by idle connections. Returns: server -> pid, port, path."""
        folder = self.folder / "fresh"
        folder.mkdir()
        ours = start_instance(self.processes, self.options.bin, self.folder, "idle", self.certificate, self.redis_port)
        eventually("the key at a fresh instance", lambda: request(ours[1], "GET", self.path)[0] == 200)
        nginx = start_nginx(self.processes, folder, self.certificate, self.size)
        return {OURS: (*ours, f"path=@{self.paths}"), NGINX: (*nginx[:2], "path=/")}

    def idle(self):
        """Returns: server -> bytes of memory for each idle connection."""
        print(f"\n{self.options.idle} idle keep-alive TLS connections, one request each before")
        each = {}
        for server, (pid, port, path) in self.fresh().items():
            before = memory_kb(pid)
            held = self.hold("idle", port, self.options.idle, path)
            time.sleep(1)  # Buffers are given back when the socket was found empty.
            each[server] = 1024 * (memory_kb(pid) - before) / self.options.idle
            held.communicate()
            print(f"  {server:20} {each[server]:8.0f} bytes each", flush=True)
        return each

    def slow(self):
        """Returns: (undisturbed p99, p99 beside slow clients) of look-ups, in us."""
        _, port, path = self.servers[OURS]
        calm, disturbed = [], []
        for _ in range(self.options.rounds):
            calm.append(self.once(OURS, "keep-alive", 32, [])["p99_us"])
            held = self.hold("slow", port, self.options.slow, path)
            disturbed.append(self.once(OURS, "keep-alive", 32, [])["p99_us"])
            held.communicate()
        result = statistics.median(calm), statistics.median(disturbed)
        print(f"\n{self.options.slow} clients that send a byte per second or never read: p99 of look-ups {result[1]:.0f} us, without them {result[0]:.0f} us"
              f" ({result[1] / result[0]:.2f}x)", flush=True)
        return result


def judge(cpu, idle, slow):
    """Prints each target with what was measured. Returns: whether all are met."""
    names = list(LOADS)
    lines = []

    def target(what, value, limit):
        lines.append((what, value, limit))

    def ratio(name, limit, other=NGINX):
        if name in cpu and other in cpu[name]:
            target(f"{name}: CPU / {other}", cpu[name][OURS] / cpu[name][other], limit)
    ratio(names[0], 1.15)
    ratio(names[1], 1.2)
    ratio(names[2], 1.15)
    ratio(names[3], 1.05)
    ratio(names[5], 1.05)
    if names[6] in cpu and names[4] in cpu:
        target("resumed, TLS 1.2, at another instance: CPU / our full handshake", cpu[names[6]][OURS] / cpu[names[4]][OURS], 0.6)
    ratio(names[0], 0.65, STDISCO)
    ratio(names[3], 0.8, STDISCO)
    if idle:
        target("memory of an idle connection / nginx's", idle[OURS] / idle[NGINX], 1.0)
    if slow:
        target("p99 beside slow clients / undisturbed", slow[1] / slow[0], 1.5)
    return report(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=Path(__file__).resolve().parents[3] / "build/bin", help="folder of the programs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--replicators", type=int, default=10)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections")
    parser.add_argument("--slow", type=int, default=1000, help="slow clients")
    parser.add_argument("--only", choices=["cpu", "idle", "slow"], help="one part")
    parser.add_argument("--load", action="append", choices=list(LOADS), help="only this load (repeatable)")
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("two cores are needed: one for the servers, one for the generator")
    need("taskset")
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name, Processes() as processes:
        bench = Bench(options, Path(name), processes)
        wanted = options.only
        cpu = {load: bench.compare(load) for load in options.load or LOADS} if wanted in (None, "cpu") else {}
        idle = bench.idle() if wanted in (None, "idle") else None
        slow = bench.slow() if wanted in (None, "slow") else None
        met = judge(cpu, idle, slow)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
