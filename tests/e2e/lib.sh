# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What every end-to-end test begins with:
#
#     . "$(dirname "$0")/lib.sh"
#     topology 3                   # client, director and three real servers around a switch
#     configure <<END              # the configuration file of the director
#     ...
#     END
#     director_start
#
#                         +--------+
#     client 192.0.2.1 ---|        |--- rs1 192.0.2.11   rs2 192.0.2.12   rs3 192.0.2.13
#        2001:db8::1      | switch |      2001:db8::11     2001:db8::12     2001:db8::13
#     director      ------|        |      VIPs on lo: 192.0.2.10, 2001:db8::10
#        192.0.2.2 (on the twin) --+
#        2001:db8::2
#
# Each node is a network namespace with one veth, eth0. Everything made here goes away when the
# script ends, however it ends. A test passes with exit code 0, is skipped with 125, and fails otherwise.

set -eEu -o pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
POISE_BUILD=${POISE_BUILD:-$HERE/../../build}
POISED=$POISE_BUILD/src/poised/poised
POISE=$POISE_BUILD/src/poise/poise

VIP=192.0.2.10
VIP6=2001:db8::10
# shellcheck disable=SC2034 # for the tests
DIRECTOR=192.0.2.2 DIRECTOR6=2001:db8::2

name=$(basename "$0" .sh)
name=${name%_test}
if [[ $name == demo ]]; then # its names do not change, so that --stop finds it
    ID=poise-demo
    TMP=/run/$ID
else
    ID=poise-$name-$$ # prefix of every namespace
    TMP=$(mktemp -d "/tmp/$ID.XXXXXX")
fi
SOCK=$TMP/poise.sock
CONF=$TMP/poise.json
LOG=$TMP/poised.log         # of all starts of the daemon in this test
DIRECTOR_PID=

# ---------------------------------------------------------------------------- outcome

note() {
    printf '== %s\n' "$*"
}
fail() {
    printf 'FAILED (line %s): %s\n' "${BASH_LINENO[${#BASH_LINENO[@]} - 2]}" "$*" >&2
    exit 1
}
skip() {
    printf 'skipped: %s\n' "$*"
    exit 125
}
trap 'printf "FAILED (%s, line %s): %s\n" "${BASH_SOURCE[0]##*/}" "$LINENO" "$BASH_COMMAND" >&2' ERR

cleanup() {
    local rc=$?
    trap - EXIT ERR
    trap '' INT TERM HUP
    set +e
    if ((rc != 0 && rc != 125)) && [[ -s $LOG ]]; then
        echo '-- the end of the log of poised:' >&2
        tail -n 30 "$LOG" >&2
    fi
    # shellcheck disable=SC2046 # one id a word
    kill $(jobs -p) 2>/dev/null
    wipe
    exit "$rc"
}

# Ends every process of our namespaces (by its id), then the namespaces and the files.
wipe() {
    local ns pid left i
    local spaces=()
    mapfile -t spaces < <(ip netns list 2>/dev/null | awk -v id="$ID-" 'index($1, id) == 1 { print $1 }')
    for i in TERM KILL; do
        left=0
        for ns in "${spaces[@]}"; do
            for pid in $(ip netns pids "$ns" 2>/dev/null); do
                kill -"$i" "$pid" 2>/dev/null && left=1
            done
        done
        ((left)) || break
        for _ in {1..60}; do
            left=0
            for ns in "${spaces[@]}"; do
                [[ -z $(ip netns pids "$ns" 2>/dev/null) ]] || left=1
            done
            ((left)) || break
            sleep 0.05
        done
    done
    for ns in "${spaces[@]}"; do
        ip netns del "$ns"
    done
    rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

((EUID == 0)) || { echo "end-to-end tests need root (./dev test asks sudo)" >&2; exit 1; }
for i in "$POISED" "$POISE"; do
    [[ -x $i ]] || fail "there is no $i: ./dev build, or set POISE_BUILD"
done

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local until=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) what=$2
    shift 2
    until "$@"; do
        ((${EPOCHREALTIME/[.,]/} < until)) || fail "not within the time allowed: $what"
        sleep 0.03
    done
}

