"""Starts and measures what the discovery benchmarks compare: holdfast-discovery, nginx, Syncthing's stdiscosrv."""
import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

START_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")


def find(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")


def need(program):
    return find(program) or sys.exit(f"{program} is missing; run ./dev setup")


class Processes:
    """What was started, ended in reverse order when the block is left."""

    def __init__(self):
        self.all = []

    def start(self, command, **options):
        process = subprocess.Popen([str(word) for word in command], **{"stdin": subprocess.DEVNULL, **options})
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


def eventually(what, attempt):
    """Calls `attempt` until it gives something. Returns: that."""
    deadline, last = time.monotonic() + START_SECONDS, None
    while time.monotonic() < deadline:
        try:
            if result := attempt():
                return result
        except OSError as error:
            last = error
        time.sleep(0.1)
    sys.exit(f"{what}: not within {START_SECONDS} s ({last})")


def request(port, method, path, body=None, client=None, headers=None):
    """One HTTPS request. `client`: certificate and key files to show. Returns: status, all bytes of the answer's head and body, body."""
    context = ssl._create_unverified_context()
    if client:
        context.load_cert_chain(*client)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders()) + len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n\r\n")
    return answer.status, head + len(content), content


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder, name):
    """ECDSA P-256. Returns: (certificate file, key file, its DER)."""
    certificate, key = folder / f"{name}-cert.pem", folder / f"{name}-key.pem"
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key, ssl.PEM_cert_to_DER_cert(certificate.read_text())


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


# --- holdfast-discovery ----------------------------------------------------------------------------------------------

def start_redis(processes, folder):
    """On core 0 too: what it costs is part of the service. Returns: (pid, port)."""
    port = free_port()
    server = processes.start(pinned(0, [need("redis-server"), "--port", port, "--save", "", "--appendonly", "no", "--dir", folder]),
                             stdout=subprocess.DEVNULL)

    def answers():
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    eventually("redis-server", answers)
    return server.pid, port


def start_instance(processes, programs, folder, name, certificate, redis_port):
    """Returns: (pid, port)."""
    home = folder / name
    home.mkdir()
    secret = folder / "cluster-secret"
    if not secret.exists():
        secret.write_text(os.urandom(32).hex())
    output = folder / f"{name}.out"
    service = processes.start(
        pinned(0, [programs / "holdfast-discovery", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--state-dir", home,
                   "--tls-cert", certificate[0], "--tls-key", certificate[1], "--store", f"redis://127.0.0.1:{redis_port}/0", "--cluster-secret", secret,
                   "--lease", "1h", "--rate-limit", "measure", "--probe-allow", "127.0.0.0/8"]),
        stdout=open(output, "w"), stderr=open(folder / f"{name}.log", "w"))
    return service.pid, int(wait_for_line(service, output, r"listening on \S+:(\d+) public").group(1))


def start_fleet(processes, programs, folder, discovery_port, pin, replicators, keys):
    """Registers replicators that pass self-tests and list keys. Returns: the paths to look the keys up, in a file."""
    names, output = folder / "keys", folder / "fleet.out"
    fleet = processes.start(
        pinned(1, [programs / "holdfast-fleet", "--discovery", f"https://127.0.0.1:{discovery_port}", "--pin", pin, "--replicators", replicators,
                   "--keys", keys, "--keys-file", names]),
        stdin=subprocess.PIPE, stdout=open(output, "w"), stderr=open(folder / "fleet.log", "w"))
    wait_for_line(fleet, output, "joined")
    paths = folder / "paths"
    paths.write_text("".join(f"/project/{key}/sync\n" for key in names.read_text().split()))
    return paths


# --- nginx -----------------------------------------------------------------------------------------------------------

NGINX = """
worker_processes 1; worker_rlimit_nofile 20000; pid %(folder)s/nginx.pid; error_log %(folder)s/nginx-error.log; daemon off;
events { worker_connections 12000; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; default_type application/json;
  client_body_temp_path %(folder)s; proxy_temp_path %(folder)s; fastcgi_temp_path %(folder)s; uwsgi_temp_path %(folder)s; scgi_temp_path %(folder)s;
  server {
    listen 127.0.0.1:%(port)d ssl backlog=511; ssl_certificate %(certificate)s; ssl_certificate_key %(key)s;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on;
    location / { return 200 '%(body)s'; }
  }
}
"""


def start_nginx(processes, folder, certificate, answer_bytes):
    """Returns a constant with about `answer_bytes` in all. Returns: (pid, port, bytes of an answer)."""
    head_bytes = 170  # Status line, Server, Date, Content-Type, Content-Length, Connection.
    port = free_port()
    values = {"folder": folder, "port": port, "body": "x" * max(1, answer_bytes - head_bytes), "certificate": certificate[0], "key": certificate[1]}
    (folder / "nginx.conf").write_text(NGINX % values)
    server = processes.start(pinned(0, [need("nginx"), "-c", folder / "nginx.conf", "-p", folder]), stderr=subprocess.DEVNULL)
    _, got, _ = eventually("nginx", lambda: request(port, "GET", "/"))
    return server.pid, port, got


# --- Syncthing's discovery server ----------------------------------------------------------------------------------------

def device_id(der):
    """SHA-256 of the certificate in base 32, with Syncthing's check digits and dashes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    text = base64.b32encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    def with_check_digit(group):
        factor, total = 1, 0
        for letter in group:
            addend = factor * alphabet.index(letter)
            factor = 1 if factor == 2 else 2
            total += addend // 32 + addend % 32
        return group + alphabet[(32 - total % 32) % 32]
    text = "".join(with_check_digit(text[i:i + 13]) for i in range(0, 52, 13))
    return "-".join(text[i:i + 7] for i in range(0, 56, 7))


def start_stdiscosrv(processes, folder, certificate):
    """With one really announced device. Returns: (pid, port, path to look it up), or nothing where it is not installed."""
    if not find("stdiscosrv"):
        return None
    port, replication = free_port(), free_port()
    server = processes.start(
        pinned(0, [find("stdiscosrv"), "-listen", f"127.0.0.1:{port}", "-cert", certificate[0], "-key", certificate[1],
                   "-replication-listen", f"127.0.0.1:{replication}", "-db-dir", folder / "stdiscosrv.db"]),
        stdout=subprocess.DEVNULL, stderr=open(folder / "stdiscosrv.log", "w"))
    client = make_certificate(folder, "device")
    body = json.dumps({"addresses": ["tcp://192.0.2.1:22000", "quic://192.0.2.1:22000"]})

    def announce():
        status, _, text = request(port, "POST", "/v2/", body, client[:2], {"Content-Type": "application/json"})
        return status == 204 or sys.exit(f"stdiscosrv refused the announcement: {status} {text[:200]!r}")
    eventually("stdiscosrv", announce)
    path = "/v2/?device=" + device_id(client[2])
    status, _, text = request(port, "GET", path)
    if status != 200:
        sys.exit(f"stdiscosrv does not know the device: {status} {text[:200]!r}")
    return server.pid, port, path


# --- measuring -------------------------------------------------------------------------------------------------------

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


def memory_kb(pid):
    total = 0
    for member in family(pid):
        match = re.search(r"^Pss_Anon:\s+(\d+)", Path(f"/proc/{member}/smaps_rollup").read_text(), re.M)
        total += int(match.group(1))
    return total
