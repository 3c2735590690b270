#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Clients of the control socket that send a byte now and then, never end a line, send rubbish, or
# never read: each is cut off as docs/protocol.md says, and nobody else notices.

. "$(dirname "$0")/lib.sh"
topology 1

configure <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "$DIRECTOR/24" ] } ],
    "services": [ { "name": "web", "protocol": "tcp", "address": "$VIP", "port": 80,
                    "servers": [ { "address": "192.0.2.11" } ] } ]
}
END
director_start
hostile() {
    /usr/bin/python3 "$HERE/hostile.py" "$SOCK" "$1" >"$TMP/$1.out" 2>&1
}

note "all of them at once"
hostile slow &
slow=$!
hostile deaf &
deaf=$!
hostile long
has "an endless line" "$TMP/long.out" "request longer than 4194304 bytes"
has "an endless line" "$TMP/long.out" "-32600"
hostile garbage
has "rubbish" "$TMP/garbage.out" "-32700"
hostile many
has "140 clients" "$TMP/many.out" "refused"
[[ $(<"$TMP/many.out") != *": 0 refused" ]] || fail "there is no limit of clients"

note "meanwhile: the control socket answers others at once, and packets flow"
for _ in {1..20}; do
    begin=${EPOCHREALTIME/[.,]/}
    poise --json version >/dev/null
    took=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    ((took < 1000)) || fail "an answer took $took ms"
done
same "requests" "$(fetch 200 "http://$VIP/" | spread)" "rs1=200"

note "the slow and the deaf are cut off after 30 s"
wait "$slow" || fail "$(<"$TMP/slow.out")"
wait "$deaf" || fail "$(<"$TMP/deaf.out")"
cat "$TMP/slow.out" "$TMP/deaf.out"
has "a byte now and then" "$TMP/slow.out" "request not complete after 30 s"
has "never reads" "$TMP/deaf.out" "closed"
[[ $(<"$TMP/deaf.out") != *"not closed"* ]] || fail "who never reads was not cut off"

note "the daemon is alive, and holds on to nothing"
same "requests" "$(fetch 50 "http://$VIP/" | spread)" "rs1=50"
rss=$(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$DIRECTOR_PID/status")
note "resident: $rss MB"
fds=$(find "/proc/$DIRECTOR_PID/fd" -lname 'socket:*' | wc -l)
((fds < 40)) || fail "$fds sockets are open"
check_accounting