# same WHAT ACTUAL EXPECTED
same() {
    [[ $2 == "$3" ]] || fail "$1: got \"$2\", expected \"$3\""
}
# json WHAT FILTER: what comes on stdin fulfils a jq filter
json() {
    local input
    input=$(cat)
    jq -e "$2" <<<"$input" >/dev/null || fail "$1: not $2 in $(jq -c . <<<"$input" || echo "$input")"
}
# has WHAT FILE TEXT
has() {
    grep -qF -- "$3" "$2" || fail "$1: no \"$3\" in: $(tail -n 20 "$2")"
}

# --------------------------------------------------------------------------- topology

# on NODE COMMAND...: runs it there, in the foreground.
on() {
    local node=$1
    shift
    ip netns exec "$ID-$node" "$@"
}
# spawn NODE COMMAND...: in the background, away from the terminal; its id is in $!.
spawn() {
    local node=$1
    shift
    ip netns exec "$ID-$node" setsid "$@" </dev/null &
}

node() { # node NAME ADDRESS...
    local name=$1 address
    shift
    ip netns add "$ID-$name"
    # No router advertisements nor probing: addresses work at once, and nothing speaks unasked.
    on "$name" sysctl -qw net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 \
        net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0
    ip -n "$ID-$name" link set lo up
    ip link add eth0 netns "$ID-$name" type veth peer name "$name" netns "$ID-sw"
    ip -n "$ID-sw" link set "$name" master br0 up
    for address in "$@"; do
        ip -n "$ID-$name" address add "$address" dev eth0
    done
    ip -n "$ID-$name" link set eth0 up
}

# topology SERVERS [NAT]: with NAT the servers stand behind the director, on eth1 (a second NIC), in
# 10.1.0.0/24 and 2001:db8:1::/64, rsI at .1I and ::1I; their router is the director, .1 and ::1.
topology() {
    local i nat=${2:-}
    ip netns add "$ID-sw"
    on sw sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1
    ip -n "$ID-sw" link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    ip -n "$ID-sw" link set br0 up
    node client 192.0.2.1/24 2001:db8::1/64
    node dir # eth0 is the NIC of the director: the kernel has no address on it
    offload client off
    if [[ $nat ]]; then
        ip -n "$ID-sw" link add br1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
        ip -n "$ID-sw" link set br1 up
        ip link add eth1 netns "$ID-dir" type veth peer name dir1 netns "$ID-sw"
        ip -n "$ID-sw" link set dir1 master br1 up
        ip -n "$ID-dir" link set eth1 up
    fi
    for ((i = 1; i <= $1; i++)); do
        if [[ $nat ]]; then
            node "rs$i" "10.1.0.1$i/24" "2001:db8:1::1$i/64"
            ip -n "$ID-sw" link set "rs$i" master br1
            ip -n "$ID-rs$i" route add default via 10.1.0.1
            ip -n "$ID-rs$i" route add default via 2001:db8:1::1
            offload "rs$i" off
            web_server "rs$i"
            continue
        fi
        node "rs$i" "192.0.2.1$i/24" "2001:db8::1$i/64"
        offload "rs$i" off
        # Direct routing: a server takes packets for the VIP, and does not answer ARP for it.
        on "rs$i" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
        ip -n "$ID-rs$i" address add "$VIP/32" dev lo
        ip -n "$ID-rs$i" address add "$VIP6/128" dev lo nodad
        web_server "rs$i"
    done
}

# A veth leaves TCP checksums to a NIC that is not there. Real ones fill them in.
offload() { # offload NODE on|off
    on "$1" ethtool -K eth0 tx "$2" >/dev/null
}

