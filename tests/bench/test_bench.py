#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark runs, and its figures can be read by a program.

usage: test_bench.py BENCH

How fast anything is does not matter here.
"""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCH = sys.argv[1]
MODES = ('dr', 'nat', 'tun', 'fullnat')


def bench(*args):
    return subprocess.run([BENCH, *args], capture_output=True, text=True, check=False)


class Quick(unittest.TestCase):
    def figures(self, *args):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'bench.json'
            run = bench('--quick', '--json', str(path), *args)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            rows = json.loads(path.read_text())
        # A line for each object, below the head.
        self.assertEqual(len(run.stdout.splitlines()), len(rows) + 1, run.stdout)
        return rows

    def test_all(self):
        rows = self.figures()
        self.assertEqual(
            [(r['mode'], r['kind'], r['family']) for r in rows],
            list(itertools.product(MODES, ('established', 'new'), ('ipv4', 'ipv6'))))
        for r in rows:
            with self.subTest(row=r):
                self.assertEqual(r['flows'], 1000)
                self.assertEqual(r['tunnel'], 'ipip' if r['mode'] == 'tun' else None)
                self.assertEqual((r['workers'], r['services']), (1, 1))
                self.assertIsInstance(r['hugepages'], bool)
                for key in ('ns_per_packet', 'floor_ns', 'packets_per_second'):
                    self.assertGreater(r[key], 0, key)
                self.assertGreaterEqual(r['spread'], 0)
                self.assertIsNone(r['instructions_per_packet'])
                self.assertIsNone(r['bytes_per_connection'])

    def test_growing_tables(self):
        rows = self.figures('--family', 'ipv6', '--kind', 'new', '--flows', '40000')
        self.assertEqual([(r['mode'], r['family'], r['kind'], r['flows']) for r in rows],
                         [(mode, 'ipv6', 'new', 40000) for mode in MODES])
        size = {r['mode']: r['bytes_per_connection'] for r in rows}
        # The record alone has 128 bytes.
        self.assertGreater(size['dr'], 128)
        self.assertEqual(size['tun'], size['dr'])
        self.assertGreaterEqual(size['nat'], size['dr'])
        self.assertEqual(size['fullnat'], size['nat'])

    def test_tunnels(self):
        for tunnel in ('gre', 'gue'):
            rows = self.figures('--mode', 'tun', '--tunnel', tunnel)
            self.assertEqual([(r['mode'], r['tunnel']) for r in rows], [('tun', tunnel)] * 4)

    def test_more_flows_than_an_address_has_ports(self):
        # 8 servers with 64512 ports each.
        rows = self.figures('--mode', 'fullnat', '--family', 'ipv4', '--flows', '600000')
        self.assertEqual([r['kind'] for r in rows], ['established', 'new'])

    def test_a_figure_of_a_new_connection_is_of_two_packets(self):
        # Where the server's answer passes, too. Less the floor, as in any row.
        for mode, packets in (('dr', 1), ('fullnat', 2)):
            for r in self.figures('--mode', mode, '--kind', 'new'):
                ns = r['ns_per_packet'] + r['floor_ns']
                self.assertAlmostEqual(r['packets_per_second'] * ns / 1e9, packets, places=2)


class Words(unittest.TestCase):
    def test_unknown_words_are_refused(self):
        for args in (['--mode', 'x'], ['--tunnel', 'x'], ['--family', 'ipx'], ['--kind', 'old'],
                     ['--flows', '0'], ['--flows', '1x'], ['--flows', '10000001'],
                     ['--nothing'], ['more']):
            with self.subTest(args=args):
                run = bench(*args)
                self.assertEqual(run.returncode, 2)
                self.assertNotEqual(run.stderr, '')

    def test_help(self):
        run = bench('--help')
        self.assertEqual(run.returncode, 0)
        self.assertIn('--json FILE', run.stdout)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
