#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""UDP for the tests.

udp.py serve NAME ADDRESS PORT          answers every datagram with NAME
udp.py ask ADDRESS PORT CLIENTS TIMES [BYTES]
                                        so many sockets, each asks so often; prints a line a socket:
                                        the names that answered it. Questions have at least so many
                                        bytes, and may be fragmented on their way."""
import socket
import sys

IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(name, address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.bind((address, int(port)))
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(name.encode() + b" " + data, peer)


def ask(address, port, clients, times, size=0):
    for i in range(int(clients)):
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.connect((address, int(port)))  # only answers that come from the VIP count
        s.settimeout(5)
        if s.family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        names = []
        for j in range(int(times)):
            question = (b"%d.%d" % (i, j)).ljust(int(size), b".")
            s.send(question)
            name, _, echo = s.recv(65536).partition(b" ")
            if echo != question:
                sys.exit(f"asked {question!r}, got the answer to {echo!r}")
            names.append(name.decode())
        print(*names)


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
