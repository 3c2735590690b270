#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""poise against a fake daemon: its words, the terminal, files, completion, the manual page:
test_cli_words.py POISE
"""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import unittest

from cli_daemon import CONFIG, POISE, ROOT, Case, Refusal, main


class Usage(Case):
    def test_wrong_words(self):
        for words, text in [
            ("servizes", 'did you mean "services"?'),
            ("xyzzy", "see poise help"),
            ("show servics", 'did you mean "services"?'),
            ("service", "add, edit, delete"),
            ("server draim web 192.0.2.11", 'did you mean "drain"?'),
            ("server xyzzy", "add, edit, delete, drain, ready"),
            ("show service", 'did you mean "services"?'),
            ("config chekk FILE", 'did you mean "check"?'),
            ("ports wan0", 'unexpected "wan0"'),
            ("service add tcp", "needs ADDR:PORT"),
            ("service delete", "needs SERVICE"),
            ("service delete web and more", 'unexpected "and"'),
            ("service delete tcp 192.0.2.10:80 more", 'unexpected'),
            ("server add web", "needs ADDR[:PORT]"),
            ("config check", "needs FILE"),
            ("services --nmae x", "no option --nmae"),
            ("service add tcp 192.0.2.1:80 --schedular rr", "did you mean --scheduler?"),
            ("connections --clinet=1.2.3.4", "did you mean --client?"),
            ("connections -x", "no option -x"),
            ("connections --limit", "--limit needs a value"),
            ("connections --limit 0", "--limit"),
            ("connections --limit many", '"many" is not a number'),
            ("connections --count=1", "takes no value"),
            ("connections --service a --service b", "given twice"),
            ("server add web 192.0.2.11 --weight heavy", '"heavy" is not a number'),
            ("server add web 192.0.2.300", '"192.0.2.300" is not an address'),
            ("server drain web here", '"here" is not an address'),
            ("service add tcp 192.0.2.10", "has no port"),
            ("service add tcp 192.0.2.10:99999", "is not an address"),
            ("service add tcp 192.0.2.10:80 --server 192.0.2.11,waight=2", '"weight"?'),
            ("service add tcp 192.0.2.10:80 --server 192.0.2.11,weight=x", '"x" is not a number'),
            ("service add tcp 192.0.2.10:80 --server ,weight=1", "is not an address"),
            ("server add web 192.0.2.11 --tunnel gue:x", '"x" is not a port'),
            ("server add web 192.0.2.11 --tunnel gue:", '"" is not a port'),
            ("server edit web 192.0.2.11 --tunnel gre+crc", "neither +csum nor +remcsum"),
            ("service add tcp 192.0.2.10:80 --server 192.0.2.11,tunnel=gue:-", "is not a port"),
            ("service edit web", "nothing to change"),
            ("service edit web --announce --no-announce", "which of them"),
            ("server edit web 192.0.2.11", "nothing to change"),
            ("--color purple", "none of auto, always, never"),
            ("help xyzzy", "no verb"),
        ]:
            with self.subTest(words=words):
                r = self.poise(*words.split())
                self.assertEqual((r.rc, r.out), (2, ""), r)
                self.assertIn(text, r.err)
                self.assertTrue(r.err.startswith("poise: ") and r.err.count("\n") == 1, r.err)
        self.assertEqual(self.asked(), [])  # nothing half done

    def test_help(self):
        usage = self.done("--help").out
        self.assertEqual(usage, self.done("help").out)
        self.assertTrue(usage.startswith("usage: poise "))
        self.assertLessEqual(max(map(len, usage.splitlines())), 80)
        table = json.loads(self.done("help", "--json").out)
        for verb in table["verbs"]:
            self.assertIn(verb["synopsis"], usage)
            words = list(filter(None, [verb["noun"], verb["action"]]))
            text = self.done("help", *words).out
            for option in verb["options"]:
                self.assertIn("--" + option["name"], text)
                self.assertIn(option["help"], text)
            self.assertIn(text, self.done("help", verb["noun"]).out)
            if verb["action"]:
                self.assertEqual(self.done(*words, "--help").out, text)
                self.assertEqual(self.done("-h", *words, "x").out, text)
        self.assertIn("poise server drain", self.done("help", "server").out)
        self.assertEqual(self.asked(), [])

    def test_version(self):
        self.assertRegex(self.done("--version").out, r"^poise \d+\.\d+\.\d+\n$")


class Terminal(Case):
    def on_terminal(self, columns, *words, env=None):
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        with subprocess.Popen([POISE, "--socket", self.daemon.path, *words], stdout=child,
                              env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}) as p:
            os.close(child)
            out = b""
            while True:
                try:
                    piece = os.read(parent, 65536)
                except OSError:
                    break
                out += piece
        os.close(parent)
        self.assertEqual(p.returncode, 0)
        return out.decode().replace("\r\n", "\n")

    def test_color(self):
        self.assertIn("\033[", self.on_terminal(200, "services"))
        self.assertNotIn("\033", self.on_terminal(200, "services", "--color", "never"))
        self.assertNotIn("\033", self.on_terminal(200, "services", env={"NO_COLOR": "1"}))
        self.assertNotIn("\033", self.done("services").out)
        for words in ("", "services", "connections", "ports", "drops", "neighbours"):
            r = self.done(*words.split(), "--color=always")
            self.assertIn("\033[", r.out)
            plain = self.done(*words.split()).out
            self.assertEqual(re.sub(r"\033\[\d*m", "", r.out).split(), plain.split())
        self.assertNotIn("\033", self.done("services", "--json", "--color=always").out)

    def test_spare_columns(self):
        wide = self.on_terminal(200, "services", "--color=never")
        self.assertEqual(wide, self.done("services").out)
        narrow = self.on_terminal(100, "services", "--color=never")
        self.assertNotIn("InBytes", narrow)
        self.assertIn("no route", narrow)
        self.assertLessEqual(max(map(len, narrow.splitlines())), 100)
        # Nothing that matters is ever cut.
        tiny = self.on_terminal(20, "services", "--color=never")
        for text in ("[2001:db8::11]:80", "drained", "tcp 192.0.2.20:80"):
            self.assertIn(text, tiny)


class Config(Case):
    GOOD = {"ports": [{"name": "wan0", "device": "linux:eth0", "addresses": ["192.0.2.2/24"]}],
            "services": [{"protocol": "tcp", "address": "192.0.2.10", "port": 80,
                          "servers": [{"address": "192.0.2.11"}]}]}

    def check(self, text, *more):
        path = self.dir / "poise.json"
        path.write_text(text)
        return self.poise("config", "check", str(path), *more, socket_path="/nowhere")

    def test_good(self):
        r = self.check(json.dumps(self.GOOD))
        self.assertEqual((r.rc, r.err), (0, ""))
        r = self.check(json.dumps(self.GOOD), "--json")
        self.assertEqual((r.rc, json.loads(r.out)), (0, {"errors": []}))

    def test_bad(self):
        bad = json.loads(json.dumps(self.GOOD))
        bad["worker"] = 2
        bad["services"][0]["servers"][0]["weight"] = 70000000000
        r = self.check(json.dumps(bad))
        self.assertEqual((r.rc, r.out), (1, ""))
        self.assertRegex(r.err, r'(?m)^worker: .*did you mean "workers"')
        self.assertRegex(r.err, r"(?m)^services\[0\]\.servers\[0\]\.weight: 70000000000 ")
        r = self.check(json.dumps(bad), "--json")
        self.assertEqual((r.rc, {e["path"] for e in json.loads(r.out)["errors"]}),
                         (1, {"worker", "services[0].servers[0].weight"}))

    def test_broken(self):
        self.assertEqual(self.check('{\n "ports": [ }').rc, 1)
        r = self.poise("config", "check", str(self.dir / "absent.json"))
        self.assertEqual(r.rc, 1)
        self.assertIn("absent.json", r.err)

    def test_save(self):
        path = self.dir / "saved.json"
        r = self.done("config", "save", str(path))
        self.assertEqual(r.out, f"written to {path}\n")
        self.assertEqual(json.loads(path.read_text()), CONFIG)
        # Mode and link stay what they were; nothing is left beside it.
        path.chmod(0o600)
        link = self.dir / "link.json"
        link.symlink_to(path)
        path.write_text("old")
        self.done("config", "save", str(link))
        self.assertTrue(link.is_symlink())
        self.assertEqual(json.loads(path.read_text()), CONFIG)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual({p.name for p in self.dir.iterdir()}, {"sock", "saved.json", "link.json"})

    def test_save_fails(self):
        r = self.poise("config", "save", str(self.dir / "no" / "such.json"))
        self.assertEqual((r.rc, r.out), (1, ""))
        self.assertIn("No such file or directory", r.err)

        def refuse(params):
            raise Refusal(1, "out of memory", {"errno": 12})
        self.daemon.methods["config.get"] = refuse
        path = self.dir / "kept.json"
        path.write_text("old")
        self.assertEqual(self.poise("config", "save", str(path)).rc, 1)
        self.assertEqual(path.read_text(), "old")


class Completion(Case):
    def offers(self, line, **more):
        """What may stand at the end of the line (which ends with the word begun, or a space)."""
        words = line.split(" ")
        p = subprocess.run([POISE, "__complete", "--socket", more.get("socket", self.daemon.path),
                            *words], capture_output=True, text=True, timeout=60)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        return p.stdout.split("\n")[:-1]

    def test_verbs(self):
        table = json.loads(self.done("help", "--json").out)["verbs"]
        self.assertEqual(set(self.offers("")), {v["noun"] for v in table})
        self.assertEqual(self.offers("ser"), ["services", "servers", "service", "server"])
        self.assertEqual(self.offers("service "), ["add", "edit", "delete"])
        self.assertEqual(self.offers("server d"), ["delete", "drain"])
        self.assertEqual(self.offers("show se"), ["services", "servers"])
        self.assertIn("config", self.offers("show "))
        self.assertEqual(self.offers("show config "), [])
        self.assertEqual(self.offers("config "), ["check", "reload", "save"])
        self.assertEqual(self.offers("help server r"), ["ready"])
        self.assertEqual(self.offers("xyzzy "), [])
        self.assertEqual(len(self.offers("")), len(set(self.offers(""))))

    def test_options(self):
        every = self.offers("connections --")
        for option in ("--service", "--limit", "--count", "--json", "--color"):
            self.assertIn(option, every)
        self.assertEqual(self.offers("connections --c"), ["--client", "--count", "--color"])
        self.assertEqual(self.offers("connections --count --c"), ["--client", "--color"])
        self.assertEqual(self.offers("service add tcp 192.0.2.1:80 --server 192.0.2.2 --se"),
                         ["--server"])
        self.assertEqual(self.offers("service add --scheduler w"), ["wrr", "wlc"])
        self.assertEqual(self.offers("service add --scheduler=w"),
                         ["--scheduler=wrr", "--scheduler=wlc"])
        self.assertEqual(self.offers("--color "), ["auto", "always", "never"])
        self.assertEqual(self.offers("connections --state F"), ["FIN_WAIT"])
        self.assertEqual(self.offers("connections --limit "), [])

    def test_arguments(self):
        self.assertEqual(self.offers("service add "), ["tcp", "udp"])
        self.assertEqual(self.offers("service add tcp "), [])
        self.assertEqual(self.offers("config check "), [":file"])
        self.assertEqual(self.offers("config save "), [":file"])

    def test_what_the_daemon_knows(self):
        self.assertEqual(self.offers("services w"), ["web", "web6"])
        self.assertEqual(self.offers("service delete "), ["web", "web6", "tcp-192.0.2.20:80"])
        self.assertEqual(self.offers("service delete tcp [")[0], "[2001:db8::10]:80")
        self.assertEqual(self.offers("service delete udp "), [])
        self.assertEqual(self.offers("service delete web "), [])
        self.assertEqual(self.offers("connections --service=web6"), ["--service=web6"])
        self.asked()
        self.assertIn("192.0.2.12:80", self.offers("server drain web "))
        self.assertEqual(self.asked(), [("services", {"service": "web"})])
        self.assertIn("192.0.2.12:80", self.offers("server drain tcp 192.0.2.10:80 "))
        self.assertEqual(self.asked(), [("services", {"service": "tcp 192.0.2.10:80"})])
        self.assertIn("192.0.2.12:80", self.offers("connections --service web --server "))
        self.assertEqual(self.asked(), [("services", {"service": "web"})])
        self.assertEqual(self.offers("server drain web 192.0.2.12:80 "), [])

    def test_no_daemon(self):
        self.assertEqual(self.offers("service delete ", socket="/nowhere"), [])
        self.assertEqual(self.offers("server drain web ", socket="/nowhere"), [])
        self.daemon.raw = b"rubbish\n"
        self.assertEqual(self.offers("service delete "), [])

    @unittest.skipUnless(os.path.exists("/usr/share/bash-completion/bash_completion"),
                         "bash-completion is not installed")
    def test_in_bash(self):
        def bash(line):
            script = f"""
                . /usr/share/bash-completion/bash_completion
                . '{ROOT}/src/poise/poise.bash'
                poise() {{ '{POISE}' "$@"; }}
                COMP_LINE='poise --socket {self.daemon.path} {line}'
                COMP_POINT=${{#COMP_LINE}} COMP_TYPE=9 COMP_KEY=9
                # As readline cuts it: colons and equal signs are words of their own.
                mapfile -t COMP_WORDS < <(printf '%s' "$COMP_LINE" | sed 's/[:=]/ & /g' |
                    awk '{{ n = split($0, a, / +/); for (i = 1; i <= n; i++) print a[i] }}')
                COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
                _poise
                printf '%s\\n' "${{COMPREPLY[@]}}"
            """
            p = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True,
                               timeout=60)
            self.assertEqual(p.stderr, "")
            return p.stdout.split()
        self.assertEqual(bash("server dr"), ["drain"])
        self.assertEqual(bash("services w"), ["web", "web6"])
        # What stands before the last colon is on the line already.
        self.assertEqual(bash("server drain web 192.0.2.12:8"), ["80"])


class ManualPage(unittest.TestCase):
    def test_every_verb_and_option_is_in_it(self):
        table = json.loads(subprocess.run([POISE, "help", "--json"], capture_output=True,
                                          check=True).stdout)
        page = ROOT / "docs" / "man" / "poise.8"
        text = subprocess.run(["man", "-E", "UTF-8", "-l", str(page)], capture_output=True,
                              text=True, check=True,
                              env={**os.environ, "MANWIDTH": "200", "MAN_KEEP_FORMATTING": "",
                                   "LC_ALL": "C.UTF-8"}).stdout
        text = re.sub(r".\x08", "", text)
        text = text.replace("\u2010", "-").replace("\u2212", "-")
        verbs = [v for v in table["verbs"] if v["noun"] != "show"]
        starts = {}
        for verb in verbs:
            found = re.search(r"(?m)^ +" + re.escape(verb["synopsis"]) + r"(?![\w.-])",
                              text)
            self.assertTrue(found, f"there is no paragraph for: {verb['synopsis']}")
            starts[verb["synopsis"]] = found.start()
        order = sorted(starts.values()) + [len(text)]
        for verb in verbs:
            begin = starts[verb["synopsis"]]
            paragraph = text[begin:order[order.index(begin) + 1]]
            for option in verb["options"]:
                value = " " + option["value"] if option["value"] else ""
                self.assertIn(f"--{option['name']}{value}", paragraph, verb["synopsis"])
        for option in table["options"]:
            value = " " + option["value"] if option["value"] else ""
            self.assertRegex(text, rf"(?m)^ +--{option['name']}{value}\b")


if __name__ == "__main__":
    main()
