#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Everything over IPv6: spread, bulk data, connections as they are listed.

. "$(dirname "$0")/lib.sh"
topology 2

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "services": [
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 80, "scheduler": "wrr",
          "servers": [ { "address": "2001:db8::11", "weight": 3 }, { "address": "2001:db8::12", "weight": 1 } ] },
        { "name": "web4", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" } ] }
    ]
}
END
director_start

note "wrr over IPv6, with IPv4 beside it"
got=$(fetch 400 "http://[$VIP6]/" | spread)
same "spread over IPv6" "$got" "rs1=300 rs2=100"
got=$(fetch 100 "http://$VIP/" | spread)
same "spread over IPv4" "$got" "rs1=50 rs2=50"

note "bulk data, both ways"
on client curl -sS "http://[$VIP6]/big" | cmp - "$TMP/big"
on client curl -sS --fail -o /dev/null -T "$TMP/big" "http://[$VIP6]/upload"

note "a connection in the list"
on client curl -sS --limit-rate 1M -o /dev/null "http://[$VIP6]/big" &
established() {
    poise --json connections --service web6 --state ESTABLISHED >"$TMP/connections"
    jq -e '.connections | length == 1' "$TMP/connections" >/dev/null
}
wait_for 5 "one established connection" established
json "what is listed" '.connections[0] | .protocol == "tcp" and .client == "2001:db8::1"
    and .virtual == "2001:db8::10" and .virtual_port == 80 and .forward == "dr" and .worker == 0
    and (.server == "2001:db8::11" or .server == "2001:db8::12") and .expires_s > 850' <"$TMP/connections"
wait "$!"

poise --json services | json "counters" '.services[] | select(.name == "web6") | .counters.connections == 403'
check_accounting