# web_server NODE: GET / answers the node's name; /big is 3 MB, /upload takes any body.
web_server() {
    local node=$1 dir=$TMP/$1
    mkdir -p "$dir/body"
    [[ -f $TMP/big ]] || head -c 3000000 /dev/urandom >"$TMP/big"
    ln -sf "$TMP/big" "$dir/big"
    cat >"$dir/nginx.conf" <<END
daemon off;
user root;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000;
    client_max_body_size 100m;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/body; fastcgi_temp_path $dir/body;
    uwsgi_temp_path $dir/body; scgi_temp_path $dir/body;
    server {
        listen 80 reuseport backlog=4096;
        listen [::]:80 reuseport backlog=4096;
        location / { return 200 "$node\n"; }
        location /big { root $dir; }
        location /slow { alias $dir/big; limit_rate 600k; }
        location /upload {
            proxy_pass http://127.0.0.1:80/;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }
    }
}
END
    spawn "$node" nginx -e "$dir/error.log" -c "$dir/nginx.conf" >"$dir/nginx.out" 2>&1
    wait_for 10 "nginx of $node" on "$node" curl -s -o /dev/null --max-time 1 "http://127.0.0.1/"
}

# far_client: a node "far", 203.0.113.2 and 2001:db8:f::2, behind the router "rt" (.254 and ::fe on the
# clients' side), whose link to it takes 1280 bytes only: nobody knows but by ICMP.
far_client() {
    node rt 192.0.2.254/24 2001:db8::fe/64
    on rt sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    offload rt off
    ip netns add "$ID-far"
    on far sysctl -qw net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_dad=0
    ip -n "$ID-far" link set lo up
    ip link add eth0 netns "$ID-far" type veth peer name eth1 netns "$ID-rt"
    on far ethtool -K eth0 tx off >/dev/null
    on rt ethtool -K eth1 tx off >/dev/null
    ip -n "$ID-rt" address add 203.0.113.1/24 dev eth1
    ip -n "$ID-rt" address add 2001:db8:f::1/64 dev eth1
    ip -n "$ID-rt" link set eth1 mtu 1280 up
    ip -n "$ID-far" address add 203.0.113.2/24 dev eth0
    ip -n "$ID-far" address add 2001:db8:f::2/64 dev eth0
    ip -n "$ID-far" link set eth0 up
    ip -n "$ID-far" route add default via 203.0.113.1
    ip -n "$ID-far" route add default via 2001:db8:f::1
}

# From there, through a link that large packets do not fit: only when the servers hear of it.
fetch_far() { # fetch_far URL
    on far curl -sS --fail --max-time 20 "$1" | cmp - "$TMP/big"
}
# The servers have learnt it from the ICMP error.
knows_pmtu() { # knows_pmtu NODE ADDRESS [from SOURCE]
    local node=$1 route
    shift
    route=$(ip -n "$ID-$node" route get "$@")
    [[ $route == *"mtu 1280"* ]] || fail "$node has not heard of the MTU: $route"
}

mac_of() { # mac_of NODE [INTERFACE]
    ip -n "$ID-$1" -json link show dev "${2:-eth0}" | jq -r '.[0].address'
}

# --------------------------------------------------------------------------- director

poise() {
    on dir "$POISE" --socket "$SOCK" "$@"
}

# Writes stdin to the configuration file; the control socket is put in.
configure() {
    jq --arg socket "$SOCK" '.control.socket //= $socket' >"$CONF.new"
    mv "$CONF.new" "$CONF"
}

director_answers() {
    [[ -d /proc/$DIRECTOR_PID ]] || fail "poised has ended"
    poise --json version >/dev/null 2>&1
}

