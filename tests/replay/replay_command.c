// SPDX-License-Identifier: BSD-3-Clause

// The director's shell lines, as changes of the model: the part of ipvsadm, sysctl and ip that
// recordings use.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/addr.h"
#include "replay.h"
#include "replay_ipvsadm.h"
#include "replay_shell.h"

#define MTU 1500

static const char *const OWN[] = { "10.0.0.1", "10.1.0.1", "10.0.0.100", "2001:db8::1",
	"2001:db8:1::1", "2001:db8::100" };

unsigned port_of(unsigned host)
{
	return host == HOST_CLIENT ? 0 : 1;
}

unsigned port_towards(const struct ip_addr *to)
{
	struct ip_prefix behind;
	ip_prefix_parse(to->family == AF_INET ? "10.1.0.0/24" : "2001:db8:1::/64", &behind);
	return ip_prefix_contains(&behind, to) ? 1 : 0;
}

struct ip_addr own_towards(const struct ip_addr *to)
{
	static const char *const text[2][2] = { { "10.0.0.1", "2001:db8::1" },
		{ "10.1.0.1", "2001:db8:1::1" } };
	struct ip_addr a;
	ip_addr_parse(text[port_towards(to)][to->family == AF_INET6], &a);
	return a;
}

// The next hop towards an address: a host on the recordings' networks, or the client's side.
static void set_hop(struct director *d, const struct ip_addr *to, uint16_t mtu)
{
	unsigned host = port_towards(to) == 0 ? HOST_CLIENT : HOST_NONE;
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		struct ip_addr a;
		ip_addr_parse(host_address(i, to->family == AF_INET6), &a);
		if (ip_addr_equal(&a, to))
			host = i;
	}
	if (host == HOST_NONE)
		return;
	uint16_t id = host_mac_id(host);
	struct hop h = {
		.header = { 2, 0, 0, 0, id >> 8, id, 2, 0, 0, 0, 0, port_of(host) + 1 },
		.header_bytes = 12,
		.kind = HOP_SEND,
		.port = port_of(host),
		.mtu = mtu,
	};
	struct ip_addr own = own_towards(to);
	memcpy(h.source, own.bytes, sizeof(h.source));
	model_set_hop(lab_model(d->lab), to, &h);
}

static void set_hop_of_host(struct director *d, unsigned host, uint16_t mtu)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct ip_addr a;
		ip_addr_parse(host_address(host, v6), &a);
		set_hop(d, &a, mtu);
	}
}

void director_init(struct director *d)
{
	for (unsigned host = 0; host < HOST_COUNT; host++)
		set_hop_of_host(d, host, MTU);
	for (unsigned i = 0; i < sizeof(OWN) / sizeof(OWN[0]); i++) {
		ip_addr_parse(OWN[i], &d->own[i].address);
		d->own[i].there = true;
		lab_hop_kind(d->lab, OWN[i], HOP_TO_KERNEL);
	}
	d->n_own = sizeof(OWN) / sizeof(OWN[0]);
	d->gue_ports[d->n_gue_ports++] = 6080;
}

bool director_owns(const struct director *d, const struct ip_addr *a)
{
	for (unsigned i = 0; i < d->n_own; i++)
		if (ip_addr_equal(&d->own[i].address, a))
			return d->own[i].there || d->own[i].routed;
	return false;
}

uint16_t director_mtu(const struct director *d, const struct ip_addr *to)
{
	for (unsigned i = 0; i < d->n_routes; i++)
		if (ip_addr_equal(&d->routes[i].address, to))
			return d->routes[i].mtu;
	return MTU;
}

void director_misses(struct director *d, const char *what)
{
	struct verdict *v = d->verdict;
	v->unsupported++;
	if (strstr(v->missing, what))
		return;
	size_t n = strlen(v->missing);
	snprintf(v->missing + n, sizeof(v->missing) - n, "%s%s", n ? ", " : "", what);
}

// ---- sysctl ----

static const struct knob {
	const char *name, *kernel_default;
	bool tunnels; // says nothing about other ways to forward
} knobs[] = {
	{ "net.ipv4.vs.schedule_icmp", "0" },
	{ "net.ipv4.vs.pmtu_disc", "1", .tunnels = true },
	{ "net.ipv4.vs.nat_icmp_send", "0" },
	{ "net.ipv4.vs.conntrack", "0" },
	{ "net.ipv4.vs.expire_nodest_conn", "0" },
	{ "net.ipv4.vs.expire_quiescent_template", "0" },
	{ "net.ipv4.vs.sloppy_tcp", "0" },
	{ "net.ipv4.vs.sloppy_sctp", "0" },
	{ "net.ipv4.vs.secure_tcp", "0" },
	{ "net.ipv4.vs.drop_entry", "0" },
	{ "net.ipv4.vs.drop_packet", "0" },
	{ "net.ipv4.vs.am_droprate", "10" },
	{ "net.ipv4.vs.conn_reuse_mode", "1" },
	{ "net.ipv4.vs.cache_bypass", "0" },
	{ "net.ipv4.vs.snat_reroute", "1" },
	{ "net.ipv4.vs.ignore_tunneled", "0" },
	{ "net.ipv4.vs.lblcr_expiration", "86400" },
};

