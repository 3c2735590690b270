#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A UDP service: each client socket stays with one server, sockets are spread, IPv4 and IPv6.

. "$(dirname "$0")/lib.sh"
topology 2

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "timeouts": { "udp_s": 3 },
    "services": [
        { "name": "dns", "protocol": "udp", "address": "$VIP", "port": 53, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" } ] },
        { "name": "dns6", "protocol": "udp", "address": "$VIP6", "port": 53, "scheduler": "rr",
          "servers": [ { "address": "2001:db8::11" }, { "address": "2001:db8::12" } ] },
        { "name": "empty", "protocol": "udp", "address": "$VIP", "port": 54 }
    ]
}
END
listening() {
    (($(on "$1" ss -Hlun 'sport = :53' | wc -l) == 2))
}
for i in 1 2; do
    spawn "rs$i" /usr/bin/python3 "$HERE/udp.py" serve "rs$i" "$VIP" 53
    spawn "rs$i" /usr/bin/python3 "$HERE/udp.py" serve "rs$i" "$VIP6" 53
    wait_for 10 "the servers of rs$i listen" listening "rs$i"
done
director_start

for address in "$VIP" "$VIP6"; do
    note "20 sockets, 5 questions each, to $address"
    on client /usr/bin/python3 "$HERE/udp.py" ask "$address" 53 20 5 >"$TMP/answers"
    same "sockets that changed their server" "$(grep -cvE '^(rs1 ){4}rs1$|^(rs2 ){4}rs2$' "$TMP/answers" || true)" 0
    same "spread of the sockets" "$(cut -d' ' -f1 "$TMP/answers" | spread)" "rs1=10 rs2=10"
done
poise --json services | json "counters" '[.services[] | select(.name != "empty")]
    | all(.[]; .counters.connections == 20 and .counters.in_packets == 100)'

note "a service without servers answers: port unreachable"
rc=0
on client /usr/bin/python3 "$HERE/udp.py" ask "$VIP" 54 1 1 >"$TMP/out" 2>&1 || rc=$?
has "the client's error" "$TMP/out" "Connection refused"
poise --json drops | json "its reason" '.drops[] | select(.reason == "no_server") | .count > 0'

note "UDP connections go after their time (3 s here)"
none_left() {
    (($(poise --json connections | jq '.connections | length') == 0))
}
wait_for 10 "no connections are left" none_left
check_accounting
