#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# ./dev demo [--keep|--stop]: a client, a director and three real servers in network namespaces.

. "$(dirname "$0")/lib.sh"

keep=
case ${1:-} in
'') ;;
--keep) keep=1 ;;
--stop)
    if ip netns list | grep -q "^$ID-"; then
        wipe
        echo "The demo is over."
    else
        echo "No demo is running."
    fi
    trap - EXIT
    exit 0
    ;;
*)
    echo "usage: ./dev demo [--keep|--stop]" >&2
    trap - EXIT
    exit 2
    ;;
esac

bold='' dim='' off=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'
fi
say() {
    printf '\n%s%s%s\n' "$bold" "$*" "$off"
}
typed() { # what the reader could type
    printf '\n  %s$ %s%s\n' "$bold" "$*" "$off"
}
indent() {
    sed 's/^/    /'
}
bars() { # answers on stdin: how often each server answered
    sort | uniq -c | awk '
        { n[$2] = $1; order[NR] = $2; total += $1 }
        END {
            for (i = 1; i <= NR && order[i]; i++) {
                bar = sprintf("%*s", 40 * n[order[i]] / total + 0.5, "")
                gsub(/ /, "#", bar)
                printf "    %-5s %5d  %s\n", order[i], n[order[i]], bar
            }
        }'
}

if ip netns list | grep -q "^$ID-"; then
    echo "Ending the demo that is still there."
    wipe
fi
mkdir -p "$TMP"

cat <<END

${bold}poise: a client, a director and three web servers${off}

    client 192.0.2.1 ------+            +------ rs1 192.0.2.11   weight 1
                           |            |
                           +-- switch --+------ rs2 192.0.2.12   weight 2
                           |            |
    director 192.0.2.2 ----+            +------ rs3 192.0.2.13   weight 3

    Each is a network namespace on this machine, wired with veth pairs. The client knows one
    address only: 192.0.2.10 (2001:db8::10), the virtual service. The servers answer the client
    directly ("direct routing"): only requests pass the director.
END

say "The network and three nginx"
topology 3
echo "    up"

say "The director: poised and its configuration file"
cat >"$CONF" <<END
{
    "control":  { "socket": "$SOCK" },
    "ports":    [ { "name": "wan0", "device": "linux:eth0",
                    "addresses": [ "192.0.2.2/24", "2001:db8::2/64" ] } ],
    "services": [ { "name": "web", "protocol": "tcp", "address": "192.0.2.10", "port": 80,
                    "scheduler": "wrr", "forward": "dr",
                    "servers": [ { "address": "192.0.2.11", "weight": 1 },
                                 { "address": "192.0.2.12", "weight": 2 },
                                 { "address": "192.0.2.13", "weight": 3 } ] },
                  { "name": "web6", "protocol": "tcp", "address": "2001:db8::10", "port": 80,
                    "scheduler": "rr",
                    "servers": [ { "address": "2001:db8::11" }, { "address": "2001:db8::12" },
                                 { "address": "2001:db8::13" } ] } ]
}
END
indent <"$CONF"
typed "poised -c poise.json"
director_start
poise --json version | jq -r '"    poise \(.version) on \(.dpdk), "
    + (if .hugepages then "with hugepages" else "without hugepages" end)'
poise --json ports | jq -r '.ports[] | "    port \(.name): \(.device), driver \(.driver), MAC \(.mac)"'

typed "curl http://$VIP/                  # 600 times, IPv4, weights 1:2:3"
fetch 600 "http://$VIP/" | bars
typed "curl http://[$VIP6]/            # 300 times, IPv6, round robin"
fetch 300 "http://[$VIP6]/" | bars

typed "wrk -t 1 -c 32 -d 5s http://$VIP/"
on client wrk -t 1 -c 32 -d 5s --timeout 10s "http://$VIP/" | sed 's/^/  /'

typed "poise server drain web 192.0.2.13  # no new connections for rs3, then 300 requests"
poise server drain web 192.0.2.13:80 | indent
fetch 300 "http://$VIP/" | bars
poise server ready web 192.0.2.13:80 >/dev/null

for verb in services ports workers; do
    typed "poise show $verb"
    poise show "$verb" | indent
done
typed "poise show drops"
poise show drops | indent
check_accounting
poise --json workers | jq -r '.workers[] | "\n    All \(.rx) packets of worker \(.worker) are accounted for: "
    + "\(.tx) sent, \(.punted) given to the kernel, \(.dropped) dropped."'

if [[ $keep ]]; then
    trap - EXIT ERR
    cat <<END

${bold}It stays up.${off} Some things to type (as root):

    ip netns exec $ID-client curl http://$VIP/
    ip netns exec $ID-client curl http://[$VIP6]/
    ip netns exec $ID-client ping $VIP
    ip netns exec $ID-dir $(readlink -f "$POISE") --socket $SOCK
    ip netns exec $ID-dir $(readlink -f "$POISE") --socket $SOCK server edit web 192.0.2.11:80 --weight 0
    ip netns exec $ID-dir $(readlink -f "$POISE") --socket $SOCK show connections
    ip netns exec $ID-dir tcpdump -ni wan0

    ${dim}configuration $CONF, log $LOG${off}

./dev demo --stop ends it.
END
    exit 0
fi
say "That was the demo: everything is taken down. (./dev demo --keep leaves it up to play with.)"
