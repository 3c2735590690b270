#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# poised on PCI NICs: igb and virtio, emulated by QEMU behind an IOMMU, bound to vfio-pci in a virtual
# machine that is built from Debian packages when it is missing (minutes, 1.4 GB under
# PCILAB_HOME). Usage: run.sh BUILD [igb|virtio ...]. No part of "./dev test".
set -u
here=$(dirname "$(readlink -f "$0")")
build=$(readlink -f "$1")
shift
export PCILAB_HOME=${PCILAB_HOME:-/var/lib/pcilab}
export PCILAB_EXTRA_PKGS=libjansson4,libevent-2.1-7,libevent-core-2.1-7,libmnl0,libbsd0,libsmartcols1,libsystemd0,nftables,ethtool,nginx-light
[ -f "$PCILAB_HOME/initrd.gz" ] || "$here/mk-pcilab.sh" || exit 1
passed=0 failed=0

# boot SCRIPT HOST_COMMAND: its exit code, and what it printed in $out/output.txt. One boot in some thirty
# hangs in the emulator (99): it is tried again.
boot() {
    local rc=99
    for _ in 1 2; do
        SMP=3 LINK=tap QUIET=1 TIMEOUT=260 HOST_CMD=$2 \
            "$here/run-pcilab.sh" "$here/$1" "$out" "$build/src/poised/poised" "$build/src/poise/poise"
        rc=$?
        [ $rc -eq 99 ] || break
    done
    [ ! -f "$out/host.log" ] || cat "$out/host.log"
    sed 's/^/    /' "$out/output.txt"
    return $rc
}
count() { # count EXIT_CODE
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

[ $# -gt 0 ] || set -- igb virtio
for DUT in "$@"; do
    export DUT
    out=$(mktemp -d "$PCILAB_HOME/out.XXXXXX")
    echo "== $DUT: DR, NAT, FULLNAT =="
    boot guest.sh "bash $here/host.sh" && grep -q HOST-OK "$out/host.log"
    count $?
    out=$(mktemp -d "$PCILAB_HOME/out.XXXXXX")
    echo "== $DUT: VLANs =="
    boot vlan.sh ""
    count $?
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