# Returns when it answers and the servers have their MACs.
director_start() {
    spawn dir "$POISED" -c "$CONF" >>"$LOG" 2>&1
    DIRECTOR_PID=$!
    wait_for 30 "poised answers on its socket" director_answers
    wait_for 10 "every server's MAC address is known" servers_reachable
}
servers_reachable() {
    poise --json services | jq -e 'all(.services[].servers[]; .next_hop | . == "reachable" or . == "local")' \
        >/dev/null
}

director_ended() {
    ! kill -0 "$DIRECTOR_PID" 2>/dev/null
}
# director_stop [SIGNAL]: its exit code is checked unless it was killed.
director_stop() {
    local rc=0
    kill -"${1:-TERM}" "$DIRECTOR_PID"
    wait_for 10 "poised ends" director_ended
    wait "$DIRECTOR_PID" || rc=$?
    [[ ${1:-TERM} == KILL ]] || same "exit code of poised" "$rc" 0
    DIRECTOR_PID=
}

# Once it is quiet, each packet that a worker took in or made was sent, punted, or dropped for a reason.
check_accounting() {
    wait_for 5 "the books of the workers balance" accounts_balance
}
accounts_balance() {
    local workers drops
    workers=$(poise --json workers)
    drops=$(poise --json drops)
    jq -e 'all(.workers[]; .rx + .injected + .made + .taken_over == .tx + .punted + .handed_over + .waiting + .dropped)' <<<"$workers" >/dev/null &&
        jq -e --argjson w "$workers" '
            .total == ([.drops[].count] | add)
            and all(.drops[]; .count == (.workers | add))
            and ([.drops[].workers] | transpose | map(add)) == [$w.workers[].dropped]' <<<"$drops" >/dev/null
}

# ----------------------------------------------------------------------------- client

# fetch COUNT URL [CURL OPTION...]: so many requests, each on a connection of its own; prints the
# answers. Any failure fails the test.
fetch() {
    local count=$1 url=$2
    shift 2
    on client curl -sS --fail --fail-early --max-time 20 -H 'Connection: close' "$@" "$url?[1-$count]"
}
# spread: counts the answers of fetch: "rs1=100 rs2=300"
spread() {
    sort | uniq -c | awk '{ printf "%s%s=%s", sep, $2, $1; sep = " " } END { print "" }'
}

# load_start URL: requests without a pause, each on its own connection, until load_stop, which fails
# when any of them failed, and prints the answers' spread. They come from a hundred addresses in
# turn: within the two minutes that the director remembers a closed connection no address comes
# back to a port, so that no new connection is taken for an old one of a server that was removed.
load_start() {
    local i
    rm -f "$TMP/load.stop"
    : >"$TMP/load.out"
    : >"$TMP/load.err"
    for i in {100..199}; do
        ip -n "$ID-client" address add "192.0.2.$i/24" dev eth0
    done
    (
        trap - EXIT ERR
        set +e
        while true; do
            for i in {100..199}; do
                [[ ! -e $TMP/load.stop ]] || exit 0
                fetch 20 "$1" --interface "192.0.2.$i" >>"$TMP/load.out" 2>>"$TMP/load.err" ||
                    echo "curl: $?" >>"$TMP/load.err"
            done
        done
    ) &
    LOAD_PID=$!
    wait_for 5 "the load runs" test -s "$TMP/load.out"
}
load_ended() {
    ! kill -0 "$LOAD_PID" 2>/dev/null
}
load_stop() {
    touch "$TMP/load.stop"
    wait_for 30 "the load ends" load_ended
    [[ ! -s $TMP/load.err ]] || fail "requests failed under load: $(head -n 5 "$TMP/load.err")"
    spread <"$TMP/load.out"
}
# load_grows [NAME]: requests (answered by NAME) are still being answered
load_grows() {
    local before
    before=$(grep -c "${1:-}" "$TMP/load.out" || true)
    wait_for 10 "requests answered by ${1:-anybody}" load_above "${1:-}" "$before"
}
load_above() {
    (($(grep -c "$1" "$TMP/load.out" || true) > $2))
}
