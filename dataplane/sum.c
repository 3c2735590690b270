// SPDX-License-Identifier: BSD-3-Clause

#include "sum.h"

#include <rte_ip.h>

int mbuf_sum(const struct rte_mbuf *m, uint32_t at, uint32_t bytes, uint16_t *out)
{
	uint64_t sum = 0;
	bool odd = false;
	if (at + bytes > m->pkt_len)
		return -1;
	for (; bytes; m = m->next) {
		if (at >= m->data_len) {
			at -= m->data_len;
			continue;
		}
		uint32_t here = RTE_MIN(bytes, m->data_len - at);
		uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, at), here);
		sum += odd ? rte_bswap16(part) : part;
		odd ^= here & 1;
		bytes -= here;
		at = 0;
	}
	*out = checksum_fold(sum);
	return 0;
}
