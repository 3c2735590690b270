// SPDX-License-Identifier: BSD-3-Clause

#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ip_addr_parse(const char *text, struct ip_addr *out)
{
	struct ip_addr a = {};
	a.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, text, a.bytes) != 1)
		return -EINVAL;
	*out = a;
	return 0;
}

// Digits only, no sign, no blank, no leading zero (octal to some); at most `max`.
static int parse_number(const char *text, unsigned long max, unsigned long *out)
{
	size_t n = strlen(text);
	if (!n || n > 9 || strspn(text, "0123456789") != n || (n > 1 && text[0] == '0'))
		return -EINVAL;
	unsigned long v = strtoul(text, NULL, 10);
	if (v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *out)
{
	char address[ADDR_TEXT_MAX];
	struct ip_prefix p;
	size_t n = strcspn(text, "/");
	if (n >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	if (ip_addr_parse(address, &p.addr) < 0)
		return -EINVAL;
	unsigned long max = p.addr.family == AF_INET6 ? 128 : 32, len = max;
	if (text[n] && parse_number(text + n + 1, max, &len) < 0)
		return -EINVAL;
	p.len = len;
	*out = p;
	return 0;
}

int ip_endpoint_parse(const char *text, struct ip_endpoint *out)
{
	char address[ADDR_TEXT_MAX];
	struct ip_endpoint e = {};
	const char *port = NULL;
	size_t n;
	if (text[0] == '[') {
		text++;
		n = strcspn(text, "]");
		if (text[n] != ']' || (text[n + 1] && text[n + 1] != ':'))
			return -EINVAL;
		port = text[n + 1] ? text + n + 2 : NULL;
	} else {
		const char *first = strchr(text, ':');
		bool v6 = first && strchr(first + 1, ':');
		n = v6 || !first ? strlen(text) : (size_t)(first - text);
		port = v6 || !first ? NULL : first + 1;
	}
	if (n >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	unsigned long number = 0;
	if (ip_addr_parse(address, &e.addr) < 0 || (port && parse_number(port, 65535, &number) < 0))
		return -EINVAL;
	e.port = number;
	*out = e;
	return 0;
}

const char *ip_addr_print(const struct ip_addr *a, char buf[static ADDR_TEXT_MAX])
{
	if (!inet_ntop(a->family, a->bytes, buf, ADDR_TEXT_MAX))
		buf[0] = '\0';
	return buf;
}

const char *ip_prefix_print(const struct ip_prefix *p, char buf[static ADDR_TEXT_MAX])
{
	ip_addr_print(&p->addr, buf);
	size_t n = strlen(buf);
	snprintf(buf + n, ADDR_TEXT_MAX - n, "/%u", p->len);
	return buf;
}

const char *ip_endpoint_print(
    const struct ip_addr *a, uint16_t port, char buf[static ADDR_TEXT_MAX])
{
	char text[ADDR_TEXT_MAX];
	ip_addr_print(a, text);
	snprintf(buf, ADDR_TEXT_MAX, a->family == AF_INET6 ? "[%.45s]:%u" : "%.45s:%u", text, port);
	return buf;
}

static size_t addr_bytes(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? 16 : a->family == AF_INET ? 4 : 0;
}

int ip_addr_compare(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1; // AF_INET is 2, AF_INET6 is 10
	return memcmp(a->bytes, b->bytes, addr_bytes(a));
}

bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_addr_compare(a, b) == 0;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	unsigned whole = p->len / 8, rest = p->len % 8;
	if (a->family != p->addr.family || memcmp(a->bytes, p->addr.bytes, whole) != 0)
		return false;
	return !rest || ((a->bytes[whole] ^ p->addr.bytes[whole]) & (0xff00 >> rest & 0xff)) == 0;
}

bool ip_addr_is_unicast(const struct ip_addr *a)
{
	static const uint8_t zero[16];
	if (a->family == AF_INET)
		return a->bytes[0] != 0 && a->bytes[0] < 224;
	return a->family == AF_INET6 && a->bytes[0] != 0xff && memcmp(a->bytes, zero, 16) != 0;
}

bool ip_addr_is_loopback(const struct ip_addr *a)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	if (a->family == AF_INET)
		return a->bytes[0] == 127;
	return a->family == AF_INET6 && memcmp(a->bytes, loopback, 16) == 0;
}
