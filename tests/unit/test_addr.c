// SPDX-License-Identifier: BSD-3-Clause

// Addresses as text.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/addr.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct pair {
	const char *in, *out; // out NULL: refused
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	if (ip_addr_parse(text, &a) < 0)
		fail_msg("\"%s\" is no address", text);
	return a;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	if (ip_prefix_parse(text, &p) < 0)
		fail_msg("\"%s\" is no prefix", text);
	return p;
}

// What was parsed, or that the parser left its output alone.
static void check(const struct pair *p, int ret, const char *printed, const void *out, size_t size)
{
	if (ret == 0 && p->out) {
		if (strcmp(printed, p->out) != 0)
			fail_msg("\"%s\": %s, not %s", p->in, printed, p->out);
		return;
	}
	if (ret != (p->out ? 0 : -EINVAL))
		fail_msg("\"%s\": returns %d", p->in, ret);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(((const uint8_t *)out)[i], 0x55);
}

static const struct pair addresses[] = {
	{ "192.0.2.1", "192.0.2.1" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "2001:db8::1", "2001:db8::1" },
	{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
	{ "2001:0db8::0001", "2001:db8::1" },
	{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
	{ "::", "::" },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "" },
	{ "x" },
	{ "192.0.2" },
	{ "192.0.2." },
	{ "192.0.2.256" },
	{ "192.0.2.1.1" },
	{ "192.0.2.01" },
	{ "192.0.2.0x1" },
	{ "3221225985" },
	{ " 192.0.2.1" },
	{ "192.0.2.1 " },
	{ "192.0.2.1\n" },
	{ "-1.0.0.0" },
	{ "192.0.2.1/24" },
	{ "192.0.2.1:80" },
	{ ":" },
	{ ":::" },
	{ "1::2::3" },
	{ "1:2:3:4:5:6:7" },
	{ "1:2:3:4:5:6:7:8:9" },
	{ "12345::" },
	{ "g::" },
	{ "[::1]" },
	{ "fe80::1%lo" },
	{ "::1/128" },
	{ "::1 " },
	{ "::192.0.2.256" },
	{ "192.0.2.1::" },
};

static void parse_addresses(void **state)
{
	for (size_t i = 0; i < N(addresses); i++) {
		struct ip_addr a;
		char text[ADDR_TEXT_MAX] = "";
		memset(&a, 0x55, sizeof(a));
		int ret = ip_addr_parse(addresses[i].in, &a);
		if (ret == 0)
			assert_ptr_equal(ip_addr_print(&a, text), text);
		check(&addresses[i], ret, text, &a, sizeof(a));
	}
	struct ip_addr a = addr("192.0.2.1");
	static const uint8_t bytes[16] = { 192, 0, 2, 1 };
	assert_int_equal(a.family, AF_INET);
	assert_memory_equal(a.bytes, bytes, 16); // the rest zero
	assert_int_equal(a.v4.s_addr, htonl(0xc0000201));
	assert_int_equal(addr("::1").family, AF_INET6);
	char text[ADDR_TEXT_MAX] = "x";
	assert_string_equal(ip_addr_print(&(struct ip_addr){}, text), ""); // unset
}

static const struct pair prefixes[] = {
	{ "192.0.2.2/24", "192.0.2.2/24" }, // host bits are kept
	{ "192.0.2.2", "192.0.2.2/32" },
	{ "0.0.0.0/0", "0.0.0.0/0" },
	{ "10.0.0.0/8", "10.0.0.0/8" },
	{ "10.0.0.0/32", "10.0.0.0/32" },
	{ "2001:db8::2/64", "2001:db8::2/64" },
	{ "2001:db8::2", "2001:db8::2/128" },
	{ "::/0", "::/0" },
	{ "::/128", "::/128" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
	{ "" },
	{ "/" },
	{ "/24" },
	{ "default" },
	{ "192.0.2.2/" },
	{ "192.0.2.2/33" },
	{ "192.0.2.2/-1" },
	{ "192.0.2.2/+1" },
	{ "192.0.2.2/ 1" },
	{ "192.0.2.2/1 " },
	{ "192.0.2.2/08" },
	{ "192.0.2.2/0x8" },
	{ "192.0.2.2/4294967320" },
	{ "192.0.2.2/18446744073709551640" },
	{ "192.0.2.2/24/24" },
	{ "192.0.2.2/255.255.255.0" },
	{ "192.0.2/24" },
	{ "::/129" },
	{ "::/" },
	{ "[::]/0" },
	{ "0000000000000000000000000000000000000000000000000000000000000000000000000000/8" },
};

static void parse_prefixes(void **state)
{
	for (size_t i = 0; i < N(prefixes); i++) {
		struct ip_prefix p;
		char text[ADDR_TEXT_MAX] = "";
		memset(&p, 0x55, sizeof(p));
		int ret = ip_prefix_parse(prefixes[i].in, &p);
		if (ret == 0)
			assert_ptr_equal(ip_prefix_print(&p, text), text);
		check(&prefixes[i], ret, text, &p, sizeof(p));
	}
}

static const struct pair endpoints[] = {
	{ "192.0.2.1:80", "192.0.2.1:80" },
	{ "192.0.2.1:65535", "192.0.2.1:65535" },
	{ "192.0.2.1:0", "192.0.2.1:0" },
	{ "192.0.2.1", "192.0.2.1:0" },
	{ "[2001:db8::1]:80", "[2001:db8::1]:80" },
	{ "[2001:db8::1]", "[2001:db8::1]:0" },
	{ "2001:db8::1", "[2001:db8::1]:0" },
	{ "2001:db8::1:80", "[2001:db8::1:80]:0" }, // an address, as ever
	{ "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ "" },
	{ ":" },
	{ ":80" },
	{ "[]" },
	{ "[]:80" },
	{ "[" },
	{ "]" },
	{ "[::1" },
	{ "[::1]80" },
	{ "[::1]:" },
	{ "[::1]:65536" },
	{ "[::1]:80:80" },
	{ "[[::1]]:80" },
	{ "::1]:80" },
	{ "192.0.2.1:" },
	{ "192.0.2.1:65536" },
	{ "192.0.2.1:-1" },
	{ "192.0.2.1:+80" },
	{ "192.0.2.1: 80" },
	{ "192.0.2.1:80 " },
	{ "192.0.2.1:080" },
	{ "192.0.2.1:0x50" },
	{ "192.0.2.1:http" },
	{ "192.0.2.1:4294967376" },
	{ "192.0.2.1:80:80" },
	{ "192.0.2.1/24:80" },
	{ "localhost:80" },
	{ "00000000000000000000000000000000000000000000000000000000000000000000000000000000:80" },
	{ "[0000000000000000000000000000000000000000000000000000000000000000000000000000]:80" },
};

static void parse_endpoints(void **state)
{
	for (size_t i = 0; i < N(endpoints); i++) {
		struct ip_endpoint e;
		char text[ADDR_TEXT_MAX] = "";
		memset(&e, 0x55, sizeof(e));
		int ret = ip_endpoint_parse(endpoints[i].in, &e);
		if (ret == 0)
			assert_ptr_equal(ip_endpoint_print(&e.addr, e.port, text), text);
		check(&endpoints[i], ret, text, &e, sizeof(e));
	}
	struct ip_endpoint e;
	assert_int_equal(ip_endpoint_parse("192.0.2.1:80", &e), 0);
	assert_int_equal(e.port, 80); // host order
	assert_int_equal(e.addr.family, AF_INET);
	// IPv4 within brackets means the same.
	assert_int_equal(ip_endpoint_parse("[192.0.2.1]:80", &e), 0);
	assert_int_equal(e.addr.family, AF_INET);
}

static void order(void **state)
{
	static const char *const ascending[] = { "0.0.0.0", "10.0.0.1", "10.0.1.0", "200.0.0.1",
		"255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "2001:db8::1", "ff02::1" };
	for (size_t i = 0; i < N(ascending); i++) {
		for (size_t k = 0; k < N(ascending); k++) {
			struct ip_addr a = addr(ascending[i]), b = addr(ascending[k]);
			int d = ip_addr_compare(&a, &b);
			assert_int_equal((d > 0) - (d < 0), (i > k) - (i < k));
			assert_int_equal(ip_addr_equal(&a, &b), i == k);
		}
	}
	struct ip_addr unset = {}, v4 = addr("0.0.0.0");
	assert_true(ip_addr_equal(&unset, &unset));
	assert_false(ip_addr_equal(&unset, &v4));
}

static void contains(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool yes;
	} table[] = {
		{ "192.0.2.2/24", "192.0.2.255", true },
		{ "192.0.2.2/24", "192.0.3.2", false },
		{ "192.0.2.128/25", "192.0.2.200", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "172.16.0.0/12", "172.31.255.255", true },
		{ "172.16.0.0/12", "172.32.0.0", false },
		{ "192.0.2.2/31", "192.0.2.3", true },
		{ "192.0.2.2/31", "192.0.2.1", false },
		{ "192.0.2.2/32", "192.0.2.2", true },
		{ "192.0.2.2/32", "192.0.2.3", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "192.0.2.1", false },
		{ "::/0", "ffff::", true },
		{ "128.0.0.0/1", "127.0.0.1", false },
		{ "2001:db8::/33", "2001:db8:7fff::", true },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "2001:db8::1/127", "2001:db8::", true },
		{ "2001:db8::1/128", "2001:db8::1", true },
		{ "2001:db8::1/128", "2001:db8::", false },
	};
	for (size_t i = 0; i < N(table); i++) {
		struct ip_prefix p = prefix(table[i].prefix);
		struct ip_addr a = addr(table[i].addr);
		if (ip_prefix_contains(&p, &a) != table[i].yes)
			fail_msg("%s in %s", table[i].addr, table[i].prefix);
	}
}

static void kinds(void **state)
{
	static const struct {
		const char *text;
		bool unicast, loopback;
	} table[] = {
		{ "0.0.0.0", false, false },
		{ "0.255.0.1", false, false }, // "this network"
		{ "1.0.0.0", true, false },
		{ "126.255.255.255", true, false },
		{ "127.0.0.0", true, true },
		{ "127.255.255.255", true, true },
		{ "128.0.0.1", true, false },
		{ "223.255.255.255", true, false },
		{ "224.0.0.0", false, false },
		{ "239.1.2.3", false, false },
		{ "240.0.0.1", false, false },
		{ "255.255.255.255", false, false },
		{ "::", false, false },
		{ "::1", true, true },
		{ "::2", true, false },
		{ "1::1", true, false },
		{ "2001:db8::1", true, false },
		{ "fe80::1", true, false },
		{ "feff::", true, false },
		{ "ff00::", false, false },
		{ "ff02::1", false, false },
		{ "00ff::1", true, false },
	};
	for (size_t i = 0; i < N(table); i++) {
		struct ip_addr a = addr(table[i].text);
		if (ip_addr_is_unicast(&a) != table[i].unicast ||
		    ip_addr_is_loopback(&a) != table[i].loopback)
			fail_msg("%s", table[i].text);
	}
	struct ip_addr unset = {};
	assert_false(ip_addr_is_unicast(&unset));
	assert_false(ip_addr_is_loopback(&unset));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_addresses),
		cmocka_unit_test(parse_prefixes),
		cmocka_unit_test(parse_endpoints),
		cmocka_unit_test(order),
		cmocka_unit_test(contains),
		cmocka_unit_test(kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
