#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What can be wrong at the start gives one clear line and an exit code, and leaves nothing behind.

. "$(dirname "$0")/lib.sh"
topology 1

good='{ "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "192.0.2.2/24" ] } ],
        "services": [ { "name": "web", "protocol": "tcp", "address": "192.0.2.10", "port": 80,
                        "servers": [ { "address": "192.0.2.11" } ] } ] }'
state() {
    on dir nft list ruleset
    on dir ip -details address show
    on dir ip route show table all
    on dir sysctl -a 2>/dev/null | grep -E '^net\.(ipv4|ipv6)\.conf\.eth0'
    on dir ethtool -k eth0
}
# refused WHAT FILTER TEXT: with the configuration changed by the filter poised does not start and
# says TEXT, in an error line that is its last word.
refused() {
    local rc=0
    jq "$2" <<<"$good" | configure
    state >"$TMP/before"
    on dir timeout 20 "$POISED" -c "$CONF" >"$TMP/out" 2>&1 </dev/null || rc=$?
    ((rc != 0 && rc < 124)) || fail "$1: exit code $rc, $(<"$TMP/out")"
    # A list of configuration errors ends with their number.
    grep -vE ': [0-9]+ errors?$' "$TMP/out" | tail -n 1 >"$TMP/last"
    note "$1: $(<"$TMP/last")"
    has "$1" "$TMP/last" "$3"
    state >"$TMP/after"
    diff -u "$TMP/before" "$TMP/after" || fail "$1: something was left behind"
    [[ ! -e $SOCK ]] || fail "$1: the socket was left behind"
}

refused "no such interface" '.ports[0].device = "linux:eth7"' eth7
refused "no such CPU" '.workers = [ 4000 ]' 4000
refused "twin's name is taken" '.ports[0].name = "eth0"' eth0
refused "no such PCI device" '.ports[0].device = "0000:ff:1f.7"' 0000:ff:1f.7
refused "nonsense device" '.ports[0].device = "vdev:net_nonsense0"' net_nonsense0
refused "no memory" '.memory = {"hugepages": true, "megabytes": 65536}' hugepages
refused "a second port that is wrong undoes the first" \
    '.ports += [{"name": "wan1", "device": "linux:eth7"}]' eth7
refused "broken configuration" '.services[0].port = 0' 'services[0].port'

note "not root"
jq . <<<"$good" | configure
chmod 755 "$TMP"
install -m 755 "$POISED" "$TMP/poised" # where everybody may reach it
rc=0
on dir setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
    timeout 20 "$TMP/poised" -c "$CONF" >"$TMP/out" 2>&1 </dev/null || rc=$?
((rc != 0 && rc < 124)) || fail "not root: exit code $rc, $(<"$TMP/out")"
grep -qiE 'root|permi' "$TMP/out" || fail "not root: $(<"$TMP/out")"
note "$(tail -n 1 "$TMP/out")"

note "the control socket is another daemon's: the second one leaves it alone"
director_start
rc=0
on dir timeout 20 "$POISED" -c "$CONF" >"$TMP/out" 2>&1 </dev/null || rc=$?
((rc != 0 && rc < 124)) || fail "two daemons on one socket"
note "$(tail -n 1 "$TMP/out")"
has "which socket" "$TMP/out" "$SOCK"
same "the first one goes on" "$(fetch 20 "http://$VIP/" | spread)" "rs1=20"
check_accounting
