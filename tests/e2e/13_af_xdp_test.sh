#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The AF_XDP driver, asked for by name.

. "$(dirname "$0")/lib.sh"
topology 2

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_xdp",
                 "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" } ] },
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "2001:db8::11" }, { "address": "2001:db8::12" } ] }
    ]
}
END
director_start
poise --json ports | json "the driver" '.ports[0].driver == "net_af_xdp"'
ip -n "$ID-dir" link show eth0 | grep -q prog/xdp || fail "no XDP program on eth0"

same "over IPv4" "$(fetch 200 "http://$VIP/" | spread)" "rs1=100 rs2=100"
same "over IPv6" "$(fetch 200 "http://[$VIP6]/" | spread)" "rs1=100 rs2=100"
on client curl -sS "http://$VIP/big" | cmp - "$TMP/big"
on client curl -sS --fail -o /dev/null -T "$TMP/big" "http://$VIP/upload"
on client ping -n -c 3 -i 0.1 -W 2 "$DIRECTOR" >/dev/null
check_accounting

note "killed and started again: the program of the one before is in nobody's way"
director_stop KILL
director_start
same "requests" "$(fetch 20 "http://$VIP/" | spread)" "rs1=10 rs2=10"
director_stop TERM
! ip -n "$ID-dir" link show eth0 | grep prog/xdp || fail "the XDP program was left on eth0"
