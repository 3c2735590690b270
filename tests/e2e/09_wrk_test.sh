#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# As fast as wrk can: no request fails, and every packet is accounted for. POISE_LONG=1: 30 s, else 10.

. "$(dirname "$0")/lib.sh"
topology 3

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24" ] } ],
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "wlc",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" }, { "address": "192.0.2.13" } ] }
    ]
}
END
director_start
seconds=10
[[ ${POISE_LONG:-} == 1 ]] && seconds=30
clean() { # no error of wrk's, and many requests
    ! grep -E 'Socket errors|Non-2xx' "$1" || fail "requests failed"
    local requests
    requests=$(awk '/requests in/ { print $1 }' "$1")
    note "$requests requests"
    ((requests > 1000)) || fail "only $requests requests"
}

note "connections that stay"
on client wrk -t 1 -c 32 -d "${seconds}s" --timeout 10s "http://$VIP/" >"$TMP/wrk"
clean "$TMP/wrk"

note "a connection a request"
on client wrk -t 1 -c 32 -d 5s --timeout 10s -H 'Connection: close' "http://$VIP/" >"$TMP/wrk"
clean "$TMP/wrk"

check_accounting
poise show drops
poise --json drops | json "nothing was dropped" '.total == 0'
poise --json ports | json "the port's counters" '.ports[0] | .rx_packets > 5000 and .tx_packets > 5000 and .tx_errors == 0'
poise --json services | json "every server had its part" 'all(.services[0].servers[]; .counters.in_packets > 1000)'
