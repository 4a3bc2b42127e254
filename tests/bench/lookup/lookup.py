#!/usr/bin/env python3
"""Server CPU per look-up of holdfast-discovery, beside nginx returning the same bytes as a constant.

Both serve TLS with the same certificate and are pinned to core 0; wrk is on core 1, so that it does not eat what is measured.
The figure is CPU time of all processes of the server (from /proc/PID/stat) divided by requests answered: requests per second
would mislead, because the generator saturates first. Rounds of both alternate; the ratio is that of the medians.
Python, because its standard library has keyed BLAKE2b: the look-up needs the discovery key of a core key.
"""
import argparse
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_SECONDS = 30
CORE_KEY = hashlib.sha256(b"holdfast look-up benchmark").digest()
PATH = "/project/%s/sync" % hashlib.blake2b(b"hypercore", digest_size=32, key=CORE_KEY).hexdigest()
TICKS = os.sysconf("SC_CLK_TCK")


def find(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") or sys.exit(f"{program} is missing; run ./dev setup")


class Processes:
    """What was started, ended in reverse order when the block is left."""

    def __init__(self):
        self.all = []

    def start(self, command, **options):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self.all.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.all):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.all):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_line(process, output, pattern):
    """Waits until the file that takes the process's stdout has a matching line. Returns: the match."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if match := re.search(pattern, output.read_text()):
            return match
        time.sleep(0.05)
    sys.exit(f"{process.args[0]} did not print {pattern!r}:\n{output.read_text()}")


def get(port, path):
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    subprocess.run([find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    der = ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())
    return hashlib.sha256(der).hexdigest()


def start_discovery(processes, programs, folder, pin):
    """holdfast-discovery with one replicator that hosts the key. Returns: (pid, port, the answer)."""
    log, said = open(folder / "log", "a"), {name: folder / f"{name}.out" for name in ("discovery", "node")}
    service = processes.start(
        ["taskset", "-c", "0", programs / "holdfast-discovery", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
         "--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem", "--state-dir", folder / "discovery",
         "--probe-allow", "127.0.0.0/8"], stdout=open(said["discovery"], "w"), stderr=log)
    port = int(wait_for_line(service, said["discovery"], r"listening on \S+:(\d+) public").group(1))
    node = processes.start(
        [programs / "holdfast-replicator", "--data", folder / "node", "--listen", "127.0.0.1:0", "--advertise", "127.0.0.1:4838",
         "--admin-listen", "127.0.0.1:0", "--discovery", f"https://127.0.0.1:{port}", "--discovery-pin", pin, "--project", CORE_KEY.hex()],
        stdout=open(said["node"], "w"), stderr=log)
    wait_for_line(node, said["node"], r"listening on \S+:\d+ public")
    deadline, status, body = time.monotonic() + START_SECONDS, 0, b""
    while time.monotonic() < deadline:
        status, body = get(port, PATH)
        if status == 200:
            return service.pid, port, body
        time.sleep(0.1)
    sys.exit(f"the replicator did not register; last answer: {status} {body[:300]!r}\n{(folder / 'log').read_text()[-2000:]}")


NGINX = """
worker_processes 1; pid %(folder)s/nginx.pid; error_log %(folder)s/nginx-error.log; daemon off;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; default_type application/json;
  client_body_temp_path %(folder)s; proxy_temp_path %(folder)s; fastcgi_temp_path %(folder)s; uwsgi_temp_path %(folder)s; scgi_temp_path %(folder)s;
  server {
    listen 127.0.0.1:%(port)d ssl; ssl_certificate %(folder)s/cert.pem; ssl_certificate_key %(folder)s/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { return 200 '%(body)s'; }
  }
}
"""


def start_nginx(processes, folder, body):
    port = free_port()
    text = NGINX % {"folder": folder, "port": port, "body": body.decode().replace("\\", "\\\\").replace("'", "\\'").replace("$", "")}
    (folder / "nginx.conf").write_text(text)
    server = processes.start(["taskset", "-c", "0", find("nginx"), "-c", folder / "nginx.conf", "-p", folder], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            get(port, "/")
            return server.pid, port
        except OSError:
            time.sleep(0.05)
    sys.exit("nginx does not answer: " + (folder / "nginx-error.log").read_text()[-1000:])


def family(pid):
    """The process and its children, children's children and so on."""
    pids = [pid]
    for parent in pids:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            pids += [int(child) for child in task.read_text().split()]
    return pids


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])  # utime and stime, fields 14 and 15 of proc(5)
    return total / TICKS


def measure(pid, port, options):
    """One round. Returns: (µs of server CPU per request, requests per second)."""
    command = ["taskset", "-c", "1", find("wrk"), "-t", "1", "-c", str(options.connections), "-d", f"{options.seconds}s",
               f"https://127.0.0.1:{port}{PATH}"]
    before = cpu_seconds(pid)
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    if wrong := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        sys.exit(f"{wrong.group(1)} answers were errors")
    if requests == 0:
        sys.exit(f"nothing was answered:\n{text}")
    return 1e6 * spent / requests, requests / options.seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=Path(__file__).resolve().parents[3] / "build/bin", help="folder of the programs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement")
    parser.add_argument("--connections", type=int, default=32, help="keep-alive connections")
    parser.add_argument("--nginx-only", action="store_true", help="measure only nginx, to know the noise of the machine")
    options = parser.parse_args()
    if os.cpu_count() < 2:
        sys.exit("two cores are needed: one for the server, one for the generator")
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name, Processes() as processes:
        folder = Path(name)
        pin = make_certificate(folder)
        servers = {}
        body = json.dumps({"host": "node3.example.org", "port": 4838, "expires_in": 45, "padding": "x" * 500}).encode()
        if not options.nginx_only:
            pid, port, body = start_discovery(processes, options.bin, folder, pin)
            servers["holdfast-discovery"] = (pid, port)
        servers["nginx constant"] = start_nginx(processes, folder, body)
        results = {server: [] for server in servers}
        print(f"TLS, keep-alive, {options.connections} connections, answers of {len(body)} bytes, {options.rounds} rounds of {options.seconds} s")
        for round_number in range(1, options.rounds + 1):
            for server, (pid, port) in servers.items():
                results[server].append(measure(pid, port, options))
                print(f"  round {round_number}: {server:20} {results[server][-1][0]:7.2f} us CPU/request {results[server][-1][1]:9.0f} requests/s", flush=True)
        report(results)


def report(results):
    print(f"\n{'server':20} {'us CPU/request: min':>20} {'median':>8} {'max':>8}")
    for server, rounds in results.items():
        values = [cpu for cpu, _ in rounds]
        print(f"{server:20} {min(values):20.2f} {statistics.median(values):8.2f} {max(values):8.2f}")
    if len(results) == 2:
        ours, theirs = (statistics.median(cpu for cpu, _ in results[s]) for s in ("holdfast-discovery", "nginx constant"))
        print(f"\nmedian ratio holdfast-discovery / nginx: {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
