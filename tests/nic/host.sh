#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs beside the virtual machine: a client and two real servers with nginx, in namespaces on the
# bridge of NIC A, and two more on that of NIC C. Requests through the director by DR, NAT and FULLNAT, ping and TCP
# to the director itself. Prints
# HOST-OK at the end when all was as it should be.
set -u
T=$(mktemp -d)
fail() {
    echo "FAILED: $*"
    say_done
    exit 1
}
say() { echo "$1" | ip netns exec ncl nc -N -w 2 10.0.0.1 9999; }
say_done() {
    [ -n "${said:-}" ] || say fullnat # the guest waits for both
    sleep 0.5
    say "done"
}
node() { # node NAME BRIDGE ADDRESS...: with the offloads that a veth has
    local name=$1 bridge=$2 address
    shift 2
    ip netns add "$name"
    ip link add "v$name" type veth peer name eth0 netns "$name"
    ip link set "v$name" master "$bridge" up
    ip -n "$name" link set lo up
    for address in "$@"; do
        ip -n "$name" addr add "$address" dev eth0
    done
    ip -n "$name" link set eth0 up
}
web() { # web NODE ANSWER
    local dir=$T/$1
    mkdir -p "$dir/logs"
    cat >"$dir/nginx.conf" <<END
user root; pid $dir/nginx.pid; error_log $dir/logs/error.log; worker_processes 1; daemon on;
events { worker_connections 512; }
http { access_log off; client_body_temp_path $dir/b; proxy_temp_path $dir/p; fastcgi_temp_path $dir/f;
       uwsgi_temp_path $dir/u; scgi_temp_path $dir/s;
       server { listen 80; location / { return 200 "$2\n"; } location /big { alias $T/big; } } }
END
    ip netns exec "$1" nginx -p "$dir" -c "$dir/nginx.conf" || fail "nginx of $1"
}
head -c 2000000 /dev/urandom >"$T/big"
node ncl br1 10.0.0.5/24
for i in 1 2; do
    node nrs$i br1 10.0.0.1$i/24
    ip netns exec nrs$i sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
    ip -n nrs$i addr add 10.0.0.100/32 dev lo
    web nrs$i rs$i
    node nbk$i br2 10.1.0.1$i/24 # behind the director
    ip -n nbk$i route add default via 10.1.0.1
    web nbk$i rs$i
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
for port in 81 82; do # NAT and FULLNAT
    n=$((port == 82 ? 1000 : 300))
    if [ $port = 82 ]; then
        sleep 1
        say fullnat
        said=1
    fi
    for _ in $(seq $n); do
        ip netns exec ncl curl -s -m 5 "http://10.0.0.100:$port/" || echo failed
    done | sort | uniq -c >"$T/count"
    echo "port $port:"
    cat "$T/count"
    awk '$2 == "rs1" { a = $1 } $2 == "rs2" { b = $1 } END { exit !(a + b == n && a >= 0.48 * n && a <= 0.52 * n) }' n=$n "$T/count" ||
        fail "port $port: not spread one to one"
    ip netns exec ncl curl -s -m 20 "http://10.0.0.100:$port/big" | cmp - "$T/big" || fail "port $port: /big"
done
say_done
for i in nrs1 nrs2 nbk1 nbk2; do kill "$(cat "$T/$i/nginx.pid")"; done
rm -rf "$T"
echo HOST-OK
