// SPDX-License-Identifier: BSD-3-Clause

#include "rss.h"

#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 64

// The 32 bits of the key from bit `at` on.
static uint32_t window(const uint8_t *key, unsigned at)
{
	uint64_t bits = 0;
	for (unsigned i = 0; i < 5; i++)
		bits = bits << 8 | key[at / 8 + i];
	return bits >> (8 - at % 8);
}

struct rss *rss_new(const uint8_t *key, unsigned key_bytes, const uint16_t *queues,
    unsigned n_queues, unsigned n_workers, uint64_t types)
{
	// A power of two, and a key long enough for the longest input.
	if (n_queues == 0 || n_queues > RSS_RETA_MAX || n_queues & (n_queues - 1) ||
	    key_bytes < RSS_INPUT_MAX + 4)
		return NULL;
	struct rss *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	for (unsigned i = 0; i < RSS_INPUT_MAX; i++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				if (byte & 0x80 >> bit)
					r->table[i][byte] ^= window(key, i * 8 + bit);
			}
		}
	}
	r->mask = n_queues - 1;
	for (unsigned i = 0; i < n_queues; i++)
		r->worker[i] = queues[i] % n_workers;
	r->ports[0][0] = types & RTE_ETH_RSS_NONFRAG_IPV4_TCP;
	r->ports[0][1] = types & RTE_ETH_RSS_NONFRAG_IPV4_UDP;
	r->ports[1][0] = types & (RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_IPV6_TCP_EX);
	r->ports[1][1] = types & (RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_UDP_EX);
	return r;
}

struct rss *rss_of_port(uint16_t dpdk_id, unsigned n_workers)
{
	uint8_t key[KEY_MAX] = {};
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = sizeof(key) };
	struct rte_eth_rss_reta_entry64 reta[RSS_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	struct rte_eth_dev_info info;
	uint16_t queues[RSS_RETA_MAX];
	if (rte_eth_dev_info_get(dpdk_id, &info) < 0 || info.nb_rx_queues < 2 ||
	    info.reta_size == 0 || info.reta_size > RSS_RETA_MAX ||
	    info.hash_key_size > sizeof(key))
		return NULL;
	if (info.hash_key_size)
		conf.rss_key_len = info.hash_key_size;
	memset(reta, 0, sizeof(reta));
	for (unsigned i = 0; i < info.reta_size; i++)
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= 1ull << i % RTE_ETH_RETA_GROUP_SIZE;
	if (rte_eth_dev_rss_hash_conf_get(dpdk_id, &conf) < 0 || conf.rss_hf == 0 ||
	    rte_eth_dev_rss_reta_query(dpdk_id, reta, info.reta_size) < 0)
		return NULL;
	for (unsigned i = 0; i < info.reta_size; i++)
		queues[i] = reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
	return rss_new(key, info.hash_key_size ? info.hash_key_size : 40, queues, info.reta_size,
	    n_workers, conf.rss_hf);
}
