#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# NAT in two arms: clients on one NIC, servers with other ports on a second, whose router is the director.

. "$(dirname "$0")/lib.sh"
topology 3 nat

nat_configure() { # nat_configure WORKERS
    configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_packet", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] },
               { "name": "lan0", "device": "linux:eth1", "driver": "af_packet", "addresses": [ "10.1.0.1/24", "2001:db8:1::1/64" ] } ],
    "workers": $1,
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 8080, "scheduler": "wrr", "forward": "nat",
          "servers": [ { "address": "10.1.0.11", "port": 80 }, { "address": "10.1.0.12", "port": 80, "weight": 2 },
                       { "address": "10.1.0.13", "port": 80, "weight": 3 } ] },
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 8080, "scheduler": "rr", "forward": "nat",
          "servers": [ { "address": "2001:db8:1::11", "port": 80 }, { "address": "2001:db8:1::12", "port": 80 } ] },
        { "name": "echo", "protocol": "udp", "address": "$VIP", "port": 53, "scheduler": "rr", "forward": "nat",
          "servers": [ { "address": "10.1.0.11", "port": 5353 }, { "address": "10.1.0.12", "port": 5353 } ] },
        { "name": "echo6", "protocol": "udp", "address": "$VIP6", "port": 53, "scheduler": "rr", "forward": "nat",
          "servers": [ { "address": "2001:db8:1::11", "port": 5353 }, { "address": "2001:db8:1::12", "port": 5353 } ] }
    ]
}
END
}

for i in 1 2; do
    spawn "rs$i" /usr/bin/python3 "$HERE/udp.py" serve "rs$i" "10.1.0.1$i" 5353
    spawn "rs$i" /usr/bin/python3 "$HERE/udp.py" serve "rs$i" "2001:db8:1::1$i" 5353
done
for workers in 1 2; do
    nat_configure "$workers"
    director_start
    note "$workers worker(s): HTTP by weight"
    if ((workers == 1)); then
        same "over IPv4" "$(fetch 600 "http://$VIP:8080/" | spread)" "rs1=100 rs2=200 rs3=300"
        same "over IPv6" "$(fetch 200 "http://[$VIP6]:8080/" | spread)" "rs1=100 rs2=100"
    else
        # Each worker plays its own rounds: every server is within 2 % of its share.
        fetch 600 "http://$VIP:8080/" | spread >"$TMP/spread"
        awk -F'[= ]' '{ exit !($2 >= 88 && $2 <= 112 && $4 >= 188 && $4 <= 212) }' "$TMP/spread" ||
            fail "the spread is $(<"$TMP/spread")"
        same "over IPv6" "$(fetch 200 "http://[$VIP6]:8080/" | wc -l)" 200
    fi
    note "large bodies both ways, with checksums left to a NIC"
    for node in client rs1 rs2 rs3; do
        on "$node" ethtool -K eth0 tx on tso off gso off >/dev/null
    done
    for _ in {1..5}; do
        on client curl -sS --fail --max-time 20 "http://$VIP:8080/big" | cmp - "$TMP/big"
        on client curl -sS --fail --max-time 20 "http://[$VIP6]:8080/big" | cmp - "$TMP/big"
        on client curl -sS --fail --max-time 20 -o /dev/null -T "$TMP/big" "http://$VIP:8080/upload"
    done
    for node in client rs1 rs2 rs3; do
        offload "$node" off
    done
    note "UDP, and datagrams in fragments both ways"
    for vip in "$VIP" "$VIP6"; do
        for bytes in 1 5000 20000; do
            on client /usr/bin/python3 "$HERE/udp.py" ask "$vip" 53 10 3 $bytes >"$TMP/udp"
            same "answers of $bytes bytes" "$(grep -cE '^(rs1 rs1 rs1|rs2 rs2 rs2)$' "$TMP/udp")" 10
        done
    done
    note "wrk"
    on client wrk -t 1 -c 32 -d 3s "http://$VIP:8080/" >"$TMP/wrk"
    grep -E 'requests in|Socket errors|Non-2xx' "$TMP/wrk"
    ! grep -qE 'Socket errors|Non-2xx' "$TMP/wrk" || fail "requests failed"
    poise --json services | json "both directions are counted" \
        '.services[] | select(.name == "web") | .counters | .out_packets > 1000 and .in_packets > 1000'
    poise connections --limit 2
    poise drops
    check_accounting
    director_stop TERM
done
