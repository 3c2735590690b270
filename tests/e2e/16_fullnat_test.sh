#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# FULLNAT: servers whose routes do not lead through the director see its local addresses, and
# learn the client's by PROXY protocol: real nginx and HAProxy log it.

. "$(dirname "$0")/lib.sh"
topology 2 nat
# The servers have no way but to the director's own network.
for i in 1 2; do
    ip -n "$ID-rs$i" route del default
    ip -n "$ID-rs$i" -6 route del default
done
# nginx of rs1 and HAProxy of rs2 take the PROXY protocol on port 8080.
cat >"$TMP/rs1/proxy.conf" <<END
daemon off;
user root;
worker_processes 1;
pid $TMP/rs1/proxy.pid;
error_log $TMP/rs1/proxy.error;
events { worker_connections 256; }
http {
    log_format who '\$proxy_protocol_addr \$proxy_protocol_port \$remote_addr';
    access_log $TMP/rs1/proxy.log who;
    client_max_body_size 100m;
    client_body_temp_path $TMP/rs1/body; proxy_temp_path $TMP/rs1/body;
    fastcgi_temp_path $TMP/rs1/body; uwsgi_temp_path $TMP/rs1/body; scgi_temp_path $TMP/rs1/body;
    server {
        listen 8080 proxy_protocol;
        listen [::]:8080 proxy_protocol;
        location / { return 200 "\$proxy_protocol_addr \$proxy_protocol_port\n"; }
        location /big { alias $TMP/big; }
        location /upload { proxy_pass http://127.0.0.1:80/; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
    }
}
END
spawn rs1 nginx -e "$TMP/rs1/proxy.error" -c "$TMP/rs1/proxy.conf" >"$TMP/rs1/proxy.out" 2>&1
cat >"$TMP/rs2/haproxy.cfg" <<END
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend proxied
    bind :8080 accept-proxy
    bind [::]:8080 accept-proxy v6only
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port]\n"
END
spawn rs2 haproxy -f "$TMP/rs2/haproxy.cfg" >"$TMP/rs2/haproxy.out" 2>&1
for i in 1 2; do
    wait_for 10 "rs$i takes the PROXY protocol: $(cat "$TMP/rs2/haproxy.out")" on "rs$i" nc -z 127.0.0.1 8080
done

for i in 1 2; do
    spawn "rs$i" /usr/bin/python3 "$HERE/udp.py" serve "rs$i" "10.1.0.1$i" 5353
    spawn "rs$i" /usr/bin/python3 "$HERE/udp.py" serve "rs$i" "2001:db8:1::1$i" 5353
done

fullnat_configure() { # fullnat_configure WORKERS
    configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "driver": "af_packet", "addresses": [ "$DIRECTOR/24", "$DIRECTOR6/64" ] },
               { "name": "lan0", "device": "linux:eth1", "driver": "af_packet", "addresses": [ "10.1.0.1/24", "2001:db8:1::1/64" ] } ],
    "workers": $1,
    "services": [
        { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80, "scheduler": "rr", "forward": "fullnat",
          "local_addresses": [ "10.1.0.100-10.1.0.103" ],
          "servers": [ { "address": "10.1.0.11" }, { "address": "10.1.0.12" } ] },
        { "name": "web6", "protocol": "tcp", "address": "$VIP6", "port": 80, "scheduler": "rr", "forward": "fullnat",
          "local_addresses": [ "2001:db8:1::100/126" ], "client_address": "toa",
          "servers": [ { "address": "2001:db8:1::11" }, { "address": "2001:db8:1::12" } ] },
        { "name": "nginx", "protocol": "tcp", "address": "$VIP", "port": 81, "forward": "fullnat", "client_address": "proxy_v2",
          "local_addresses": [ "10.1.0.104" ], "servers": [ { "address": "10.1.0.11", "port": 8080 } ] },
        { "name": "haproxy", "protocol": "tcp", "address": "$VIP", "port": 82, "forward": "fullnat", "client_address": "proxy_v2",
          "local_addresses": [ "10.1.0.104" ], "servers": [ { "address": "10.1.0.12", "port": 8080 } ] },
        { "name": "nginx6", "protocol": "tcp", "address": "$VIP6", "port": 81, "forward": "fullnat", "client_address": "proxy_v2",
          "local_addresses": [ "2001:db8:1::104" ], "servers": [ { "address": "2001:db8:1::11", "port": 8080 } ] },
        { "name": "echo", "protocol": "udp", "address": "$VIP", "port": 53, "scheduler": "rr", "forward": "fullnat",
          "local_addresses": [ "10.1.0.105" ],
          "servers": [ { "address": "10.1.0.11", "port": 5353 }, { "address": "10.1.0.12", "port": 5353 } ] },
        { "name": "echo6", "protocol": "udp", "address": "$VIP6", "port": 53, "scheduler": "rr", "forward": "fullnat",
          "local_addresses": [ "2001:db8:1::105" ],
          "servers": [ { "address": "2001:db8:1::11", "port": 5353 }, { "address": "2001:db8:1::12", "port": 5353 } ] }
    ]
}
END
}

