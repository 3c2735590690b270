#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# poised --check lists everything that is wrong with a file, each with its path, and exits 1.

. "$(dirname "$0")/lib.sh"

cat >"$TMP/good.json" <<END
{
    "ports": [ { "name": "wan0", "device": "linux:eth0", "addresses": [ "192.0.2.2/24" ] } ],
    "services": [ { "name": "web", "protocol": "tcp", "address": "192.0.2.10", "port": 80,
                    "servers": [ { "address": "192.0.2.11" }, { "address": "192.0.2.12", "weight": 2 } ] } ]
}
END
note "a good file"
"$POISED" --check -c "$TMP/good.json" >"$TMP/out" 2>&1 || fail "refused: $(<"$TMP/out")"
"$POISE" config check "$TMP/good.json" >"$TMP/out" 2>&1 || fail "refused by poise config check: $(<"$TMP/out")"

cat >"$TMP/bad.json" <<END
{
    "ports": [ { "name": "a-name-too-long-for-a-twin", "device": "linux:eth0" },
               { "name": "wan1", "device": "linux:eth1", "mtu": 100000 },
               { "name": "wan2", "device": "linux:eth2", "addresses": [ "192.0.2.2/33" ] } ],
    "worker": 2,
    "idle": "never",
    "services": [
        { "protocol": "tcp", "address": "192.0.2.10", "port": 80, "shceduler": "rr" },
        { "protocol": "sctp", "address": "192.0.2.10", "port": 81 },
        { "protocol": "tcp", "address": "192.0.2.10", "port": 82, "scheduler": "wwr" },
        { "protocol": "tcp", "address": "192.0.2.10", "port": 83,
          "servers": [ { "address": "192.0.2.11", "weight": -1 }, { "address": "2001:db8::11" } ] }
    ]
}
END
note "a file with ten mistakes: all of them, in one go"
rc=0
"$POISED" --check -c "$TMP/bad.json" >"$TMP/out" 2>&1 || rc=$?
same "exit code" "$rc" 1
cat "$TMP/out"
for path in 'ports[0].name' 'ports[1].mtu' 'ports[2].addresses[0]' 'worker' 'idle' 'services[0].shceduler' \
    'services[1].protocol' 'services[2].scheduler' 'services[3].servers[0].weight' 'services[3].servers[1].address'; do
    has "the mistake is listed" "$TMP/out" "$path:"
done
has "the number of mistakes" "$TMP/out" "10 errors"
for hint in workers scheduler wrr; do
    has "a suggestion" "$TMP/out" "did you mean \"$hint\""
done

note "broken JSON: line and column"
printf '{\n    "ports": [ { "name": }\n' >"$TMP/broken.json"
rc=0
"$POISED" --check -c "$TMP/broken.json" >"$TMP/out" 2>&1 || rc=$?
same "exit code" "$rc" 1
grep -qE 'line 2' "$TMP/out" || fail "no line number in: $(<"$TMP/out")"

note "no file, and a directory"
for file in "$TMP/absent.json" "$TMP"; do
    rc=0
    "$POISED" --check -c "$file" >"$TMP/out" 2>&1 || rc=$?
    same "exit code" "$rc" 1
    has "the file is named" "$TMP/out" "$file"
done
