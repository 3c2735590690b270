#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs inside the virtual machine: binds NICs A and C to vfio-pci and runs poised on them with hugepages and
# four receive queues each, until the host says over TCP to the director's own address (through the
# twin) that it is done. What the director has to say for itself goes to /out.
set -u
# shellcheck source=/dev/null
. /in/lib/pcilab.sh
modprobe tun # no udev here
[ -c /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }
pl_bind vfio-pci "$A" "$C"
cat >/tmp/poise.json <<END
{
    "ports": [ { "name": "wan0", "device": "$A", "queues": 4, "addresses": ["10.0.0.1/24"] },
               { "name": "lan0", "device": "$C", "queues": 4, "addresses": ["10.1.0.1/24"] } ],
    "workers": 2,
    "memory": { "hugepages": true },
    "services": [
        { "name": "web", "protocol": "tcp", "address": "10.0.0.100", "port": 80, "scheduler": "wrr",
          "servers": [ { "address": "10.0.0.11" }, { "address": "10.0.0.12", "weight": 2 } ] },
        { "name": "nat", "protocol": "tcp", "address": "10.0.0.100", "port": 81, "scheduler": "rr", "forward": "nat",
          "servers": [ { "address": "10.1.0.11", "port": 80 }, { "address": "10.1.0.12", "port": 80 } ] },
        { "name": "fullnat", "protocol": "tcp", "address": "10.0.0.100", "port": 82, "scheduler": "rr", "forward": "fullnat",
          "local_addresses": [ "10.1.0.100-10.1.0.103" ],
          "servers": [ { "address": "10.1.0.11", "port": 80 }, { "address": "10.1.0.12", "port": 80 } ] }
    ]
}
END
/in/poised -c /tmp/poise.json >/out/poised.log 2>&1 &
pid=$!
for _ in $(seq 300); do
    /in/poise version >/dev/null 2>&1 && break
    kill -0 $pid || break
    sleep 0.2
done
/in/poise version || { cat /out/poised.log; exit 1; }
grep HugePages_ /proc/meminfo
rc=0
# The host says "fullnat" when it begins with that: until it is done nothing is handed over.
timeout "${PCILAB_SECS:-150}" nc -l -p 9999 </dev/null >/out/said.txt
handed() { /in/poise --json workers | tr ',' '\n' | awk -F: '/"handed_over"/ { n += $2 } END { print n + 0 }'; }
before=$(handed)
timeout "${PCILAB_SECS:-150}" nc -l -p 9999 </dev/null >>/out/said.txt
echo "handed over: $before before FULLNAT, $(handed) after it"
[ "$before" = "$(handed)" ] || rc=1
grep -q "done" /out/said.txt || rc=1
for what in ports workers services neighbours drops; do
    /in/poise --json $what >/out/$what.json
    /in/poise $what
done
kill -TERM $pid
wait $pid || rc=1
ip link show wan0 >/dev/null 2>&1 && { echo "the twin is still there"; rc=1; }
dmesg | grep -i 'DMAR.*fault' && rc=1
cat /out/poised.log
exit $rc
