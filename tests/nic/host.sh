#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs beside the virtual machine: a client and two real servers with nginx, in namespaces on the
# bridge of NIC A. Requests through the director, ping and TCP to the director itself. Prints
# HOST-OK at the end when all was as it should be.
set -u
T=$(mktemp -d)
fail() {
    echo "FAILED: $*"
    say_done
    exit 1
}
say_done() { echo "done" | ip netns exec ncl nc -N -w 2 10.0.0.1 9999; }
node() { # name address
    ip netns add "$1"
    ip link add "v$1" type veth peer name eth0 netns "$1"
    ip link set "v$1" master br1 up
    ip -n "$1" link set lo up
    ip -n "$1" addr add "$2/24" dev eth0
    ip -n "$1" link set eth0 up
    ip netns exec "$1" ethtool -K eth0 tx off tso off gso off gro off >/dev/null 2>&1
}
node ncl 10.0.0.5
for i in 1 2; do
    node nrs$i 10.0.0.1$i
    ip netns exec nrs$i sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
    ip -n nrs$i addr add 10.0.0.100/32 dev lo
    mkdir -p "$T/$i/logs"
    cat >"$T/$i/nginx.conf" <<END
pid $T/$i/nginx.pid; error_log $T/$i/logs/error.log; worker_processes 1; daemon on;
events { worker_connections 512; }
http { access_log off; client_body_temp_path $T/$i/b; proxy_temp_path $T/$i/p; fastcgi_temp_path $T/$i/f;
       uwsgi_temp_path $T/$i/u; scgi_temp_path $T/$i/s;
       server { listen 80; location / { return 200 "rs$i\n"; } } }
END
    ip netns exec nrs$i nginx -p "$T/$i" -c "$T/$i/nginx.conf" || fail "nginx $i"
done
for _ in $(seq 200); do
    ip netns exec ncl ping -c 1 -W 1 10.0.0.1 >/dev/null 2>&1 && break
    sleep 0.3
done
ip netns exec ncl ping -c 5 -i 0.2 -W 2 10.0.0.1 | tail -2
ip netns exec ncl ping -c 2 -i 0.2 -W 2 10.0.0.100 >/dev/null || fail "ping of the VIP"
for _ in $(seq 100); do # until the director knows its servers' MAC addresses
    ip netns exec ncl curl -s -m 2 http://10.0.0.100/ >/dev/null && break
done
for _ in $(seq 300); do
    ip netns exec ncl curl -s -m 5 http://10.0.0.100/ || echo failed
done | sort | uniq -c >"$T/count"
cat "$T/count"
grep -q failed "$T/count" && fail "requests failed"
awk '$2 == "rs1" { a = $1 } $2 == "rs2" { b = $1 } END { exit !(a + b == 300 && a >= 96 && a <= 104) }' "$T/count" ||
    fail "not spread one to two"
say_done
for i in 1 2; do kill "$(cat "$T/$i/nginx.pid")"; done
rm -rf "$T"
echo HOST-OK
