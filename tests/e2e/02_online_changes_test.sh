#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Servers come, change their weight, are drained and go under load; no request fails.

. "$(dirname "$0")/lib.sh"
topology 3

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24" ] } ],
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "wrr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" } ] }
    ]
}
END
director_start
server() { # server ADDRESS FILTER: a value of this server
    poise --json services | jq -r --arg a "$1" ".services[0].servers[] | select(.address == \$a) | $2"
}

load_start "http://$VIP/"
load_grows rs1
load_grows rs2

note "a third server is added and gets its share at once"
poise server add web 192.0.2.13:80 --weight 2
load_grows rs3
same "its weight" "$(server 192.0.2.13 .weight)" 2

note "it exists: adding it again is refused, and changes nothing"
poise server add web 192.0.2.13:80 --weight 7 2>"$TMP/err" && fail "added twice"
same "its weight" "$(server 192.0.2.13 .weight)" 2

note "a new weight"
poise server edit web 192.0.2.12:80 --weight 5
same "its weight" "$(server 192.0.2.12 .weight)" 5
load_grows rs2

note "rs1 is drained: a download that runs goes on, new requests go elsewhere"
# One that rs1 answers, slow enough to be still running later.
for port in {20001..20020}; do # no port of the load's: those are above 32767
    on client curl -sS --local-port "$port" -o "$TMP/slow" "http://$VIP/slow" &
    slow=$!
    wait_for 5 "the download runs" test -s "$TMP/slow"
    poise --json connections --server 192.0.2.11 |
        jq -e ".connections | any(.client_port == $port)" >/dev/null && break
    kill "$slow"
    wait "$slow" || true
    rm -f "$TMP/slow"
done
poise server drain web 192.0.2.11:80
same "its weight" "$(server 192.0.2.11 '"\(.weight) \(.drained)"')" "0 true"
before=$(server 192.0.2.11 .counters.connections)
load_grows rs2
same "new connections of the drained server" "$(server 192.0.2.11 .counters.connections)" "$before"
wait "$slow" || fail "the download was cut off"
cmp "$TMP/slow" "$TMP/big"

note "ready again: the weight before is back"
poise server ready web 192.0.2.11:80
same "its weight" "$(server 192.0.2.11 '"\(.weight) \(.drained)"')" "1 false"
load_grows rs1

note "weight 0, then removed"
poise server edit web 192.0.2.13:80 --weight 0
idle() {
    (($(server 192.0.2.13 .active_connections) == 0))
}
wait_for 10 "rs3 has no active connection" idle
poise server delete web 192.0.2.13:80
poise --json services | json "two servers are left" '[.services[0].servers[].address] == ["192.0.2.12", "192.0.2.11"]'
load_grows rs1
load_grows rs2

note "a second service comes and goes"
poise service add tcp "$VIP:8080" --name other --scheduler rr
poise server add other 192.0.2.11
poise --json services | json "both are there" '[.services[].name] | sort == ["other", "web"]'
poise service delete other
poise --json services | json "only web is left" '[.services[].name] == ["web"]'

got=$(load_stop)
note "answered under load: $got"
[[ $got == *rs1=*rs2=*rs3=* ]] || fail "not every server answered"
check_accounting
