#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The kernel is the router: what is not for a virtual service goes to the kernel through the port's
# TAP twin, and each packet is answered once. A server whose MAC address changes is followed.

. "$(dirname "$0")/lib.sh"
topology 2

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" } ] },
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "2001:db8::11" }, { "address": "2001:db8::12" } ] }
    ]
}
END
director_start

note "the twin has the port's name and MAC address"
same "MAC address" "$(mac_of dir wan0)" "$(mac_of dir eth0)"

note "ping: the director's addresses and the VIPs, each echo answered once"
for address in "$DIRECTOR" "$VIP" "$DIRECTOR6" "$VIP6"; do
    on client ping -n -c 5 -i 0.1 -W 2 "$address" >"$TMP/ping" || fail "no answer from $address: $(<"$TMP/ping")"
    has "ping $address" "$TMP/ping" "5 packets transmitted, 5 received, 0% packet loss"
    same "duplicates from $address" "$(grep -c DUP "$TMP/ping" || true)" 0
done

note "ARP: one answer for each question, with the twin's MAC address"
for address in "$DIRECTOR" "$VIP"; do
    on client arping -c 3 -I eth0 "$address" >"$TMP/arping" || fail "$(<"$TMP/arping")"
    has "arping $address" "$TMP/arping" "Received 3 response(s)"
    same "who answers" "$(grep -ioE '\[[0-9a-f:]{17}\]' "$TMP/arping" | tr 'A-F' 'a-f' | sort -u)" \
        "[$(mac_of dir wan0)]"
done

note "TCP to the director itself"
spawn dir sh -c 'echo hello from the director | nc -q 1 -l -s 192.0.2.2 -p 7000'
wait_for 5 "nc listens" on dir sh -c 'ss -Hltn | grep -q 192.0.2.2:7000'
same "what it says" "$(on client nc -w 5 "$DIRECTOR" 7000 </dev/null)" "hello from the director"
spawn dir sh -c 'echo hello from the director | nc -6 -q 1 -l -s 2001:db8::2 -p 7000'
wait_for 5 "nc listens" on dir sh -c 'ss -Hltn | grep -q 2001:db8::2.*:7000'
same "what it says over IPv6" "$(on client nc -w 5 "$DIRECTOR6" 7000 </dev/null)" "hello from the director"

note "TCP to another port of the VIP is the kernel's, too: refused, not ignored"
start=$SECONDS
on client nc -z -w 10 "$VIP" 81 && fail "something listens on port 81"
((SECONDS - start < 5)) || fail "no reset came"
spawn dir sh -c 'echo another port | nc -q 1 -l -s 192.0.2.10 -p 7001'
wait_for 5 "nc listens" on dir sh -c 'ss -Hltn | grep -q 192.0.2.10:7001'
same "what it says" "$(on client nc -w 5 "$VIP" 7001 </dev/null)" "another port"

note "from the director outwards"
same "the director's own request" "$(on dir curl -sS --max-time 5 http://192.0.2.12/)" rs2

note "rs1 gets another MAC address under load"
load_start "http://$VIP/"
load_grows rs1
ip -n "$ID-rs1" link set eth0 address 02:00:00:00:00:99
new_mac() {
    poise --json neighbours | jq -e '.neighbours[] | select(.address == "192.0.2.11")
        | .mac == "02:00:00:00:00:99" and .state == "reachable"' >/dev/null
}
begin=${EPOCHREALTIME/[.,]/}
wait_for 2 "the new MAC address is known" new_mac
note "known after $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms"
load_grows rs1
load_grows rs2
got=$(load_stop)
note "no request failed: $got"
check_accounting