big() { # big URL: three megabytes down, the same; three up
    on client curl -sS --fail --max-time 20 "$1/big" | cmp - "$TMP/big"
    on client curl -sS --fail --max-time 20 -o /dev/null -T "$TMP/big" "$1/upload"
}

for workers in 1 2; do
    fullnat_configure "$workers"
    director_start
    note "$workers worker(s): servers without a route to the client"
    same "answers" "$(fetch 200 "http://$VIP/" | wc -l)" 200
    same "answers over IPv6" "$(fetch 200 "http://[$VIP6]/" | wc -l)" 200
    ((workers > 1)) || same "spread" "$(fetch 100 "http://$VIP/" | spread)" "rs1=50 rs2=50"
    big "http://$VIP"
    big "http://[$VIP6]"

    note "the client's address by PROXY protocol v2"
    for url in "http://$VIP:81/" "http://$VIP:82/"; do
        same "$url" "$(fetch 50 "$url" --local-port 21000-21100 | awk '$1 == "192.0.2.1" && $2 >= 21000' | wc -l)" 50
    done
    same "over IPv6" "$(fetch 50 "http://[$VIP6]:81/" | awk '$1 == "2001:db8::1"' | wc -l)" 50
    for _ in {1..3}; do
        big "http://$VIP:81"
        big "http://[$VIP6]:81"
    done
    grep -q '^192.0.2.1 2[0-9]* 10.1.0.104$' "$TMP/rs1/proxy.log" || grep -q '^192.0.2.1 ' "$TMP/rs1/proxy.log" ||
        fail "the log of nginx: $(tail -n 3 "$TMP/rs1/proxy.log")"

    note "wrk, kept connections and through the header"
    for url in "http://$VIP/" "http://$VIP:81/"; do
        on client wrk -t 1 -c 32 -d 2s "$url" >"$TMP/wrk"
        grep -E 'requests in|Socket errors|Non-2xx' "$TMP/wrk"
        ! grep -qE 'Socket errors|Non-2xx' "$TMP/wrk" || fail "requests failed"
    done

    note "UDP, and datagrams in fragments both ways"
    for vip in "$VIP" "$VIP6"; do
        for bytes in 1 5000; do
            on client /usr/bin/python3 "$HERE/udp.py" ask "$vip" 53 10 1 $bytes >"$TMP/udp"
            same "answers of $bytes bytes" "$(grep -cE '^rs[12]$' "$TMP/udp")" 10
        done
    done

    note "another pool, online"
    poise service edit web --local-address 10.1.0.110
    same "answers" "$(fetch 100 "http://$VIP/" | wc -l)" 100
    poise --json services web | json "the pool" '.services[0].local_addresses == ["10.1.0.110"]'
    poise drops
    poise workers
    check_accounting
    director_stop TERM
done
