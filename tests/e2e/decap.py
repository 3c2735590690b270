#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A real server's end of tunnels, for kernels that have none: IP in IP, GRE and GUE over IPv4 and IPv6.

decap.py INTERFACE GUE_PORT   makes the TUN interface, hands it what comes in, and at the end (SIGTERM)
                              prints how many packets of each kind did, as JSON. Whatever a receiver
                              must refuse ends it with an error."""
import collections
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys

UDP_NO_CHECK6_RX = 102  # a GUE packet over IPv6 may have no checksum
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
ETHERTYPES = {0x0800: 4, 0x86DD: 6}
PROTOCOLS = {4: 4, 41: 6}


def checksum(data):
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def inner(packet, version):
    """The packet itself, when it is one of this version and all there."""
    if packet[0] >> 4 != version:
        sys.exit(f"decap: announced as IPv{version}: {packet.hex()}")
    length = (struct.unpack_from("!H", packet, 2)[0] if version == 4
              else 40 + struct.unpack_from("!H", packet, 4)[0])
    if length != len(packet):
        sys.exit(f"decap: {len(packet)} bytes of {length}: {packet.hex()}")
    if version == 4 and checksum(packet[:(packet[0] & 15) * 4]):
        sys.exit(f"decap: wrong header checksum: {packet.hex()}")
    return packet


def gre(data):
    flags, kind = struct.unpack_from("!HH", data)
    if flags not in (0, 0x8000) or kind not in ETHERTYPES:
        sys.exit(f"decap: a GRE header of another kind: {data.hex()}")
    if not flags:
        return "gre", inner(data[4:], ETHERTYPES[kind])
    if checksum(data) or data[6:8] != b"\0\0":
        sys.exit(f"decap: wrong GRE checksum: {data.hex()}")
    return "gre+csum", inner(data[8:], ETHERTYPES[kind])


def gue(data):
    control, protocol, flags = struct.unpack_from("!BBH", data)
    if control or flags or protocol not in PROTOCOLS:
        sys.exit(f"decap: a GUE header of another kind: {data.hex()}")
    return "gue", inner(data[4:], PROTOCOLS[protocol])


def open_tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def open_sockets(port):
    """file descriptor: socket, what unwraps its data, and "4" or "6": over what"""
    sockets = {}
    for family, over in ((socket.AF_INET, "4"), (socket.AF_INET6, "6")):
        for protocol, unwrap in ((4, lambda d: ("ipip", inner(d, 4))),
                                 (41, lambda d: ("ipip", inner(d, 6))), (47, gre)):
            s = socket.socket(family, socket.SOCK_RAW, protocol)
            sockets[s.fileno()] = s, unwrap, over
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
        s.bind(("", port))
        sockets[s.fileno()] = s, gue, over
    for s, _, _ in sockets.values():
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    return sockets


def main():
    tun, sockets = open_tun(sys.argv[1]), open_sockets(int(sys.argv[2]))
    counts = collections.Counter()
    poll = select.poll()
    for fd in sockets:
        poll.register(fd, select.POLLIN)

    def end(*_):
        print(json.dumps(counts), flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    print("ready", file=sys.stderr, flush=True)
    while True:
        for fd, _ in poll.poll():
            s, unwrap, over = sockets[fd]
            data = s.recv(65536)
            if s.type == socket.SOCK_RAW and over == "4":  # with its IP header
                data = data[(data[0] & 15) * 4:]
            kind, packet = unwrap(data)
            counts[f"{packet[0] >> 4} in {kind} over {over}"] += 1
            os.write(tun, packet)


main()
