// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include "checksum.h"

// The folded, not complemented sum of `bytes` from `at` on, over all buffers of a packet. 0, or
// negative when it is shorter. (DPDK 22.11's rte_raw_cksum_mbuf() loses the carries of a buffer
// that begins at an odd byte.)
int mbuf_sum(const struct rte_mbuf *m, uint32_t at, uint32_t bytes, uint16_t *out);
