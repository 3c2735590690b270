#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Two workers with a queue each: every request is answered, both have work.

. "$(dirname "$0")/lib.sh"
topology 2

configure <<END
{
    "workers": 2,
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_packet", "queues": 2,
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
poise --json workers | json "two workers, a queue each" '[.workers[].queues] | sort == [["wan0:0"], ["wan0:1"]]'

note "all requests are answered"
same "answers over IPv4" "$(fetch 500 "http://$VIP/" | wc -l)" 500
same "answers over IPv6" "$(fetch 500 "http://[$VIP6]/" | wc -l)" 500

note "both workers saw traffic, and each server about half of it"
poise --json workers | json "both have work" 'all(.workers[]; .rx > 500 and .tx > 500)'
poise --json services | json "about half each" 'all(.services[];
    .counters.connections == 500 and all(.servers[]; .counters.connections > 150))'
poise --json connections | json "connections of both workers" '[.connections[].worker] | unique == [0, 1]'

note "changes reach both"
poise server edit web 192.0.2.11:80 --weight 0
got=$(fetch 100 "http://$VIP/" | spread)
same "with rs1 at weight 0" "$got" "rs2=100"
check_accounting