static bool has_tunnels(const struct recording *r)
{
	const struct step *s;
	TAILQ_FOREACH(s, &r->steps, entry)
		if (s->kind == STEP_COMMAND && strstr(s->text, " -i"))
			return true;
	return false;
}

static bool run_sysctl(struct director *d, char **words, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		char *value = strchr(words[i], '=');
		if (words[i][0] == '-' || !value)
			continue;
		const struct knob *k = NULL;
		for (unsigned j = 0; j < sizeof(knobs) / sizeof(knobs[0]); j++)
			if (strlen(knobs[j].name) == (size_t)(value - words[i]) &&
			    !strncmp(knobs[j].name, words[i], value - words[i]))
				k = &knobs[j];
		if (!k)
			return false;
		if (k->tunnels && !has_tunnels(d->recording))
			continue;
		if (strcmp(k->kernel_default, value + 1) != 0)
			director_misses(d, words[i]);
	}
	return true;
}

// ---- ip ----

static void set_route(struct director *d, const struct ip_addr *to, uint16_t mtu)
{
	unsigned i;
	for (i = 0; i < d->n_routes; i++)
		if (ip_addr_equal(&d->routes[i].address, to))
			break;
	if (i == sizeof(d->routes) / sizeof(d->routes[0]))
		return;
	if (i == d->n_routes)
		d->n_routes++;
	d->routes[i].address = *to;
	d->routes[i].mtu = mtu;
	set_hop(d, to, mtu);
}

static const char *after(char **words, unsigned n, const char *key)
{
	for (unsigned i = 0; i + 1 < n; i++)
		if (!strcmp(words[i], key))
			return words[i + 1];
	return NULL;
}

// ip [-6] route add|del|change|replace [local] PREFIX [dev ..] [mtu [lock] N]
static bool run_route(struct director *d, char **words, unsigned n, bool add)
{
	bool local = n && !strcmp(words[0], "local");
	struct ip_prefix p;
	if (n < 1u + local || ip_prefix_parse(words[local], &p) < 0)
		return false;
	const char *mtu = after(words, n, "mtu");
	if (mtu && !strcmp(mtu, "lock"))
		mtu = after(words, n, "lock");
	for (unsigned i = 0; local && i < d->n_own; i++)
		if (ip_addr_equal(&d->own[i].address, &p.addr)) {
			d->own[i].routed = add;
			return true;
		}
	if (local || p.len != (p.addr.family == AF_INET ? 32 : 128))
		return false;
	set_route(d, &p.addr, add && mtu ? atoi(mtu) : MTU);
	return true;
}

static bool run_addr(struct director *d, char **words, unsigned n, bool add)
{
	struct ip_prefix p;
	if (n < 1 || ip_prefix_parse(words[0], &p) < 0)
		return false;
	for (unsigned i = 0; i < d->n_own; i++)
		if (ip_addr_equal(&d->own[i].address, &p.addr)) {
			d->own[i].there = add;
			return true;
		}
	return false;
}

// ip link set [dev] br0|d0 mtu N: the director's side towards the real servers, the client.
static bool run_link(struct director *d, char **words, unsigned n)
{
	unsigned dev = n > 2 && !strcmp(words[0], "dev");
	const char *mtu = after(words, n, "mtu");
	bool client = n > dev && !strcmp(words[dev], "d0");
	if (!mtu || n != dev + 3 || (!client && strcmp(words[dev], "br0") != 0))
		return false;
	for (unsigned host = 0; host < HOST_COUNT; host++)
		for (unsigned v6 = 0; v6 < 2 && client == (host == HOST_CLIENT); v6++) {
			struct ip_addr a;
			ip_addr_parse(host_address(host, v6), &a);
			set_route(d, &a, atoi(mtu));
		}
	return true;
}

static bool run_ip(struct director *d, char **words, unsigned n)
{
	unsigned i = 1;
	while (i < n && (!strcmp(words[i], "-6") || !strcmp(words[i], "-4")))
		i++;
	if (i + 2 > n)
		return false;
	if (!strcmp(words[i], "link") && !strcmp(words[i + 1], "set"))
		return run_link(d, words + i + 2, n - i - 2);
	bool add = !strcmp(words[i + 1], "add") || !strcmp(words[i + 1], "change") ||
	           !strcmp(words[i + 1], "replace");
	if (!add && strcmp(words[i + 1], "del") != 0)
		return false;
	if (!strcmp(words[i], "route") || !strcmp(words[i], "r"))
		return run_route(d, words + i + 2, n - i - 2, add);
	if (!strcmp(words[i], "addr") || !strcmp(words[i], "a"))
		return run_addr(d, words + i + 2, n - i - 2, add);
	return false;
}

// ---- all ----

static bool run(char **words, unsigned n, void *arg)
{
	struct director *d = arg;
	if (!strcmp(words[0], "ipvsadm"))
		return ipvsadm_run(d, words, n);
	if (!strcmp(words[0], "sysctl"))
		return run_sysctl(d, words, n);
	if (!strcmp(words[0], "ip"))
		return run_ip(d, words, n);
	if (!strcmp(words[0], "nft")) {
		director_misses(d, "firewall marks");
		return true;
	}
	return false;
}

bool director_command(struct director *d, const struct step *s)
{
	if (shell_run(s->text, run, d))
		return true;
	fprintf(stderr, "replay: %s:%u: this command is not understood: %s\n", d->recording->path,
	    s->line, s->text);
	return false;
}
