#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# NAT and FULLNAT, path MTU discovery and time exceeded: errors about answers reach the server, those
# about requests the client, with the addresses that each knows.

. "$(dirname "$0")/lib.sh"
topology 1 nat
far_client

for workers in 1 2; do
    configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_packet", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] },
               { "name": "lan0", "device": "linux:eth1", "driver": "af_packet", "addresses": [ "10.1.0.1/24", "2001:db8:1::1/64" ] } ],
    "workers": $workers,
    "services": [
        { "name": "nat", "protocol": "tcp", "address": "$VIP", "port": 80, "forward": "nat", "servers": [ { "address": "10.1.0.11" } ] },
        { "name": "nat6", "protocol": "tcp", "address": "$VIP6", "port": 80, "forward": "nat", "servers": [ { "address": "2001:db8:1::11" } ] },
        { "name": "full", "protocol": "tcp", "address": "$VIP", "port": 81, "forward": "fullnat", "local_addresses": [ "10.1.0.100" ],
          "servers": [ { "address": "10.1.0.11", "port": 80 } ] },
        { "name": "full6", "protocol": "tcp", "address": "$VIP6", "port": 81, "forward": "fullnat", "local_addresses": [ "2001:db8:1::100" ],
          "servers": [ { "address": "2001:db8:1::11", "port": 80 } ] },
        { "name": "udp", "protocol": "udp", "address": "$VIP", "port": 9, "forward": "nat", "servers": [ { "address": "10.1.0.11", "port": 4444 } ] }
    ]
}
END
    director_start
    on rs1 ip route flush cache
    on rs1 ip -6 route flush cache
    for port in 80 81; do
        fetch_far "http://$VIP:$port/big"
        fetch_far "http://[$VIP6]:$port/big"
    done
    knows_pmtu rs1 203.0.113.2  # by NAT it knows the client
    knows_pmtu rs1 10.1.0.100   # by FULLNAT the local address
    note "$workers worker(s): path MTU discovery works"

    # Nobody listens at the server: its port unreachable reaches the client as the VIP's.
    for _ in {1..3}; do
        rc=0
        on far timeout 5 /usr/bin/python3 - "$VIP" <<'END' || rc=$?
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[1], 9))
s.send(b"x")
try:
    s.recv(10)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit(1)
END
        same "the answer to a datagram that nobody takes" "$rc" 0
    done
    poise drops
    check_accounting
    director_stop TERM
done
