# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of poise, the command line, share. A fake poised answers JSON-RPC on a Unix socket
out of a table, and keeps what it was asked; replies have the members that docs/protocol.md gives.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

POISE = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else sys.exit("usage: test_cli.py POISE")
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Refusal(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


class Daemon:
    """Answers on a socket in a thread. `methods`: a result, or a function of the parameters."""

    def __init__(self, path, methods):
        self.path, self.methods = path, methods
        self.requests = []
        self.raw = None  # bytes to answer with instead
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rwb") as f:
            try:
                for line in f:
                    answer = self.raw if self.raw is not None else self.answer(json.loads(line))
                    f.write(answer)
                    f.flush()
                    if self.raw is not None:
                        return
            except OSError:
                pass

    def answer(self, request):
        self.requests.append(request)
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            method = self.methods.get(request["method"])
            if method is None:
                raise Refusal(-32601, "no such method")
            reply["result"] = method(request.get("params", {})) if callable(method) else method
        except Refusal as e:
            reply["error"] = e.error
        return json.dumps(reply).encode() + b"\n"

    def close(self):
        # accept() in the other thread wakes up by this, not by close().
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def counters(n):
    return {"connections": n, "in_packets": 6 * n, "out_packets": 0, "in_bytes": 480 * n,
            "out_bytes": 0}


def server(address, port=80, **more):
    return {"address": address, "port": port, "forward": "dr", "weight": 1, "drained": False,
            "active_connections": 3, "inactive_connections": 40, "next_hop": "reachable",
            "counters": counters(500), **more}


def service(name, address, servers, **more):
    return {"name": name, "protocol": "tcp", "address": address, "port": 80, "scheduler": "wrr",
            "forward": "dr", "announce": True, "counters": counters(1000), "servers": servers,
            **more}


def connection(i, **more):
    return {"protocol": "tcp", "client": f"198.51.100.{i % 250}", "client_port": 40000 + i % 1000,
            "virtual": "192.0.2.10", "virtual_port": 80, "server": "192.0.2.11", "server_port": 80,
            "state": "ESTABLISHED", "expires_s": 893, "forward": "dr", "service": "web",
            "worker": 0, **more}


SERVICES = [
    service("web", "192.0.2.10",
            [server("192.0.2.12", weight=2, active_connections=30),
             server("192.0.2.11", weight=0, drained=True)]),
    service("web6", "2001:db8::10",
            [server("2001:db8::11", next_hop="no route")], scheduler="rr", announce=False),
    service("tcp-192.0.2.20:80", "192.0.2.20", [], scheduler="wlc"),
]
CONFIG = {"ports": [{"name": "wan0", "device": "linux:eth0"}],
          "services": [{"protocol": "tcp", "address": "192.0.2.10", "port": 80}]}
DROPS = [("short_frame", "shorter than an Ethernet header", [0, 0]),
         ("no_server", "no real server can take the connection", [5, 7]),
         ("tx_full", "refused by the sending port's queue", [1000000, 0])]


def replies():
    """What the daemon says to everything, by default."""
    return {
        "services": {"services": SERVICES},
        "service.add": lambda p: {"name": p.get("name") or "tcp-192.0.2.30:80"},
        **{m: {} for m in ("service.edit", "service.delete", "server.add", "server.edit",
                           "server.delete", "server.drain", "server.ready")},
        "connections": {"connections": [connection(1), connection(2, state="FIN_WAIT")]},
        "connections.count": {"connections": 12, "limit": 1048576, "workers": [
            {"worker": 0, "ipv4": 10, "ipv6": 0}, {"worker": 1, "ipv4": 0, "ipv6": 2}]},
        "ports": {"ports": [
            {"name": "wan0", "device": "linux:eth0", "driver": "net_af_packet",
             "mac": "02:00:00:00:00:01", "mtu": 1500, "link": "up", "speed_mbps": 10000,
             "twin": "wan0", "rx_queues": 1, "tx_queues": 2, "rx_packets": 6001,
             "rx_bytes": 480080, "tx_packets": 6002, "tx_bytes": 480081, "rx_missed": 0,
             "rx_errors": 3, "tx_errors": 0, "punted": 12, "injected": 13,
             "mended_checksums": 14}]},
        "workers": {"workers": [
            {"worker": i, "cpu": i + 1, "busy_percent": 3.25, "rx": 1000, "tx": 900, "punted": 50,
             "injected": 20, "dropped": 75, "made": 5, "handed_over": 3, "taken_over": 4, "connections": 6,
             "connections_room": 524288, "memory_bytes": 48758784, "queues": [f"wan0:{i}"]}
            for i in range(2)]},
        "drops": {"drops": [{"reason": r, "help": h, "count": sum(w), "workers": w}
                            for r, h, w in DROPS], "total": 1000012},
        "neighbours": {"neighbours": [
            {"address": "192.0.2.11", "mac": "02:00:00:00:00:11", "port": "wan0",
             "state": "reachable", "via": None, "servers": 2},
            {"address": "203.0.113.9", "mac": None, "port": None, "state": "no route",
             "via": None, "servers": 1}]},
        "config.get": CONFIG,
        "config.reload": {"added": 2, "changed": 1, "removed": 0},
        "config.save": {"file": "/etc/poise/poise.json"},
        "version": {"version": "0.1.0", "dpdk": "DPDK 22.11.11", "pid": 4711, "uptime_s": 273900,
                    "hugepages": False},
    }


class Outcome:
    def __init__(self, rc, out, err):
        self.rc, self.out, self.err = rc, out, err
        self.lines = out.splitlines()

    def fields(self, word):
        """The fields of the first line with this word."""
        return next(line for line in self.lines if word in line.split()).split()

    def __repr__(self):
        return f"exit code {self.rc}\n{self.out}--- stderr:\n{self.err}"


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="poise-cli-")
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        self.daemon = Daemon(str(self.dir / "sock"), replies())
        self.addCleanup(self.daemon.close)

    def poise(self, *words, socket_path=None, env=None):
        command = [POISE, "--socket", socket_path or self.daemon.path, *words]
        p = subprocess.run(command, capture_output=True, text=True, timeout=60,
                           env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
        self.assertIn(p.returncode, (0, 1, 2, 3), p.stderr)
        return Outcome(p.returncode, p.stdout, p.stderr)

    def done(self, *words, **more):
        r = self.poise(*words, **more)
        self.assertEqual((r.rc, r.err), (0, ""), r)
        return r

    def asked(self):
        """Method and parameters of all requests since the last call."""
        got = [(r["method"], r.get("params", {})) for r in self.daemon.requests]
        for r in self.daemon.requests:
            self.assertEqual(r["jsonrpc"], "2.0")
            self.assertLessEqual(set(r), {"jsonrpc", "id", "method", "params"})
        self.daemon.requests.clear()
        return got


def main():
    program = unittest.main(exit=False, argv=[sys.argv[0], *sys.argv[2:]])
    r = program.result
    # A test with subtests may fail several times, and counts once.
    bad = {getattr(t, "test_case", t).id() for t, _ in r.failures + r.errors}
    print(f"{r.testsRun - len(bad) - len(r.skipped)} passed, {len(bad)} failed", flush=True)
    sys.exit(0 if r.wasSuccessful() and r.testsRun else 1)
