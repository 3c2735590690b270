// SPDX-License-Identifier: BSD-3-Clause

// Local addresses of a service (FULLNAT): addresses, ranges and prefixes.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "service.h"

static uint32_t low_word(const struct ip_addr *a)
{
	const uint8_t *p = a->bytes + (a->family == AF_INET6 ? 12 : 0);
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void set_low_word(struct ip_addr *a, uint32_t v)
{
	uint8_t *p = a->bytes + (a->family == AF_INET6 ? 12 : 0);
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
}

struct ip_addr conf_range_at(const struct conf_range *r, uint32_t i)
{
	struct ip_addr a = r->first;
	set_low_word(&a, low_word(&a) + i);
	return a;
}

// "192.0.2.5-192.0.2.9": both of one family, alike but for the last 32 bits.
static int parse_from_to(const char *text, const char *dash, struct conf_range *out)
{
	char first[ADDR_TEXT_MAX];
	struct ip_addr a, b;
	size_t n = dash - text;
	if (n >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, n);
	first[n] = '\0';
	if (ip_addr_parse(first, &a) < 0 || ip_addr_parse(dash + 1, &b) < 0 ||
	    a.family != b.family || low_word(&b) < low_word(&a))
		return -EINVAL;
	out->first = a;
	out->n = low_word(&b) - low_word(&a) + 1;
	set_low_word(&b, low_word(&a));
	return ip_addr_equal(&a, &b) && out->n ? 0 : -EINVAL;
}

static int parse_range(const char *text, struct conf_range *out)
{
	const char *dash = strchr(text, '-');
	struct ip_prefix p;
	if (dash)
		return parse_from_to(text, dash, out);
	if (ip_prefix_parse(text, &p) < 0)
		return -EINVAL;
	unsigned bits = (p.addr.family == AF_INET6 ? 128 : 32) - p.len;
	if (bits > 16)
		return -EINVAL;
	out->first = p.addr;
	out->n = 1u << bits;
	set_low_word(&out->first, low_word(&p.addr) & ~(out->n - 1));
	return 0;
}

const char *conf_range_print(const struct conf_range *r, char buf[static CONF_RANGE_TEXT_MAX])
{
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
	struct ip_addr last = conf_range_at(r, r->n - 1);
	ip_addr_print(&r->first, a);
	if (r->n > 1)
		snprintf(buf, CONF_RANGE_TEXT_MAX, "%s-%s", a, ip_addr_print(&last, b));
	else
		snprintf(buf, CONF_RANGE_TEXT_MAX, "%s", a);
	return buf;
}

static bool overlap(const struct conf_range *a, const struct conf_range *b)
{
	struct ip_addr a_last = conf_range_at(a, a->n - 1), b_last = conf_range_at(b, b->n - 1);
	return ip_addr_compare(&a->first, &b_last) <= 0 && ip_addr_compare(&b->first, &a_last) <= 0;
}

static void read_range(struct conf_reader *r, const char *path, const char *text,
    struct conf_local *local, uint32_t *total)
{
	struct conf_range range;
	if (parse_range(text, &range) < 0) {
		conf_error_add(r->errors, path,
		    "\"%.90s\" is no address, range (a-b) or prefix of at most 65536 addresses",
		    text);
		return;
	}
	if (!ip_addr_is_unicast(&range.first)) {
		conf_error_add(r->errors, path, "%.90s is not unicast", text);
		return;
	}
	for (unsigned i = 0; i < local->n; i++) {
		if (overlap(&local->ranges[i], &range))
			conf_error_add(r->errors, path, "%.90s is there already", text);
	}
	*total += range.n;
	local->ranges[local->n++] = range;
}

void conf_read_local(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf_local local = {};
	size_t before = r->errors->n, size = json_array_size(v);
	uint32_t total = 0;
	if (!json_is_array(v)) {
		conf_error_add(r->errors, path, "is not a list");
		return;
	}
	if (size > CONF_LOCAL_MAX) {
		conf_error_add(r->errors, path, "more than %d", CONF_LOCAL_MAX);
		return;
	}
	for (size_t i = 0; i < size; i++) {
		char sub[CONF_PATH_MAX];
		snprintf(sub, sizeof(sub), "%.200s[%zu]", path, i);
		const char *text = conf_text(r, json_array_get(v, i), sub);
		if (text)
			read_range(r, sub, text, &local, &total);
	}
	if (total > CONF_LOCAL_ADDRESSES_MAX)
		conf_error_add(r->errors, path, "more than %d addresses", CONF_LOCAL_ADDRESSES_MAX);
	if (r->errors->n == before)
		*(struct conf_local *)out = local;
}

bool conf_local_has_family(const struct conf_local *local, int family)
{
	for (unsigned i = 0; i < local->n; i++) {
		if (local->ranges[i].first.family == family)
			return true;
	}
	return false;
}

bool conf_same_fullnat(const struct conf_service *x, const struct conf_service *y)
{
	const struct conf_local *a = &x->local, *b = &y->local;
	bool same = a->n == b->n && x->client_address == y->client_address &&
	            x->toa_kind == y->toa_kind;
	for (unsigned i = 0; same && i < a->n; i++)
		same = a->ranges[i].n == b->ranges[i].n &&
		       ip_addr_equal(&a->ranges[i].first, &b->ranges[i].first);
	return same;
}

json_t *conf_local_to_json(const struct conf_local *local)
{
	char text[CONF_RANGE_TEXT_MAX];
	json_t *list = json_array();
	for (unsigned i = 0; i < local->n; i++)
		json_array_append_new(list, json_string(conf_range_print(&local->ranges[i], text)));
	return list;
}
