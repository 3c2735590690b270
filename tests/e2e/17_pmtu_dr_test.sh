#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# DR and path MTU discovery: a router behind the director tells the VIP that a packet of the server's is too
# long; the server must hear of it.

. "$(dirname "$0")/lib.sh"
topology 1
far_client
ip -n "$ID-rs1" route add default via 192.0.2.254
ip -n "$ID-rs1" route add default via 2001:db8::fe

for workers in 1 2; do
    configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_packet", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "workers": $workers,
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "servers": [ { "address": "192.0.2.11" } ] },
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 80, "servers": [ { "address": "2001:db8::11" } ] }
    ]
}
END
    director_start
    on rs1 ip route flush cache
    on rs1 ip -6 route flush cache
    fetch_far "http://$VIP/big"
    knows_pmtu rs1 203.0.113.2 from "$VIP"
    fetch_far "http://[$VIP6]/big"
    note "$workers worker(s): path MTU discovery works"
    poise drops
    check_accounting
    director_stop TERM
done
