#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs inside the virtual machine, all of it: VLANs as on a trunk. poised has NICs A and C; the client is in
# VLAN 7 on NIC B, the servers are in VLAN 8 on NIC D, and the director's addresses are on VLAN interfaces
# of the twins, made while poised runs.
set -u
# shellcheck source=/dev/null
. /in/lib/pcilab.sh
pl_load
modprobe -a tun 8021q
[ -c /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }
pl_bind vfio-pci "$A" "$C"
pl_ns cl "$B" 192.0.2.1/24
pl_ns rs "$D" 192.0.2.2/24
vlan() { # vlan NAMESPACE ID ADDRESS...
    local ns=$1 id=$2 address
    shift 2
    ip -n "$ns" addr flush dev eth0
    ip -n "$ns" link add link eth0 name "v$id" type vlan id "$id"
    ip -n "$ns" link set "v$id" up
    for address in "$@"; do
        ip -n "$ns" addr add "$address" dev "v$id"
    done
}
vlan cl 7 198.51.100.1/24
vlan rs 8 10.8.0.11/24 10.8.0.12/24
ip -n rs route add default via 10.8.0.1
cat >/tmp/nginx.conf <<END
user root; pid /tmp/nginx.pid; error_log /tmp/nginx.log; worker_processes 1; daemon on;
events { worker_connections 256; }
http { access_log off; server { listen 80; location / { return 200 "\$server_addr\n"; } location /big { alias /tmp/big; } } }
END
head -c 1000000 /dev/urandom >/tmp/big
mkdir -p /var/log/nginx /var/lib/nginx
ip netns exec rs nginx -c /tmp/nginx.conf || exit 1
cat >/tmp/poise.json <<END
{
    "ports": [ { "name": "wan0", "device": "$A" }, { "name": "lan0", "device": "$C" } ],
    "memory": { "hugepages": true },
    "services": [
        { "name": "nat", "protocol": "tcp", "address": "198.51.100.10", "port": 80, "scheduler": "rr", "forward": "nat",
          "servers": [ { "address": "10.8.0.11" }, { "address": "10.8.0.12" } ] },
        { "name": "fullnat", "protocol": "tcp", "address": "198.51.100.10", "port": 81, "scheduler": "rr", "forward": "fullnat",
          "local_addresses": [ "10.8.0.100" ],
          "servers": [ { "address": "10.8.0.11", "port": 80 }, { "address": "10.8.0.12", "port": 80 } ] }
    ]
}
END
/in/poised -c /tmp/poise.json >/out/poised.log 2>&1 &
pid=$!
reachable() { /in/poise --json services 2>/dev/null | grep -o '"next_hop": *"[a-z ]*"' | sort | uniq -c | tr -s ' "' ' '; }
wait_until() { # wait_until TEXT: that is what reachable says
    for _ in $(seq 300); do
        [ "$(reachable)" = "$1" ] && return 0
        sleep 0.1
    done
    echo "not \"$1\" but: $(reachable)"
    return 1
}
rc=0
for _ in $(seq 300); do
    /in/poise version >/dev/null 2>&1 && break
    sleep 0.2
done
trunk() {
    ip link add link "$1" name "$1.$2" type vlan id "$2"
    ip link set "$1.$2" up
    ip addr add "$3" dev "$1.$2"
}
trunk wan0 7 198.51.100.2/24
trunk lan0 8 10.8.0.1/24
wait_until " 4 next_hop : reachable " || rc=1
ip netns exec cl ping -c 3 -i 0.2 -W 2 198.51.100.2 | tail -2 || rc=1
for _ in $(seq 50); do # the VIP is announced within a second
    ip netns exec cl ping -c 1 -W 1 198.51.100.10 >/dev/null && break
done
for port in 80 81; do
    for _ in $(seq 40); do
        ip netns exec cl curl -s -m 5 "http://198.51.100.10:$port/" || echo failed
    done | sort | uniq -c | tr -s ' ' >/tmp/count
    echo "port $port:" && cat /tmp/count
    [ "$(cat /tmp/count)" = "$(printf ' 20 10.8.0.11\n 20 10.8.0.12')" ] || rc=1
    ip netns exec cl curl -sS -m 20 "http://198.51.100.10:$port/big" | cmp - /tmp/big || { echo "port $port: /big"; rc=1; }
done
/in/poise neighbours
echo "the servers' VLAN goes, and comes again"
ip link del lan0.8
wait_until " 4 next_hop : no route " || rc=1
trunk lan0 8 10.8.0.1/24
wait_until " 4 next_hop : reachable " || rc=1
ip netns exec cl curl -s -m 5 "http://198.51.100.10:80/" || rc=1
/in/poise drops
kill -TERM $pid
wait $pid || rc=1
cat /out/poised.log
exit $rc
