#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark runs, and its figures can be read by a program.

usage: test_bench.py BENCH

How fast anything is does not matter here.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCH = sys.argv[1]


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
            [(r['mode'], r['family'], r['kind']) for r in rows],
            [('dr', 'ipv4', 'established'), ('dr', 'ipv6', 'established'),
             ('dr', 'ipv4', 'new'), ('dr', 'ipv6', 'new')])
        for r in rows:
            with self.subTest(row=r):
                self.assertEqual(r['flows'], 1000)
                self.assertEqual((r['workers'], r['services']), (1, 1))
                self.assertIsInstance(r['hugepages'], bool)
                for key in ('ns_per_packet', 'floor_ns', 'packets_per_second'):
                    self.assertGreater(r[key], 0, key)
                self.assertGreaterEqual(r['spread'], 0)
                self.assertIsNone(r['instructions_per_packet'])
                self.assertIsNone(r['bytes_per_connection'])

    def test_one_row_with_growing_tables(self):
        rows = self.figures('--family', 'ipv6', '--kind', 'new', '--flows', '40000')
        self.assertEqual([(r['family'], r['kind'], r['flows']) for r in rows],
                         [('ipv6', 'new', 40000)])
        # The record alone has 128 bytes.
        self.assertGreater(rows[0]['bytes_per_connection'], 128)


class Words(unittest.TestCase):
    def test_unknown_words_are_refused(self):
        for args in (['--kind', 'old'], ['--family', 'ipx'], ['--mode', 'x'], ['--flows', '0'],
                     ['--flows', '1x'], ['--nothing'], ['more']):
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
