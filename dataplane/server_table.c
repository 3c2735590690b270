// SPDX-License-Identifier: BSD-3-Clause

#include "server_table.h"

#include <string.h>

#include "conn_table.h"

static uint32_t bucket_for(
    const struct server_table *t, const void *address, uint16_t port, uint8_t protocol, bool v6)
{
	const uint8_t *a = address;
	uint64_t h = v6 ? hash_mix(load64(a) ^ t->secret, load64(a + 8) ^ ~t->secret) : load32(a);
	h = hash_mix(h ^ t->secret, ((uint64_t)port << 8 | protocol) ^ ~t->secret);
	return (h ^ h >> 32) % SERVER_HEADS;
}

static uint32_t *head_of(struct server_table *t, const struct server_key *k)
{
	return &t->heads[bucket_for(t, k->address, k->port, k->protocol, k->v6)];
}

static void list(struct server_table *t, uint32_t id)
{
	uint32_t *head = head_of(t, &t->keys[id]);
	t->keys[id].next = *head;
	*head = id + 1;
}

static void unlist(struct server_table *t, uint32_t id)
{
	struct server_key *k = &t->keys[id];
	uint32_t *p = head_of(t, k);
	while (*p != id + 1)
		p = &t->keys[*p - 1].next;
	*p = k->next;
}

void server_table_set(
    struct server_table *t, uint32_t id, const struct server_key *key, unsigned kind)
{
	struct server_key *k = &t->keys[id];
	bool same = k->port == key->port && k->protocol == key->protocol && k->v6 == key->v6 &&
	            memcmp(k->address, key->address, sizeof(k->address)) == 0;
	// Answers may come as long as the server has connections, whatever it is edited to be.
	unsigned kinds = same ? k->kinds | kind : kind;
	if (k->kinds)
		unlist(t, id);
	*k = *key;
	k->kinds = kinds;
	if (kinds)
		list(t, id);
}

unsigned server_table_kinds(
    const struct server_table *t, const void *address, uint16_t port, uint8_t protocol, bool v6)
{
	unsigned kinds = 0;
	uint32_t at = t->heads[bucket_for(t, address, port, protocol, v6)];
	for (; at; at = t->keys[at - 1].next) {
		const struct server_key *k = &t->keys[at - 1];
		if (k->port == port && k->protocol == protocol && k->v6 == v6 &&
		    memcmp(k->address, address, v6 ? 16 : 4) == 0)
			kinds |= k->kinds;
	}
	return kinds;
}
