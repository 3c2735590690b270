#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Weighted round robin gives each server its share, exactly, and the counters say so.

. "$(dirname "$0")/lib.sh"
topology 3

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24" ] } ],
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "wrr",
          "servers": [ { "address": "192.0.2.11", "weight": 1 },
                       { "address": "192.0.2.12", "weight": 3 },
                       { "address": "192.0.2.13", "weight": 6 } ] },
        { "name": "alt", "protocol": "tcp", "address": "192.0.2.20", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" }, { "address": "192.0.2.13" } ] }
    ]
}
END
for i in 1 2 3; do
    ip -n "$ID-rs$i" address add 192.0.2.20/32 dev lo
done
director_start

note "wrr with weights 1, 3, 6"
got=$(fetch 1000 "http://$VIP/" | spread)
same "spread of 1000 requests" "$got" "rs1=100 rs2=300 rs3=600"

note "rr"
got=$(fetch 300 "http://192.0.2.20/" | spread)
same "spread of 300 requests" "$got" "rs1=100 rs2=100 rs3=100"

note "the counters tell the same"
poise --json services | json "counters of web" '.services[] | select(.name == "web")
    | .counters.connections == 1000
    and ([.servers[] | {(.address): .counters.connections}] | add)
        == {"192.0.2.11": 100, "192.0.2.12": 300, "192.0.2.13": 600}
    and .counters.in_packets >= 5000
    and .counters.in_packets == ([.servers[].counters.in_packets] | add)
    and .counters.in_bytes == ([.servers[].counters.in_bytes] | add)
    and .counters.out_packets == 0'
poise --json services | json "newest server first" '.services[] | select(.name == "web")
    | [.servers[].address] == ["192.0.2.13", "192.0.2.12", "192.0.2.11"]'

note "bulk data, both ways"
same "download of 3 MB" "$(on client curl -sS "http://$VIP/big" | cmp - "$TMP/big" && echo same)" same
on client curl -sS --fail -o /dev/null -T "$TMP/big" "http://$VIP/upload"

note "every request is a connection that can be listed, once"
poise --json connections | json "connections of alt" '[.connections[] | select(.service == "alt")]
    | length == 300 and (map(.client_port) | unique | length) == 300
    and all(.[]; .client == "192.0.2.1" and .virtual == "192.0.2.20" and .virtual_port == 80)'
poise --json drops | json "nothing was dropped" '.total == 0'
check_accounting
