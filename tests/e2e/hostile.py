#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Clients that misbehave on the control socket: hostile.py SOCKET slow|long|garbage|deaf|many

Each prints what the daemon said before it hung up, and how long that took."""
import json
import socket
import sys
import time


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s


def rest(s):
    """Everything until the daemon closes."""
    s.settimeout(60)
    out = b""
    try:
        while data := s.recv(65536):
            out += data
    except ConnectionResetError:
        pass
    return out


def slow():  # a byte now and then, never a line
    s = connect()
    try:
        for c in b'{"jsonrpc":"2.0","id":1,"method":"version"' * 100:
            s.send(bytes([c]))
            s.settimeout(2)
            try:
                if out := s.recv(65536):
                    return out + rest(s)
                return b""
            except TimeoutError:
                pass
    except (BrokenPipeError, ConnectionResetError):
        return rest(s)
    return b"never cut off"


def long():  # 100 MB without a line end
    s = connect()
    sent = 0
    block = b"[" * 65536
    try:
        while sent < 100_000_000:
            sent += s.send(block)
    except (BrokenPipeError, ConnectionResetError):
        pass
    out = rest(s)
    if sent > 64 << 20:
        return b"took %d bytes" % sent
    return out


def garbage():
    s = connect()
    s.sendall(b"\x00\xff\xfeGET / HTTP/1.0\r\n\r\n\x00" * 20 + b"\n")
    return rest(s)


def deaf():  # asks for ever, never reads a reply
    s = connect()
    s.settimeout(60)
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "drops", "params": {}}).encode() + b"\n"
    sent = 0
    try:
        while sent < 200_000_000:
            sent += s.send(line * 100)
    except (BrokenPipeError, ConnectionResetError):
        return b"closed"
    except TimeoutError:
        return b"not closed after 60 s"
    return b"took everything"


def many():  # more clients than there is room for
    held = [connect() for _ in range(140)]
    refused = 0
    for s in held:
        s.settimeout(0.2)
        try:
            refused += b"too many clients" in s.recv(4096)
        except TimeoutError:
            pass
    return b"%d refused" % refused


path = sys.argv[1]
begin = time.monotonic()
said = {"slow": slow, "long": long, "garbage": garbage, "deaf": deaf, "many": many}[sys.argv[2]]()
print(f"{time.monotonic() - begin:.0f} s: {said.decode(errors='replace').strip()}")
