// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// An nftables chain that drops all that an interface receives, before the kernel's stack (and after
// AF_PACKET and XDP): raw nf_tables netlink through libmnl. Used by netdev.c only.

struct mnl_socket;

// The table "poise_IFNAME", owned by the socket: the kernel removes it when the socket is closed,
// also by the end of the process. 0 or negative errno.
int nft_drop_ingress(const char *ifname, struct mnl_socket **socket);
