#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""poise against a fake daemon: what it asks, and what it prints: test_cli.py POISE

Requests are compared with docs/protocol.md's; what is printed, with what the fake answered.
"""

import json
import pathlib
import re
import socket
import subprocess
import threading

from cli_daemon import (CONFIG, POISE, SERVICES, Case, Refusal, connection, main, replies, server,
                        service)


class Requests(Case):
    """Each verb asks exactly what docs/protocol.md says."""

    TABLE = [
        ("services", "services", {}),
        ("servers", "services", {}),
        ("show services web", "services", {"service": "web"}),
        ("services tcp 192.0.2.10:80", "services", {"service": "tcp 192.0.2.10:80"}),
        ("services tcp", "services", {"service": "tcp"}),
        ("connections", "connections", {"limit": 4000}),
        ("connections --service web --server 192.0.2.11 --client 198.51.100.0/24"
         " --state ESTABLISHED --limit 7", "connections",
         {"service": "web", "server": "192.0.2.11", "client": "198.51.100.0/24",
          "state": "ESTABLISHED", "limit": 7}),
        ("connections --count", "connections.count", {}),
        ("connections --count --service=web", "connections", {"service": "web", "limit": 4000}),
        ("ports", "ports", {}),
        ("show workers", "workers", {}),
        ("drops", "drops", {}),
        ("drops --all", "drops", {}),
        ("neighbours", "neighbours", {}),
        ("config", "config.get", {}),
        ("show config", "config.get", {}),
        ("version", "version", {}),
        ("service add tcp 192.0.2.30:80", "service.add",
         {"protocol": "tcp", "address": "192.0.2.30", "port": 80}),
        ("service add udp [2001:DB8::0:1]:53 --name dns --scheduler rr --forward dr --no-announce",
         "service.add", {"protocol": "udp", "address": "2001:db8::1", "port": 53, "name": "dns",
                         "scheduler": "rr", "forward": "dr", "announce": False}),
        ("service add tcp 192.0.2.30:80 --server 192.0.2.31 --server 192.0.2.32:80,weight=0"
         " --server=192.0.2.33,forward=dr,weight=3", "service.add",
         {"protocol": "tcp", "address": "192.0.2.30", "port": 80, "servers": [
             {"address": "192.0.2.31"}, {"address": "192.0.2.32", "port": 80, "weight": 0},
             {"address": "192.0.2.33", "forward": "dr", "weight": 3}]}),
        ("service add tcp 192.0.2.30:80 --forward fullnat --local-address 10.0.0.1-10.0.0.9"
         " --local-address 10.1.0.0/24 --client-address proxy_v2", "service.add",
         {"protocol": "tcp", "address": "192.0.2.30", "port": 80, "forward": "fullnat",
          "local_addresses": ["10.0.0.1-10.0.0.9", "10.1.0.0/24"], "client_address": "proxy_v2"}),
        ("service edit web --local-address 10.0.0.1 --client-address toa", "service.edit",
         {"service": "web", "set": {"local_addresses": ["10.0.0.1"], "client_address": "toa"}}),
        ("service edit web --name www --scheduler wlc --announce", "service.edit",
         {"service": "web", "set": {"name": "www", "scheduler": "wlc", "announce": True}}),
        ("service edit tcp 192.0.2.10:80 --no-announce", "service.edit",
         {"service": "tcp 192.0.2.10:80", "set": {"announce": False}}),
        ("service delete web", "service.delete", {"service": "web"}),
        ("service delete udp [2001:db8::1]:53", "service.delete",
         {"service": "udp [2001:db8::1]:53"}),
        ("server add web 192.0.2.13", "server.add",
         {"service": "web", "server": {"address": "192.0.2.13"}}),
        ("server add tcp 192.0.2.10:80 192.0.2.13:80 --weight 2 --forward dr", "server.add",
         {"service": "tcp 192.0.2.10:80",
          "server": {"address": "192.0.2.13", "port": 80, "weight": 2, "forward": "dr"}}),
        ("server add --weight 70000000000 web 2001:db8::13", "server.add",
         {"service": "web", "server": {"address": "2001:db8::13", "weight": 70000000000}}),
        ("server edit web 192.0.2.11:80 --weight -1", "server.edit",
         {"service": "web", "server": "192.0.2.11:80", "set": {"weight": -1}}),
        ("server edit web 192.0.2.11 --forward dr", "server.edit",
         {"service": "web", "server": "192.0.2.11", "set": {"forward": "dr"}}),
        ("server add web 2001:db8::13 --forward tun --tunnel gue:6080+remcsum", "server.add",
         {"service": "web", "server": {
             "address": "2001:db8::13", "forward": "tun",
             "tunnel": {"type": "gue", "port": 6080, "checksum": "remote"}}}),
        ("server edit web 192.0.2.11 --tunnel gre+csum", "server.edit",
         {"service": "web", "server": "192.0.2.11",
          "set": {"tunnel": {"type": "gre", "checksum": "full"}}}),
        ("server edit web 192.0.2.11 --tunnel ipip", "server.edit",
         {"service": "web", "server": "192.0.2.11", "set": {"tunnel": {"type": "ipip"}}}),
        ("service add tcp 192.0.2.30:80 --forward tun --server 192.0.2.31,tunnel=gue:1,weight=2",
         "service.add", {"protocol": "tcp", "address": "192.0.2.30", "port": 80, "forward": "tun",
                         "servers": [{"address": "192.0.2.31", "weight": 2,
                                      "tunnel": {"type": "gue", "port": 1}}]}),
        ("server delete web [2001:db8::11]:80", "server.delete",
         {"service": "web", "server": "[2001:db8::11]:80"}),
        ("server drain web 192.0.2.11", "server.drain",
         {"service": "web", "server": "192.0.2.11"}),
        ("server ready tcp 192.0.2.10:80 192.0.2.11", "server.ready",
         {"service": "tcp 192.0.2.10:80", "server": "192.0.2.11"}),
        ("config reload", "config.reload", {}),
        ("config save", "config.save", {}),
        ("config save -", "config.get", {}),
    ]

    def test_requests(self):
        for words, method, params in self.TABLE:
            for json_too in ([], ["--json"]):
                with self.subTest(words=words, json=json_too):
                    self.done(*words.split(), *json_too)
                    self.assertEqual(self.asked(), [(method, params)])

    def test_every_verb_is_tried(self):
        local = {"help", "show", "config check"}
        table = json.loads(self.done("help", "--json").out)["verbs"]
        for verb in table:
            words = " ".join(filter(None, [verb["noun"], verb["action"]]))
            lines = [w for w, _, _ in self.TABLE if re.match(rf"(show )?{words}\b", w)]
            if words not in local:
                self.assertTrue(lines, f"{words} is not in the table")
            for option in verb["options"]:
                self.assertTrue(any("--" + option["name"] in line for line in lines),
                                f"{words} --{option['name']} is not in the table")

    def test_no_verb_asks_for_all_it_shows(self):
        for words in ([], ["show"]):
            self.done(*words)
            self.assertEqual([m for m, _ in self.asked()],
                             ["services", "version", "connections.count", "drops"])

    def test_words_behind_two_dashes_are_no_options(self):
        self.done("service", "delete", "--", "--name")
        self.assertEqual(self.asked(), [("service.delete", {"service": "--name"})])


class Tables(Case):
    def test_services(self):
        r = self.done("services")
        self.assertEqual(r.lines[0].split()[:8], [
            "Prot", "LocalAddress:Port", "Name", "Sched/Fwd", "Weight", "ActiveConn",
            "InActConn", "State"])
        # A service has the sums over its servers.
        self.assertEqual(r.fields("web"), [
            "tcp", "192.0.2.10:80", "web", "wrr", "33", "80", "1000", "6000", "480000", "0", "0"])
        self.assertEqual(r.lines[2].split(), [
            "├─192.0.2.12:80", "dr", "2", "30", "40", "reachable", "500", "3000", "240000",
            "0", "0"])
        self.assertEqual(r.lines[3].split()[:6], [
            "└─192.0.2.11:80", "dr", "0", "3", "40", "drained"])
        self.assertIn("[2001:db8::10]:80", r.fields("web6"))
        self.assertIn("not announced", r.lines[4])
        self.assertIn("no route", r.lines[5])
        # The name that a service has without being given one is not repeated.
        self.assertEqual(r.lines[6].split()[:7],
                         ["tcp", "192.0.2.20:80", "wlc", "0", "0", "no", "servers"])
        # Numbers stand right-aligned under their heads.
        for head in ("Weight", "ActiveConn", "InActConn", "InBytes"):
            end = r.lines[0].index(head) + len(head)
            for line in r.lines[2:4]:
                self.assertRegex(line[:end], r"\d$")
                self.assertIn(line[end:end + 1], ("", " "))
        self.assertFalse([line for line in r.lines if line != line.rstrip()])

    def test_tunnels(self):
        for tunnel, text in (({"type": "ipip"}, "tun ipip"),
                             ({"type": "gue", "port": 6080, "checksum": "none"}, "tun gue:6080"),
                             ({"type": "gue", "port": 1, "checksum": "remote"}, "tun gue:1+remcsum"),
                             ({"type": "gre", "checksum": "full"}, "tun gre+csum")):
            self.daemon.methods["services"] = {"services": [service(
                "web", "192.0.2.10",
                [server("192.0.2.11", forward="tun", tunnel=tunnel)])]}
            columns = re.split(r" {2,}", self.done("services").lines[2])
            self.assertEqual(columns[:3], ["└─192.0.2.11:80", text, "1"])

    def test_ascii(self):
        self.assertIn("|-192.0.2.12:80", self.done("services", env={"LC_ALL": "C"}).out)

    def test_no_services(self):
        self.daemon.methods["services"] = {"services": []}
        self.assertEqual(self.done("services").out, "no services\n")

    def test_services_in_pages(self):
        def page(params):
            at = int(params.get("cursor", "0"))
            more = {"next": str(at + 1)} if at < 2 else {}
            return {"services": [SERVICES[at]], **more}
        self.daemon.methods["services"] = page
        r = self.done("services")
        self.assertEqual(self.asked(), [("services", {}), ("services", {"cursor": "1"}),
                                        ("services", {"cursor": "2"})])
        self.assertEqual(len(r.lines), 7)
        self.assertEqual(json.loads(self.done("services", "--json").out), {"services": SERVICES})

    def test_summary(self):
        r = self.done()
        self.assertEqual(r.lines[0], "poised 0.1.0 up 3 d 4 h, 3 services, 3 servers"
                         " (1 unreachable), 12/1048576 connections, 1000012 drops")
        self.assertEqual(r.lines[1], "")
        self.assertEqual("\n".join(r.lines[2:]) + "\n", self.done("services").out)

    def test_connections(self):
        self.daemon.methods["connections"]["connections"].append(
            connection(3, client="2001:db8::1", server="", service=None, worker=1, expires_s=7))
        r = self.done("connections")
        self.assertEqual(r.lines[0].split(), ["Pro", "Expire", "State", "Source", "Virtual",
                                              "Destination", "Service", "Worker"])
        self.assertEqual(r.lines[1].split(), [
            "tcp", "14:53", "ESTABLISHED", "198.51.100.1:40001", "192.0.2.10:80",
            "192.0.2.11:80", "web", "0"])
        self.assertEqual(r.lines[3].split(), [
            "tcp", "00:07", "ESTABLISHED", "[2001:db8::1]:40003", "192.0.2.10:80", "-", "-", "1"])
        column = r.lines[0].index("Destination")
        self.assertEqual({line[column - 1] for line in r.lines}, {" "})
        self.assertTrue(r.lines[1][column:].startswith("192.0.2.11:80"))

    def test_no_connections(self):
        self.daemon.methods["connections"] = {"connections": []}
        self.assertEqual(self.done("connections").out, "no connections\n")
        self.assertEqual(json.loads(self.done("connections", "--json").out), {"connections": []})

    def test_count(self):
        self.assertIn("12 of 1048576 connections", self.done("connections", "--count").lines)
        self.assertEqual(self.done("connections", "--count", "--state", "CLOSE").out, "2\n")
        r = self.done("connections", "--count", "--state", "CLOSE", "--json")
        self.assertEqual(json.loads(r.out), {"connections": 2})

    def test_drops(self):
        r = self.done("drops")
        self.assertEqual(r.lines[0].split(), ["Reason", "Packets", "Worker0", "Worker1", "Meaning"])
        self.assertEqual(r.fields("no_server")[:4], ["no_server", "12", "5", "7"])
        self.assertNotIn("short_frame", r.out)
        self.assertEqual(r.lines[-1].split(), ["total", "1000012", "1000005", "7"])
        self.assertIn("short_frame", self.done("drops", "--all").out)

    def test_drops_of_one_worker(self):
        for d in self.daemon.methods["drops"]["drops"]:
            d["workers"] = [d["count"]]
        self.assertEqual(self.done("drops").lines[0].split(), ["Reason", "Packets", "Meaning"])

    def test_ports(self):
        r = self.done("ports")
        for key, value in self.daemon.methods["ports"]["ports"][0].items():
            self.assertTrue(str(value) in r.out, f"{key} is not shown in {r}")
        self.assertEqual(r.fields("rx_errors"), ["rx_errors", "3"])

    def test_workers(self):
        r = self.done("workers")
        self.assertEqual(r.lines[1].split(), ["0", "1", "3.2", "1000", "20", "5", "4", "900", "50", "3", "75",
                                              "6", "524288", "48758784", "wan0:0"])
        self.assertEqual(r.lines[-1].split(), ["all", "2000", "40", "10", "8", "1800", "100", "6", "150",
                                               "12", "1048576", "97517568"])

    def test_neighbours(self):
        r = self.done("neighbours")
        self.assertEqual(r.fields("192.0.2.11"), [
            "192.0.2.11", "reachable", "02:00:00:00:00:11", "wan0", "-", "2"])
        self.assertEqual(r.fields("203.0.113.9"), [
            "203.0.113.9", "no", "route", "-", "-", "-", "1"])

    def test_version(self):
        r = self.done("version")
        for text in ("0.1.0", "DPDK 22.11.11", "4711", "3 d 4 h", "without hugepages"):
            self.assertIn(text, r.out)

    def test_what_edits_say(self):
        for words, out in [
            ("service add tcp 192.0.2.30:80", "service tcp-192.0.2.30:80 added\n"),
            ("service delete web", ""), ("server drain web 192.0.2.11", ""),
            ("config reload", "2 added, 1 changed, 0 removed\n"),
            ("config save", "written to /etc/poise/poise.json\n"),
        ]:
            self.assertEqual(self.done(*words.split()).out, out)


class Json(Case):
    def test_the_result_as_it_came(self):
        for words, method in [("services", "services"), ("", "services"), ("ports", "ports"),
                              ("connections", "connections"), ("workers", "workers"),
                              ("drops", "drops"), ("neighbours", "neighbours"),
                              ("config", "config.get"), ("version", "version"),
                              ("connections --count", "connections.count"),
                              ("config reload", "config.reload"), ("config save", "config.save")]:
            with self.subTest(words=words):
                r = self.done("--json", *words.split())
                self.assertEqual(json.loads(r.out), self.daemon.methods[method])
        self.assertEqual(json.loads(self.done("--json", "service", "delete", "web").out), {})
        self.assertIn('"busy_percent": 3.25,', self.done("--json", "workers").out)

    def test_refusal(self):
        error = {"code": 1, "message": "no service \"web\"", "data": {"errno": 2}}

        def refuse(params):
            raise Refusal(**error)
        self.daemon.methods["services"] = self.daemon.methods["service.delete"] = refuse
        self.daemon.methods["connections"] = refuse
        for words in ("services web", "service delete web", "", "connections"):
            r = self.poise("--json", *words.split())
            self.assertEqual((r.rc, json.loads(r.out), r.err), (1, error, ""))

    def test_config_save(self):
        self.assertEqual(json.loads(self.done("config", "save", "-").out), CONFIG)
        path = self.dir / "saved.json"
        r = self.done("--json", "config", "save", str(path))
        self.assertEqual(json.loads(r.out), {"file": str(path)})
        self.assertEqual(json.loads(path.read_text()), CONFIG)


class Pages(Case):
    """A million connections are never held: page by page."""

    TOTAL = 30000

    def setUp(self):
        super().setUp()
        self.first_line_seen = threading.Event()
        self.fail_at = None

        def page(params):
            at = int(params.get("cursor", "0:4:0").split(":")[2])
            if self.fail_at is not None and at >= self.fail_at:
                raise Refusal(1, "out of memory", {"errno": 12})
            self.assertLessEqual(params["limit"], 10000)
            # Short pages and empty ones, as filters make them.
            n = 0 if at == 5000 else params["limit"] - 1 if params["limit"] > 1 else 1
            end = min(at + max(n, 1), self.TOTAL)
            more = {"next": f"0:4:{end}"} if end < self.TOTAL else {}
            return {"connections": [connection(i) for i in range(at, end)] if n else [], **more}
        self.daemon.methods["connections"] = page

    def test_all(self):
        r = self.done("connections")
        self.assertEqual(len(r.lines), self.TOTAL + 1)
        self.assertEqual(len({len(line) for line in r.lines[1:]}), 1)  # aligned
        asked = self.asked()
        self.assertNotIn("cursor", asked[0][1])
        self.assertEqual(asked[1][1]["cursor"], "0:4:3999")
        d = json.loads(self.done("connections", "--json").out)
        self.assertEqual(d, {"connections": [connection(i) for i in range(self.TOTAL)]})
        self.assertEqual(self.done("connections", "--count", "--service", "web").out,
                         f"{self.TOTAL}\n")

    def test_limit(self):
        for limit in (1, 2, 4000, 4001, 9000):
            for json_too in ([], ["--json"]):
                r = self.done("connections", "--limit", str(limit), *json_too)
                n = len(json.loads(r.out)["connections"]) if json_too else len(r.lines) - 1
                self.assertEqual(n, limit)

    def test_the_first_page_is_printed_before_the_last_is_asked_for(self):
        give = self.daemon.methods["connections"]

        def wait(params):
            if "cursor" in params:
                self.assertTrue(self.first_line_seen.wait(30))
            return give(params)
        self.daemon.methods["connections"] = wait
        for words in ([], ["--json"]):
            self.first_line_seen.clear()
            with subprocess.Popen([POISE, "--socket", self.daemon.path, "connections", *words],
                                  stdout=subprocess.PIPE, text=True) as p:
                p.stdout.readline()
                self.first_line_seen.set()
                rest = p.stdout.read()
            self.assertEqual(p.returncode, 0)
            self.assertGreaterEqual(rest.count("198.51.100."), self.TOTAL - 1)

    def test_memory(self):
        script = ("import resource, subprocess, sys\n"
                  "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
                  "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n")

        def used(total):
            self.TOTAL = total
            p = subprocess.run(["/usr/bin/python3", "-c", script, POISE, "--socket",
                                self.daemon.path, "connections"], capture_output=True, text=True)
            self.assertEqual(p.returncode, 0, p.stderr)
            return int(p.stdout)
        if b"__asan_init" in pathlib.Path(POISE).read_bytes():
            self.skipTest("what the address sanitizer keeps is not ours")
        few, many = used(8000), used(80000)
        self.assertLess(many, few * 1.5 + 4096)

    def test_refused_in_the_middle(self):
        self.fail_at = 4500
        r = self.poise("connections")
        self.assertEqual((r.rc, r.err), (1, "poise: out of memory\n"))
        r = self.poise("connections", "--json")
        d = json.loads(r.out)
        self.assertEqual((r.rc, d["error"]["message"]), (1, "out of memory"))
        self.assertEqual(d["connections"][0], connection(0))

    def test_closed_pipe(self):
        p = subprocess.run(f"'{POISE}' --socket '{self.daemon.path}' connections | head -n 2",
                           shell=True, capture_output=True, text=True, timeout=60)
        self.assertEqual((len(p.stdout.splitlines()), p.stderr), (2, ""))

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            p = subprocess.run([POISE, "--socket", self.daemon.path, "connections"], stdout=full,
                               stderr=subprocess.PIPE, text=True)
        self.assertEqual(p.returncode, 1)
        self.assertIn("No space left on device", p.stderr)


class Errors(Case):
    def test_refused_with_a_message(self):
        def refuse(params):
            raise Refusal(1, "service web has no server 192.0.2.99", {"errno": 2})
        self.daemon.methods["server.delete"] = refuse
        r = self.poise("server", "delete", "web", "192.0.2.99")
        self.assertEqual((r.rc, r.out, r.err),
                         (1, "", "poise: service web has no server 192.0.2.99\n"))

    def test_all_errors_a_line_each(self):
        errors = [{"path": "weight", "text": "70000000000 is not between 0 and 2147483647"},
                  {"path": "", "text": "something as a whole"}]

        def refuse(params):
            raise Refusal(-32602, "weight: ... (and 1 more)", {"errors": errors})
        self.daemon.methods["server.add"] = refuse
        r = self.poise("server", "add", "web", "192.0.2.11", "--weight", "70000000000")
        self.assertEqual((r.rc, r.out, r.err), (
            1, "", "weight: 70000000000 is not between 0 and 2147483647\nsomething as a whole\n"))

    def test_no_daemon(self):
        path = str(self.dir / "absent")
        for words in ("", "services", "connections --json", "server drain web 192.0.2.11",
                      "config save -"):
            r = self.poise(*words.split(), socket_path=path)
            self.assertEqual((r.rc, r.out, r.err), (
                3, "", f"poise: no poised listens on {path}: No such file or directory\n"))

    def test_a_socket_that_nobody_serves(self):
        path = str(self.dir / "stale")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
        r = self.poise(socket_path=path)
        self.assertEqual((r.rc, r.err),
                         (3, f"poise: no poised listens on {path}: Connection refused\n"))

    def test_a_path_too_long(self):
        r = self.poise(socket_path="/tmp/" + 200 * "x")
        self.assertEqual(r.rc, 3)
        self.assertIn("File name too long", r.err)

    def test_answers_that_are_none(self):
        for raw, text in [(b"", "closed the connection"), (b"hello\n", "not poised"),
                          (b"[]\n", "not poised"), (b'{"id":99,"result":{}}\n', "not poised"),
                          (b'{"id":1}\n', "not poised"), (b'{"id":1,"res', "not poised"),
                          (b'{"id":1,"result":\xff}\n', "not poised")]:
            self.daemon.raw = raw
            r = self.poise("services")
            self.assertEqual((r.rc, r.out), (3, ""), r)
            self.assertIn(text, r.err)

    def test_errors_of_the_connection(self):
        self.daemon.raw = b'{"id":null,"error":{"code":-32000,"message":"too many clients"}}\n'
        r = self.poise("services")
        self.assertEqual((r.rc, r.err), (1, "poise: too many clients\n"))

    def test_replies_without_what_they_should_have(self):
        for words in ("", "services", "connections", "connections --count", "ports", "workers",
                      "drops", "neighbours", "version", "config", "config reload", "config save"):
            for result in ({}, [], 7, "text", None):
                self.daemon.methods = dict.fromkeys(replies(), lambda params, r=result: r)
                with self.subTest(words=words, result=result):
                    self.poise(*words.split())  # never a crash, nor for ever


if __name__ == "__main__":
    main()
