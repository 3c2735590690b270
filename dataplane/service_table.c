// SPDX-License-Identifier: BSD-3-Clause

#include "service_table.h"

#include <string.h>

#include "conn_table.h"

static uint32_t address_hash(const struct service_table *t, const void *address, bool v6)
{
	const uint8_t *a = address;
	uint64_t h = v6 ? hash_mix(load64(a) ^ t->secret, load64(a + 8) ^ ~t->secret)
	                : hash_mix(load32(a) ^ t->secret, ~t->secret);
	return (h ^ h >> 32) % SERVICE_BUCKETS;
}

static uint32_t key_hash(
    const struct service_table *t, uint32_t address_hash, uint16_t port, uint8_t protocol)
{
	uint64_t h = hash_mix(
	    address_hash ^ t->secret, ((uint64_t)port << 8 | protocol) ^ ~t->secret);
	return (h ^ h >> 32) % SERVICE_BUCKETS;
}

static bool same_address(const struct service *s, const void *address, bool v6)
{
	return s->key.v6 == v6 && memcmp(s->key.address, address, v6 ? 16 : 4) == 0;
}

void service_table_init(struct service_table *t, uint64_t secret)
{
	t->secret = secret;
}

void service_table_add(struct service_table *t, struct service *s)
{
	uint32_t a = address_hash(t, s->key.address, s->key.v6);
	uint32_t k = key_hash(t, a, s->key.port, s->key.protocol);
	s->next_address = t->by_address[a];
	t->by_address[a] = s;
	s->next_key = t->by_key[k];
	t->by_key[k] = s;
	t->count++;
}

void service_table_remove(struct service_table *t, struct service *s)
{
	uint32_t a = address_hash(t, s->key.address, s->key.v6);
	uint32_t k = key_hash(t, a, s->key.port, s->key.protocol);
	struct service **p = &t->by_address[a];
	while (*p != s)
		p = &(*p)->next_address;
	*p = s->next_address;
	for (p = &t->by_key[k]; *p != s; p = &(*p)->next_key)
		;
	*p = s->next_key;
	t->count--;
}

struct service *service_table_find(
    const struct service_table *t, const void *address, uint16_t port, uint8_t protocol, bool v6)
{
	struct service *s = t->by_key[key_hash(t, address_hash(t, address, v6), port, protocol)];
	while (s && !(s->key.port == port && s->key.protocol == protocol &&
	                same_address(s, address, v6)))
		s = s->next_key;
	return s;
}

bool service_table_has_address(const struct service_table *t, const void *address, bool v6)
{
	const struct service *s = t->by_address[address_hash(t, address, v6)];
	while (s && !same_address(s, address, v6))
		s = s->next_address;
	return s;
}
