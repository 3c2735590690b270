#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A peer whose interface has checksum offload on sends TCP with only the pseudo-header's sum through
# a veth. poise mends it, and says once what to switch off.

. "$(dirname "$0")/lib.sh"
topology 2
offload client on

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_packet",
                 "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12" } ] },
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 80, "scheduler": "rr",
          "servers": [ { "address": "2001:db8::11" }, { "address": "2001:db8::12" } ] },
        { "name": "dns", "protocol": "udp", "address": "$VIP", "port": 53, "scheduler": "rr",
          "servers": [ { "address": "192.0.2.11" } ] }
    ]
}
END
spawn rs1 /usr/bin/python3 "$HERE/udp.py" serve rs1 "$VIP" 53
director_start

note "requests succeed"
same "over IPv4" "$(fetch 100 "http://$VIP/" | spread)" "rs1=50 rs2=50"
same "over IPv6" "$(fetch 100 "http://[$VIP6]/" | spread)" "rs1=50 rs2=50"
same "over UDP" "$(on client /usr/bin/python3 "$HERE/udp.py" ask "$VIP" 53 3 1 | spread)" "rs1=3"

note "it was needed, and the log says once what to do"
poise --json ports | json "mended checksums" '.ports[0].mended_checksums > 500'
wait_for 3 "advice in the log" grep -qF 'tx off' "$LOG"

note "the kernel gets mended packets as well"
on client ping -n -c 3 -i 0.1 -W 2 "$DIRECTOR" >/dev/null
spawn dir sh -c 'echo hello | nc -q 1 -l -s 192.0.2.2 -p 7000'
wait_for 5 "nc listens" on dir sh -c 'ss -Hltn | grep -q 192.0.2.2:7000'
same "TCP to the director" "$(on client nc -w 5 "$DIRECTOR" 7000 </dev/null)" hello

note "with offload off nothing more is mended"
offload client off
before=$(poise --json ports | jq '.ports[0].mended_checksums')
same "over IPv4" "$(fetch 100 "http://$VIP/" | spread)" "rs1=50 rs2=50"
same "mended checksums" "$(poise --json ports | jq '.ports[0].mended_checksums')" "$before"
same "lines of advice" "$(grep -cF 'tx off' "$LOG")" 1
check_accounting
