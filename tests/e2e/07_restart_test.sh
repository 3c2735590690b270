#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Stop, crash, start, reload: the machine is left as it was found, no clean-up by hand is ever
# needed, and a reload touches nothing but the difference.

. "$(dirname "$0")/lib.sh"
topology 3

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" } ] }
    ]
}
END
on dir ethtool -K eth0 gro on >/dev/null # as most machines have it
state() { # everything that poised may change
    on dir nft list ruleset
    on dir ip -details link show
    on dir ip address show
    on dir ip route show table all | sort
    on dir ip -6 route show table all | sort
    on dir ip neigh show
    on dir sysctl -a 2>/dev/null | grep -E '^net\.(ipv4|ipv6)\.(conf|neigh)\.'
    on dir ethtool -k eth0
}
state >"$TMP/before"

note "SIGTERM leaves the machine as it was"
director_start
on dir nft list ruleset | grep -q . || note "(this driver needs no nftables rules)"
same "requests" "$(fetch 20 "http://$VIP/" | spread)" "rs1=10 rs2=10"
director_stop TERM
state >"$TMP/after"
diff -u "$TMP/before" "$TMP/after" || fail "something was left behind"
[[ ! -e $SOCK ]] || fail "the socket was left behind"

note "SIGINT, too"
director_start
director_stop INT
state >"$TMP/after"
diff -u "$TMP/before" "$TMP/after" || fail "something was left behind"

note "killed without warning: the next start needs no help, and ends as clean"
director_start
director_stop KILL
director_start
same "requests" "$(fetch 20 "http://$VIP/" | spread)" "rs1=10 rs2=10"
director_stop KILL
director_start
same "requests" "$(fetch 20 "http://$VIP/" | spread)" "rs1=10 rs2=10"
director_stop TERM
state >"$TMP/after"
diff -u "$TMP/before" "$TMP/after" || fail "something was left behind"
! ls /run/poise/undo-"$(on dir stat -L -c %i /proc/self/ns/net)"-* 2>/dev/null || fail "an undo file was left behind"

note "a reload applies the difference; a running download does not notice"
director_start
on client curl -sS --limit-rate 800k -o "$TMP/slow" "http://$VIP/big" &
slow=$!
wait_for 5 "the download runs" test -s "$TMP/slow"
connections=$(poise --json services | jq '.services[0].counters.connections')
jq '.services[0].servers += [{"address": "192.0.2.13", "weight": 1}]
    | .services[0].servers[0].weight = 2
    | .services += [{"name": "dns", "protocol": "udp", "address": "192.0.2.10", "port": 53}]' "$CONF" | configure
poise --json config reload | json "what it did" '.added == 2 and .changed == 1 and .removed == 0'
poise --json services | json "the difference" '([.services[] | .name] | sort) == ["dns", "web"]
    and (.services[] | select(.name == "web") | .counters.connections == '"$connections"'
        and ([.servers[] | {(.address): .weight}] | add)
            == {"192.0.2.11": 2, "192.0.2.12": 1, "192.0.2.13": 1})'
poise --json config reload | json "nothing to do" '.added == 0 and .changed == 0 and .removed == 0'

note "SIGHUP does the same"
jq 'del(.services[1]) | .services[0].servers |= map(select(.address != "192.0.2.13"))' "$CONF" | configure
kill -HUP "$DIRECTOR_PID"
two_left() {
    poise --json services | jq -e '[.services[] | .name] == ["web"] and (.services[0].servers | length) == 2' >/dev/null
}
wait_for 5 "the reload is done" two_left
wait "$slow" || fail "the download was cut off"
cmp "$TMP/slow" "$TMP/big"

note "a reload with an error changes nothing"
cp "$CONF" "$TMP/good.json"
before=$(poise --json config)
jq '.services[0].servers[0].weight = 9 | .services[0].servers[1].weight = -4' "$TMP/good.json" | configure
poise config reload >"$TMP/out" 2>&1 && fail "a broken file was taken"
has "the mistake is named" "$TMP/out" 'services[0].servers[1].weight'
same "the running state" "$(poise --json config)" "$before"

note "keys that are read at start only are refused as a whole"
jq '.workers = 2 | .services[0].servers[0].weight = 9' "$TMP/good.json" | configure
poise config reload >"$TMP/out" 2>&1 && fail "workers were changed by a reload"
has "the key is named" "$TMP/out" workers
same "the running state" "$(poise --json config)" "$before"
same "requests go on" "$(fetch 20 "http://$VIP/" | wc -l)" 20

note "save writes a file that loads"
cp "$TMP/good.json" "$CONF"
poise server edit web 192.0.2.11:80 --weight 4
poise config save
"$POISED" --check -c "$CONF"
jq -e '.services[0].servers[] | select(.address == "192.0.2.11") | .weight == 4' "$CONF" >/dev/null ||
    fail "not in the saved file: $(<"$CONF")"
check_accounting
