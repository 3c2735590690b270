#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""conf/poise.schema.json says what the loader does.

usage: test_schema.py SCHEMA EXAMPLES CONF_CHECK

CONF_CHECK is the loader (conf_check.c). Both are asked about the same documents and must agree;
what only the loader can know is listed in LOADER_ONLY.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import unittest

import jsonschema

SCHEMA, EXAMPLES, CONF_CHECK = sys.argv[1:4]
CONF = pathlib.Path(SCHEMA).parent
schema = json.loads(pathlib.Path(SCHEMA).read_text())
validator = jsonschema.Draft7Validator(schema)


def load(documents):
    """What the loader says of each: {"errors": [...], "saved": document or None}."""
    text = ''.join((d if isinstance(d, str) else json.dumps(d)) + '\n' for d in documents)
    run = subprocess.run([CONF_CHECK], input=text, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(documents), run.stderr
    return answers


def schema_errors(document):
    return [f'{e.json_path}: {e.message}' for e in validator.iter_errors(document)]


# Every key, and none of them at its default, so that all of them are saved.
FULL = {
    'ports': [
        {
            'name': 'wan0',
            'device': 'linux:eth1',
            'driver': 'af_packet',
            'queues': 2,
            'mtu': 1400,
            'promiscuous': True,
            'addresses': ['192.0.2.2/24', '2001:db8::2/64'],
        },
        {'name': 'lan0', 'device': '0000:3b:00.0'},
        {'name': 'test0', 'device': 'vdev:net_tap0,iface=t0'},
    ],
    'workers': 2,
    'idle': 'poll',
    'memory': {'hugepages': False, 'megabytes': 256},
    'control': {'socket': '/run/other.sock'},
    'connections': {'max': 4096},
    'timeouts': {'tcp_s': 800, 'tcp_fin_s': 100, 'udp_s': 200},
    'limits': {'punt_packets_per_s': 1000, 'icmp_per_s': 10},
    'routes': [
        {'to': 'default', 'via': '192.0.2.1'},
        {'to': '2001:db8:9::/48', 'via': '2001:db8::1'},
    ],
    'services': [
        {
            'name': 'web',
            'protocol': 'tcp',
            'address': '192.0.2.10',
            'port': 80,
            'scheduler': 'wrr',
            'forward': 'tun',
            'announce': False,
            'local_addresses': ['192.0.2.100-192.0.2.110', '2001:db8::100'],
            'client_address': 'toa',
            'toa_kind': 253,
            'servers': [
                {
                    'address': '192.0.2.11',
                    'port': 80,
                    'weight': 2,
                    'forward': 'tun',
                    'tunnel': {'type': 'gue', 'port': 6080, 'checksum': 'full'},
                },
                {'address': '192.0.2.12'},
            ],
        },
        {'protocol': 'udp', 'address': '2001:db8::10', 'port': 53},
    ],
}
# What is not saved here, being the service's.
NEVER_SAVED = {'server.port', 'server.forward'}

# The objects of the file: name in the schema's "definitions" (or key of the file), and where
# FULL has one.
OBJECTS = {
    '': (),
    'memory': ('memory',),
    'control': ('control',),
    'connections': ('connections',),
    'timeouts': ('timeouts',),
    'limits': ('limits',),
    'port': ('ports', 0),
    'route': ('routes', 0),
    'service': ('services', 0),
    'server': ('services', 0, 'servers', 0),
    'tunnel': ('services', 0, 'servers', 0, 'tunnel'),
}


def object_schema(name):
    if name in schema['definitions']:
        return schema['definitions'][name]
    return schema['properties'][name] if name else schema


def changed(path, value):
    """FULL with one value replaced, added, or, when it is DELETE, removed."""
    document = copy.deepcopy(FULL)
    at = document
    for step in path[:-1]:
        at = at[step]
    if value is DELETE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


DELETE = object()
NUMBERS = {  # path: least, most
    ('ports', 0, 'queues'): (1, 64),
    ('ports', 0, 'mtu'): (576, 9600),
    ('workers',): (1, 32),
    ('memory', 'megabytes'): (64, 65536),
    ('connections', 'max'): (1024, 1000000000),
    ('timeouts', 'tcp_s'): (1, 2678400),
    ('timeouts', 'tcp_fin_s'): (1, 2678400),
    ('timeouts', 'udp_s'): (1, 2678400),
    ('limits', 'punt_packets_per_s'): (100, 10000000),
    ('limits', 'icmp_per_s'): (0, 1000000),
    ('services', 0, 'toa_kind'): (9, 254),
    ('services', 1, 'port'): (1, 65535),
    ('services', 0, 'servers', 0, 'weight'): (0, 2147483647),
    ('services', 0, 'servers', 0, 'tunnel', 'port'): (1, 65535),
}
PORT = ('ports', 0)
SERVICE = ('services', 0)
SERVER = (*SERVICE, 'servers', 0)
UNICAST_BAD = [
    '', '192.0.2', '192.0.2.256', '192.0.2.1.1', '192.0.02.1', ' 192.0.2.1', '192.0.2.1/24',
    '192.0.2.1:80', '0.0.0.0', '0.1.2.3', '224.0.0.1', '239.255.255.255', '240.0.0.1',
    '255.255.255.255', '::', '0:0:0:0:0:0:0:0', '0::0', 'ff02::1', 'FF0e::1', '2001:db8::1::2',
    '2001:db8:::1', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '1:2:3:4::5:6:7:8',
    '12345::1', '2001:db8::g', '[2001:db8::1]', 'fe80::1%eth0', ':1', '1:', 'localhost', '::1.2.3.400',
]
UNICAST6_GOOD = [
    '::1', '2001:db8::1', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8', '1::3:4:5:6:7:8',
    '2001:DB8:0:0:0:0:0:1', 'fe80::1', '::ffff:192.0.2.1', '64:ff9b::192.0.2.1', 'ff::1', '1::',
]

# (path, value, is it good?)
TABLE = [
    # ports
    (('ports',), [], False),
    (('ports',), [{'name': f'p{i}', 'device': f'linux:e{i}'} for i in range(16)], True),
    (('ports',), [{'name': f'p{i}', 'device': f'linux:e{i}'} for i in range(17)], False),
    ((*PORT, 'name'), '', False),
    ((*PORT, 'name'), 'p' * 15, True),
    ((*PORT, 'name'), 'p' * 16, False),
    ((*PORT, 'name'), '.', False),
    ((*PORT, 'name'), '..', False),
    ((*PORT, 'name'), '...', True),
    *[((*PORT, 'name'), f'a{c}b', False) for c in '/: \t\n\v\f\r%'],
    ((*PORT, 'device'), '', False),
    ((*PORT, 'device'), 'eth1', False),
    ((*PORT, 'device'), 'linux:', False),
    ((*PORT, 'device'), 'linux:' + 'e' * 15, True),
    ((*PORT, 'device'), 'linux:' + 'e' * 16, False),
    *[((*PORT, 'device'), f'linux:a{c}b', False) for c in '/, '],
    *[(('ports', 1, 'device'), d, True) for d in
      ('3b:00.0', '0:3b:0.1', 'FFFF:ff:1f.7', '0000:3B:00.1', 'vdev:net_x',
       'vdev:net_' + 'x' * 246)],
    *[(('ports', 1, 'device'), d, False) for d in
      ('0000:3b:00', '3b:00', '3b:00.', '3b:00.00', '00000:3b:00.0', '0000:3b:00.g',
       '0000:3b:00.0 ', ' 0000:3b:00.0', '0000: 3b:00.0', '-1:00.0', '+1:00.0', '0x1:00:00.0',
       'pci:0000:3b:00.0', 'vdev:', 'vdev:tap0', 'vdev:net_' + 'x' * 247)],
    ((*PORT, 'driver'), 'dpdk', False),
    ((*PORT, 'driver'), '', False),
    (('ports', 1, 'driver'), 'auto', True),
    (('ports', 1, 'driver'), 'af_xdp', False),
    (('ports', 2, 'driver'), 'af_packet', False),
    ((*PORT, 'addresses'), [], True),
    ((*PORT, 'addresses'), ['192.0.2.2', '2001:db8::2', '10.0.0.1/0', '10.0.0.1/32',
                            '2001:db8::/0', '2001:db8::/128'], True),
    *[((*PORT, 'addresses'), [a], False) for a in
      ('192.0.2.2/33', '192.0.2.2/', '192.0.2.2/-1', '192.0.2.2/+1', '192.0.2.2/08',
       '192.0.2.2/24 ', '192.0.2.2/24/24', '192.0.2.2/255.255.255.0', '/24', '224.0.0.1/4',
       '0.0.0.0/0', '2001:db8::2/129', '2001:db8::2/1000', '::/0', 'ff02::1/64', 5, None)],
    # the director
    (('workers',), [0], True),
    (('workers',), list(range(32)), True),
    (('workers',), [1023], True),
    (('workers',), [], False),
    (('workers',), list(range(33)), False),
    (('workers',), [1024], False),
    (('workers',), [-1], False),
    (('workers',), [3, 4, 3], False),
    (('workers',), ['1'], False),
    (('workers',), [None], False),
    (('workers',), '2', False),
    (('idle',), 'sleep', False),
    (('idle',), 'Poll', False),
    (('control', 'socket'), '', False),
    (('control', 'socket'), '/' + 's' * 106, True),
    (('control', 'socket'), '/' + 's' * 107, False),
    *[((name,), {}, True) for name in ('memory', 'control', 'connections', 'timeouts', 'limits')],
    # routes
    (('routes',), [], True),
    (('routes', 0, 'to'), '0.0.0.0/0', True),
    (('routes', 0, 'to'), '203.0.113.7', True),
    (('routes', 0, 'to'), '224.0.0.0/4', True),
    (('routes', 1, 'to'), '::/0', True),
    (('routes', 1, 'to'), 'ff00::/8', True),
    *[(('routes', 0, 'to'), a, False) for a in
      ('', 'Default', 'any', '203.0.113.0/33', '203.0.113/24', '2001:db8::/129')],
    # services
    (('services',), [], True),
    ((*SERVICE, 'name'), '', False),
    ((*SERVICE, 'name'), 'n' * 63, True),
    ((*SERVICE, 'name'), 'n' * 64, False),
    ((*SERVICE, 'name'), 'Az09._-:[]', True),
    *[((*SERVICE, 'name'), f'a{c}b', False) for c in ' /\\"\n,é'],
    ((*SERVICE, 'protocol'), 'sctp', False),
    ((*SERVICE, 'protocol'), 'TCP', False),
    *[((*SERVICE, 'scheduler'), s, True) for s in ('rr', 'wrr', 'wlc')],
    *[((*SERVICE, 'scheduler'), s, False) for s in ('', 'sh', 'WLC')],
    *[((*at, 'forward'), f, False) for f in ('', 'bypass', 'local', 'DR')
      for at in (SERVICE, SERVER)],
    *[((*SERVICE, 'local_addresses'), a, True) for a in
      ([], ['192.0.2.1'], ['10.0.0.0/17'], ['192.0.2.8/29', '2001:db8::/120', '192.0.2.1'])],
    *[((*SERVICE, 'local_addresses'), a, False) for a in
      ('192.0.2.1', [1], [''], ['any'], ['192.0.2.1'] * 9, ['192.0.2.1-'], ['192.0.2.1 '])],
    ((*SERVICE, 'servers'), [], True),
    ((*SERVER, 'address'), '2001:db8::11', True),
    *[((*SERVER, 'tunnel'), t, True) for t in
      ({}, {'type': 'ipip'}, {'type': 'gre'}, {'checksum': 'none'}, {'type': 'gue', 'port': 1},
       {'type': 'gue', 'port': 65535, 'checksum': 'remote'}, {'type': 'gre', 'checksum': 'full'})],
    *[((*SERVER, 'tunnel'), t, False) for t in
      ({'port': 6080}, {'type': 'ipip', 'port': 6080}, {'type': 'gre', 'port': 6080},
       {'type': 'gue'}, {'type': 'gue', 'checksum': 'full'}, {'checksum': 'full'},
       {'type': 'ipip', 'checksum': 'remote'}, {'type': 'gre', 'checksum': 'remote'},
       {'type': 'GUE', 'port': 6080}, {'type': 'vxlan'}, {'type': 'gre', 'checksum': 'yes'})],
    # A service without servers fits an address of any family; the last octet may be anything.
    *[(('services', 1, 'address'), a, True) for a in
      (*UNICAST6_GOOD, '1.0.0.0', '127.0.0.1', '223.255.255.255', '10.0.0.255')],
    *[(('services', 1, 'address'), a, False) for a in UNICAST_BAD],
    *[((*SERVER, 'address'), a, False) for a in UNICAST_BAD],
    *[(('routes', 0, 'via'), a, False) for a in UNICAST_BAD],
]

# What a schema cannot say: good for it, refused by the loader, with these words.
LOADER_ONLY = [
    (('ports', 1, 'name'), 'wan0', 'ports[1].name: "wan0" is the name of ports[0] already'),
    (('ports', 1, 'device'), 'linux:eth1', 'ports[1].device: is the device of ports[0] already'),
    ((*PORT, 'name'), 'eth1',
     'ports[0].name: "eth1" is the interface itself; the twin needs another name'),
    ((*PORT, 'name'), 'é' * 8, 'ports[0].name: is longer than 15 bytes'),
    (('control', 'socket'), 'é' * 54, 'control.socket: is longer than 107 bytes'),
    (('routes', 0), {'to': '2001:db8::/32', 'via': '192.0.2.1'},
     "routes[0].via: is not of the route's address family"),
    (('services', 1), {'protocol': 'tcp', 'address': '192.0.2.10', 'port': 80},
     'services[1]: tcp 192.0.2.10:80 is there already, as services[0]'),
    (('services', 1, 'name'), 'web',
     'services[1].name: "web" is the name of services[0] already'),
    ((*SERVICE, 'servers', 1), {'address': '2001:db8::11', 'forward': 'dr'},
     "services[0].servers[1].address: is not of the service's address family"),
    *[((*SERVICE, 'local_addresses'), [a], f'services[0].local_addresses[0]: "{a}" is no address, '
       'range (a-b) or prefix of at most 65536 addresses') for a in
      ('10.0.0.0/15', '192.0.2.9-192.0.2.1', '192.0.2.1-2001:db8::1', '2001:db8::/64', '1.2.3')],
    ((*SERVICE, 'local_addresses'), ['224.0.0.1'],
     'services[0].local_addresses[0]: 224.0.0.1 is not unicast'),
    ((*SERVICE, 'local_addresses'), ['10.0.0.0/24', '10.0.0.9'],
     'services[0].local_addresses[1]: 10.0.0.9 is there already'),
    ((*SERVICE, 'local_addresses'), ['10.0.0.0/16', '10.1.0.0'],
     'services[0].local_addresses: more than 65535 addresses'),
    ((*SERVER, 'forward'), 'nat', 'services[0].servers[0].tunnel: is for forward "tun" only'),
    ((*SERVER, 'address'), '192.0.2.12',
     'services[0].servers[1]: 192.0.2.12:80 is there already, as servers[0]'),
    ((*SERVER, 'port'), 8080,
     'services[0].servers[0].port: with forward "tun" it must be the service\'s, 80: the packet '
     'is not changed'),
    # 2.0 is an integer in JSON Schema; the loader knows how it was written.
    (('workers',), 2.0, 'workers: is neither a number nor a list of 1 to 32 CPU numbers'),
    ((*PORT, 'mtu'), 1500.0, 'ports[0].mtu: is not a whole number'),
]


def leaves(name):
    """(path, schema) of each key of an object of FULL."""
    for key, sub in object_schema(name)['properties'].items():
        yield (*OBJECTS[name], key), sub


class Examples(unittest.TestCase):
    def test_each_is_good_for_both(self):
        files = sorted(pathlib.Path(EXAMPLES).glob('*.json'))
        self.assertGreaterEqual(len(files), 3)
        run = subprocess.run([CONF_CHECK, *files], capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        self.assertEqual(len(answers), len(files))
        for file, answer in zip(files, answers):
            with self.subTest(file.name):
                self.assertEqual(answer['errors'], [])
                self.assertEqual(schema_errors(json.loads(file.read_text())), [])
                self.assertEqual(schema_errors(answer['saved']), [])


class Agreement(unittest.TestCase):
    def agree(self, cases):
        """cases: (what, document, good)"""
        for (what, document, good), answer in zip(cases, load([c[1] for c in cases])):
            with self.subTest(what):
                self.assertEqual(not answer['errors'], good, ('loader', answer['errors']))
                self.assertEqual(
                    not schema_errors(document), good, ('schema', schema_errors(document)))

    def test_schema_is_one(self):
        jsonschema.Draft7Validator.check_schema(schema)
        self.agree([('full', FULL, True), ('list', [], False), ('number', 1, False)])

    def test_table(self):
        self.assertGreater(len(TABLE), 60)
        self.agree([((path, value), changed(path, value), good) for path, value, good in TABLE])

    def test_ranges(self):
        cases = []
        for path, (least, most) in NUMBERS.items():
            for value in (least, most, least - 1, most + 1, -1, 2**63 - 1, least + 0.5):
                good = least <= value <= most and isinstance(value, int)
                cases.append(((path, value), changed(path, value), good))
        server_port = [p for p, _ in leaves('server') if p[-1] == 'port']
        for path in (*server_port, (*SERVICE, 'port')):
            for value in (0, 65536, -1):
                cases.append(((path, value), changed(path, value), False))
        self.agree(cases)

    def test_every_number_is_in_the_table(self):
        table = {path[-1] for path in NUMBERS}
        numbers = {p[-1] for name in OBJECTS for p, s in leaves(name) if s.get('type') == 'integer'}
        self.assertEqual(numbers | {'workers'}, table)

    def test_wrong_types(self):
        """Each key takes values of its own types only; null is never one."""
        values = {
            'string': 'text',
            'integer': 7,
            'boolean': True,
            'array': [[]],
            'object': {'x': 1},
            'null': None,
        }
        cases = []
        for name in OBJECTS:
            for path, sub in leaves(name):
                takes = {sub.get('type')} | {s.get('type') for s in sub.get('anyOf', [])}
                if sub.get('allOf') == [{'$ref': '#/definitions/unicast'}]:
                    takes.add('string')
                for kind, value in values.items():
                    if kind not in takes or kind == 'null' or kind == 'array':
                        cases.append(((path, kind), changed(path, value), False))
        self.assertGreater(len(cases), 150)
        self.agree(cases)

    def test_elements_of_wrong_types(self):
        cases = []
        for path in (('ports',), ('routes',), ('services',), (*SERVICE, 'servers')):
            for value in ('text', 7, True, [], None, {}):
                cases.append(((path, value), changed(path, [value]), False))
        self.agree(cases)

    def test_unknown_and_missing_keys(self):
        cases = []
        for name, path in OBJECTS.items():
            for key in ('nonsense', '', '$schema', 'Name', 'description'):
                cases.append(((path, key), changed((*path, key), 1), False))
            for key in object_schema(name).get('required', []):
                cases.append(((path, key, 'missing'), changed((*path, key), DELETE), False))
            for key in object_schema(name)['properties']:
                if name == 'tunnel' and key != 'checksum':
                    continue  # they go together (TABLE)
                if key not in object_schema(name).get('required', []):
                    cases.append(
                        ((path, key, 'left out'), changed((*path, key), DELETE), True))
        self.assertEqual(sum('missing' in c[0] for c in cases), 1 + 2 + 2 + 3 + 1)
        self.agree(cases)

    def test_loader_only(self):
        answers = load([changed(path, value) for path, value, _ in LOADER_ONLY])
        for (path, value, words), answer in zip(LOADER_ONLY, answers):
            with self.subTest((path, value)):
                self.assertEqual(answer['errors'], [words])
                self.assertEqual(schema_errors(changed(path, value)), [])
        twice = '{"ports": [{"name": "a", "device": "linux:b", "name": "c"}]}'
        self.assertRegex(load([twice])[0]['errors'][0], 'duplicate object key near .*"name"')
        self.assertEqual(schema_errors(json.loads(twice)), [])


class Keys(unittest.TestCase):
    def test_nothing_else_is_taken_anywhere(self):
        def walk(at):
            if isinstance(at, dict):
                if at.get('type') == 'object':
                    self.assertIs(at.get('additionalProperties'), False, at)
                    for key, sub in at['properties'].items():
                        self.assertTrue('$ref' in sub or sub.get('description'), key)
                for sub in at.values():
                    walk(sub)
            elif isinstance(at, list):
                for sub in at:
                    walk(sub)

        walk(schema)

    def test_the_loader_knows_the_same(self):
        """Of every word in the loader's source and in the documentation, the loader takes as a
        key just those that the schema has."""
        files = [*CONF.glob('*.c'), *CONF.glob('*.h'), *CONF.glob('../docs/configuration.md')]
        words = {w for f in files for w in re.findall(r'[A-Za-z0-9_]+', f.read_text())}
        for name in OBJECTS:
            words |= set(object_schema(name)['properties'])
        self.assertGreater(len(words), 500)
        documents = []
        for path in OBJECTS.values():
            document = copy.deepcopy(FULL)
            at = document
            for step in path:
                at = at[step]
            at.update({word: {} for word in words - set(at)})
            documents.append(document)
        for (name, path), answer in zip(OBJECTS.items(), load(documents)):
            where = ''.join(f'[{s}]' if isinstance(s, int) else f'.{s}' for s in path)[1:]
            said = re.compile(
                re.escape(where + '.' if where else '') + r'([A-Za-z0-9_]+): unknown key')
            unknown = {m[1] for m in map(said.match, answer['errors']) if m}
            with self.subTest(name or 'the file'):
                self.assertEqual(words - unknown, set(object_schema(name)['properties']))

    def test_documented(self):
        for file in ('configuration.md', 'man/poise.json.5'):
            text = (CONF.parent / 'docs' / file).read_text()
            for name in OBJECTS:
                for key in object_schema(name)['properties']:
                    with self.subTest((file, key)):
                        self.assertRegex(text, rf'\b{key}\b')


class Defaults(unittest.TestCase):
    def test_full_is_saved_whole(self):
        """So a key that is missing from what is saved was at its default."""
        expected = copy.deepcopy(FULL)
        for where in NEVER_SAVED:
            name, key = where.split('.')
            at = expected
            for step in OBJECTS[name]:
                at = at[step]
            del at[key]
        self.assertEqual(load([FULL])[0]['saved'], expected)

    def test_written_defaults_are_not_saved(self):
        cases = []
        for name in OBJECTS:
            for path, sub in leaves(name):
                # The type of a tunnel goes with its port (TABLE).
                if 'default' in sub and path != (*SERVER, 'tunnel', 'type'):
                    cases.append((path, sub['default']))
        self.assertEqual(len(cases), 24)
        with_default = load([changed(path, value) for path, value in cases])
        without = load([changed(path, DELETE) for path, _ in cases])
        for (path, value), a, b in zip(cases, with_default, without):
            with self.subTest((path, value)):
                self.assertEqual(a['errors'], [])
                self.assertEqual(a['saved'], b['saved'])
                if f'{self.object_of(path)}.{path[-1]}' not in NEVER_SAVED:
                    self.assertNotEqual(a['saved'], load([FULL])[0]['saved'])

    @staticmethod
    def object_of(path):
        return next(name for name, at in OBJECTS.items() if at == path[:-1])

    def test_keys_without_default_have_none(self):
        """What the schema gives no default for is required, or decided later: leaving it out is
        not the same as any value that FULL has."""
        without = set()
        for name in OBJECTS:
            required = object_schema(name).get('required', [])
            for path, sub in leaves(name):
                if 'default' not in sub and sub.get('type') != 'object' and path[-1] not in required:
                    without.add(f'{name}.{path[-1]}')
        self.assertEqual(without, {
            'port.queues', 'port.mtu', 'memory.hugepages', 'memory.megabytes', 'service.name',
            'server.port', 'server.forward', 'tunnel.port',
        })
        full = load([FULL])[0]['saved']
        for where in without - NEVER_SAVED - {'tunnel.port'}:  # required with FULL's type
            name, key = where.split('.')
            answer = load([changed((*OBJECTS[name], key), DELETE)])[0]
            with self.subTest(where):
                self.assertEqual(answer['errors'], [])
                self.assertNotEqual(answer['saved'], full)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1], verbosity=2)
