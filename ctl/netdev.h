// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Linux interfaces as ports ("linux:eth1") and as TAP twins: everything that is
// set on a kernel interface, and how it is undone. Control thread only.
//
// A "linux:" port must belong to the data plane alone: AF_PACKET is only a tap, so the
// kernel's own stack would answer every frame a second time. netdev_claim() makes the interface
// exclusive: an nftables ingress hook drops what the kernel would see (af_packet taps before
// it), IPv6 is off so that the kernel does not speak there, GRO and LRO are off so that no frame
// grows beyond the MTU. The nftables table is owned by our netlink socket and goes with
// the process, even on kill -9; what does not go by itself is written to an undo file
// (/run/poise/undo-<namespace inode>-<ifname>) before it is changed, and the next start undoes it
// if the interface is the same one still.

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>

struct netdev_info {
	unsigned ifindex;
	uint8_t mac[ETHER_ADDR_LEN];
	unsigned mtu;
	bool up, has_addresses;     // has_addresses: any but IPv6 link-local ones
	unsigned combined_channels; // 0 when the driver has none (veth)
};

// 0, -ENODEV when there is no such interface in this namespace, or another negative errno.
int netdev_info(const char *ifname, struct netdev_info *out);

struct netdev_claim;
// Takes `ifname` from the kernel, sets it up, and with mtu != 0 sets its MTU. `error` gets one line
// for people when the result is not 0 (negative errno).
int netdev_claim(
    const char *ifname, unsigned mtu, struct netdev_claim **out, char error[static 160]);
// An AF_XDP socket is about to load its program there: netdev_release() removes it.
void netdev_uses_xdp(struct netdev_claim *c);
// Undoes all of netdev_claim(). NULL is allowed.
void netdev_release(struct netdev_claim *c);
// Undoes what a poised killed without warning left in this network namespace (undo files,
// the XDP program of an AF_XDP socket). Returns how many interfaces it mended.
int netdev_undo_leftovers(void);

// Makes the TAP interface `ifname` (non-persistent: it goes with the process; IFF_NO_PI, no
// vnet header, non-blocking) with this MAC and MTU, and sets it up. `fd` is for whole frames.
// -EEXIST when an interface of that name is there already.
int netdev_tap_new(const char *ifname, const uint8_t mac[ETHER_ADDR_LEN], unsigned mtu, int *fd,
    unsigned *ifindex);
