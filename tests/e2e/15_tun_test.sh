#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# TUN: servers that unwrap IP in IP, GUE and GRE and answer the client themselves; services and tunnels of
# both families, each over each. Where the kernel has no such devices decap.py unwraps, which checks
# every packet.

. "$(dirname "$0")/lib.sh"
topology 3
GUE_PORT=6080

tun_configure() { # tun_configure WORKERS
    configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_packet", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] } ],
    "workers": $1,
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "rr", "forward": "tun",
          "servers": [ { "address": "192.0.2.11" },
                       { "address": "2001:db8::12", "tunnel": { "type": "gue", "port": $GUE_PORT, "checksum": "full" } },
                       { "address": "192.0.2.13", "tunnel": { "type": "gre", "checksum": "full" } } ] },
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 80, "scheduler": "rr", "forward": "tun",
          "servers": [ { "address": "192.0.2.11" },
                       { "address": "192.0.2.12", "tunnel": { "type": "gue", "port": $GUE_PORT } },
                       { "address": "2001:db8::13", "tunnel": { "type": "gre", "checksum": "full" } } ] },
        { "name": "echo", "protocol": "udp", "address": "$VIP", "port": 53, "scheduler": "rr", "forward": "tun",
          "servers": [ { "address": "2001:db8::11" },
                       { "address": "192.0.2.12", "tunnel": { "type": "gue", "port": $GUE_PORT, "checksum": "remote" } },
                       { "address": "2001:db8::13", "tunnel": { "type": "gre", "checksum": "full" } } ] }
    ]
}
END
}

# The kernel's own devices, which take packets from anybody. False: it has not all of them.
kernel_tunnels() { # kernel_tunnels NODE I
    local node=$1 v4=192.0.2.1$2 v6=2001:db8::1$2 device
    case $2 in
    1) on "$node" ip link add k4 type ipip local "$v4" && on "$node" ip link add k6 type sit local "$v4" &&
        on "$node" ip link add k46 type ip6tnl local "$v6" mode any ;;
    2) on "$node" ip fou add port "$GUE_PORT" gue && on "$node" ip -6 fou add port "$GUE_PORT" gue &&
        on "$node" ip link add k4 type ipip local "$v4" && on "$node" ip link add k6 type sit local "$v4" &&
        on "$node" ip link add k46 type ip6tnl local "$v6" mode any ;;
    3) on "$node" ip link add k4 type gre local "$v4" icsum && on "$node" ip link add k6 type ip6gre local "$v6" icsum ;;
    esac >"$TMP/$node.tunnels" 2>&1 || return 1
    for device in k4 k6 k46; do
        on "$node" ip link set "$device" up 2>/dev/null || true
    done
}

decap_ready() {
    grep -q ready "$TMP/$1.decap"
}
for i in 1 2 3; do
    # What comes out of a tunnel comes from a client that is reached another way.
    on "rs$i" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
    if kernel_tunnels "rs$i" "$i"; then
        note "rs$i unwraps by the kernel"
    else
        note "rs$i unwraps by decap.py"
        spawn "rs$i" /usr/bin/python3 "$HERE/decap.py" tun0 "$GUE_PORT" >"$TMP/rs$i.counts" 2>"$TMP/rs$i.decap"
        DECAP[i]=$!
        wait_for 10 "decap.py is ready" decap_ready "rs$i"
        on "rs$i" ip link set tun0 up
    fi
    spawn "rs$i" /usr/bin/python3 "$HERE/udp.py" serve "rs$i" "$VIP" 53
done

for workers in 1 2; do
    tun_configure "$workers"
    director_start
    note "$workers worker(s): HTTP"
    for url in "http://$VIP/" "http://[$VIP6]/"; do
        fetch 300 "$url" | spread >"$TMP/spread"
        if ((workers == 1)); then
            same "$url" "$(<"$TMP/spread")" "rs1=100 rs2=100 rs3=100"
        else
            awk -F'[= ]' '{ exit !($2 + $4 + $6 == 300 && $2 >= 98 && $4 >= 98 && $6 >= 98) }' "$TMP/spread" ||
                fail "the spread is $(<"$TMP/spread")"
        fi
    done
    note "large bodies: up, by path MTU discovery through the director, and down; checksums left to a NIC, too"
    for checksums in off on; do
        on client ethtool -K eth0 tx "$checksums" tso off gso off >/dev/null
        for _ in 1 2 3; do
            for host in "$VIP" "[$VIP6]"; do
                on client ip route flush cache
                on client curl -sS --fail --max-time 20 -o /dev/null -T "$TMP/big" "http://$host/upload"
                on client curl -sS --fail --max-time 20 "http://$host/big" | cmp - "$TMP/big"
            done
        done
    done
    offload client off
    poise --json drops | json "the client was told the tunnel's MTU" '.drops[] | select(.reason == "packet_too_big") | .count > 0'
    note "UDP, and datagrams that fit only in pieces"
    on client /usr/bin/python3 "$HERE/udp.py" ask "$VIP" 53 30 3 >"$TMP/answers"
    same "sockets that changed their server" "$(grep -cvE '^(rs[123]) \1 \1$' "$TMP/answers" || true)" 0
    for server in rs1 rs2 rs3; do
        grep -q "^$server" "$TMP/answers" || fail "$server answered nothing"
    done
    on client /usr/bin/python3 "$HERE/udp.py" ask "$VIP" 53 12 2 1460 >"$TMP/answers"
    same "answers to long datagrams" "$(wc -l <"$TMP/answers")" 12
    note "another tunnel for a connection that is there"
    poise server edit web 192.0.2.11 --tunnel gre >/dev/null
    poise --json services | json "it is shown" \
        '.services[] | select(.name == "web") | .servers[] | select(.address == "192.0.2.11") | .tunnel == {"type": "gre", "checksum": "none"}'
    poise services web | grep -q 'tun gre' || fail "not in the table"
    poise server edit web 192.0.2.11 --tunnel ipip >/dev/null
    fetch 9 "http://$VIP/" >/dev/null
    note "wrk"
    on client wrk -t 1 -c 32 -d 3s "http://$VIP/" >"$TMP/wrk"
    grep -E 'requests in|Socket errors|Non-2xx' "$TMP/wrk"
    ! grep -qE 'Socket errors|Non-2xx' "$TMP/wrk" || fail "requests failed"
    poise --json services | json "one direction is counted" \
        'all(.services[].counters; .out_packets == 0 and .in_packets > 10)'
    poise services
    poise drops
    check_accounting
    director_stop TERM
done

decap_ended() {
    ! kill -0 "$1" 2>/dev/null
}
wanted=('' "4 in ipip over 4|6 in ipip over 4|4 in ipip over 6" "4 in gue over 6|6 in gue over 4|4 in gue over 4"
    "4 in gre+csum over 4|6 in gre+csum over 6|4 in gre+csum over 6")
for i in "${!DECAP[@]}"; do
    kill -TERM "${DECAP[i]}"
    wait_for 5 "decap.py of rs$i ends" decap_ended "${DECAP[i]}"
    note "rs$i unwrapped $(<"$TMP/rs$i.counts")"
    same "what rs$i said" "$(<"$TMP/rs$i.decap")" ready
    json "all its kinds came" "[keys[]] | sort == (\"${wanted[i]}\" | split(\"|\") | sort) and all(.[]; . > 0)" <"$TMP/rs$i.counts" ||
        fail "rs$i"
done
