// SPDX-License-Identifier: BSD-3-Clause

// A laboratory with the recordings' topology: lab0 towards the client, lab1 towards the real
// servers, and behind each a host with the stack of a kernel.

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/addr.h"
#include "dataplane/drops.h"
#include "replay.h"
#include "replay_play.h"

#define ETHER          14
#define ROUND_MAX      64 // frames come to rest long before
#define QUIET_FROM     7000
#define QUIET_TO       7100
#define TIME_EXCEEDED  11
#define TIME_EXCEEDED6 3
#define UNREACHABLE    3
#define CODE_TOO_BIG   4
#define TOO_BIG6       2

// ---- frames ----

static size_t frame_of(uint8_t *frame, const struct gram *p, const uint8_t *dst, const uint8_t *src)
{
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	put16(frame + 12, p->data[0] >> 4 == 6 ? 0x86dd : 0x0800);
	memcpy(frame + ETHER, p->data, p->bytes);
	return ETHER + p->bytes;
}

static void mac_of_port(unsigned port, uint8_t mac[static 6])
{
	memcpy(mac, (uint8_t[]){ 2, 0, 0, 0, 0, port + 1 }, 6);
}

static void mac_of_host(unsigned host, uint8_t mac[static 6])
{
	uint16_t id = host_mac_id(host);
	memcpy(mac, (uint8_t[]){ 2, 0, 0, 0, id >> 8, id }, 6);
}

static void host_sends(struct player *pl, unsigned host, const struct gram *p)
{
	uint8_t frame[ETHER + FRAME_ROOM], dst[6], src[6];
	if (p->bytes > FRAME_ROOM)
		return;
	mac_of_port(port_of(host), dst);
	mac_of_host(host, src);
	lab_send(pl->lab, port_of(host), 0, frame, frame_of(frame, p, dst, src));
}

// ---- hosts ----

// The recordings' hosts drop what the crafted packets are about before their stacks see it. What
// else they dropped is not in a recording, but that they answered is: then more arrives.
static bool host_is_quiet(const struct player *pl, const struct gram *p)
{
	struct headers h;
	if (pl->arrived >= pl->expecting || !headers_read(p->data, p->bytes, &h))
		return true;
	const uint8_t *l4 = p->data + h.l3_bytes;
	if (h.protocol == IPPROTO_IPIP || h.protocol == IPPROTO_IPV6 || h.protocol == IPPROTO_GRE ||
	    h.protocol == IPPROTO_SCTP)
		return true;
	if ((h.protocol != IPPROTO_TCP && h.protocol != IPPROTO_UDP) || h.total < h.l3_bytes + 4)
		return false;
	uint16_t sport = get16(l4), dport = get16(l4 + 2);
	return (sport >= QUIET_FROM && sport <= QUIET_TO) ||
	       (dport >= QUIET_FROM && dport <= QUIET_TO) ||
	       (h.protocol == IPPROTO_UDP && dport == 6080);
}

static struct ip_addr address_at(const uint8_t *at, bool v6)
{
	struct ip_addr a = { .family = v6 ? AF_INET6 : AF_INET };
	memcpy(a.bytes, at, v6 ? 16 : 4);
	return a;
}

static bool host_has(unsigned host, const struct headers *h)
{
	struct ip_addr dst = address_at(h->dst, h->v6), own, vip;
	ip_addr_parse(host_address(host, h->v6), &own);
	ip_addr_parse(h->v6 ? "2001:db8::100" : "10.0.0.100", &vip);
	return host == HOST_CLIENT || ip_addr_equal(&dst, &own) || ip_addr_equal(&dst, &vip);
}

struct gram *receive(struct player *pl, struct pieces *ps, struct gram *p)
{
	p = pieces_add(ps, p);
	return p ? tunnel_add(ps, p, pl->director.gue_ports, pl->director.n_gue_ports) : NULL;
}

static void host_receives(struct player *pl, unsigned host, struct gram *p)
{
	struct headers h;
	p->host = host;
	pl->arrived++;
	p = receive(pl, pl->receivers[host], p);
	if (!p)
		return;
	p->host = host;
	TAILQ_INSERT_TAIL(&pl->got, p, entry);
	if (host_is_quiet(pl, p) || !headers_read(p->data, p->bytes, &h) || !host_has(host, &h))
		return;
	struct gram *answer = stack_answer(p->data, p->bytes);
	if (answer)
		host_sends(pl, host, answer);
	gram_free(answer);
}

// A frame that left by a port. What is not for the MAC address of a host is a mismatch.
static void frame_arrives(struct player *pl, unsigned port, const uint8_t *frame, size_t bytes)
{
	uint8_t mac[6];
	mac_of_port(port, mac);
	struct gram *p = gram_new(frame + ETHER, bytes - ETHER);
	if (memcmp(frame + 6, mac, 6) == 0) {
		for (unsigned host = 0; host < HOST_COUNT; host++) {
			mac_of_host(host, mac);
			if (port_of(host) == port && memcmp(frame, mac, 6) == 0) {
				host_receives(pl, host, p);
				return;
			}
		}
	}
	p->host = HOST_NONE;
	TAILQ_INSERT_TAIL(&pl->got, p, entry);
}

// ---- the director's kernel ----

static void kernel_sends(struct player *pl, const struct gram *p)
{
	uint8_t frame[ETHER + FRAME_ROOM], dst[6], src[6];
	struct headers h;
	if (p->bytes > FRAME_ROOM || !headers_read(p->data, p->bytes, &h))
		return;
	struct ip_addr to = address_at(h.dst, h.v6);
	unsigned port = port_towards(&to), host = port == 0 ? HOST_CLIENT : HOST_NONE;
	for (unsigned rs = HOST_RS1; port == 1 && rs < HOST_COUNT; rs++) {
		struct ip_addr a;
		ip_addr_parse(host_address(rs, h.v6), &a);
		if (ip_addr_equal(&a, &to))
			host = rs;
	}
	if (host == HOST_NONE) // nobody answers ARP
		return;
	mac_of_host(host, dst);
	mac_of_port(port, src);
	lab_inject(pl->lab, port, frame, frame_of(frame, p, dst, src));
}

static void kernel_forwards(struct player *pl, const struct gram *p, const struct headers *h)
{
	struct ip_addr to = address_at(h->dst, h->v6), from = address_at(h->src, h->v6);
	struct ip_addr own = own_towards(&from);
	uint16_t mtu = director_mtu(&pl->director, &to);
	struct gram *out;
	if (p->data[h->v6 ? 7 : 8] <= 1) {
		out = icmp_error(
		    p->data, p->bytes, own.bytes, h->v6 ? TIME_EXCEEDED6 : TIME_EXCEEDED, 0, 0);
	} else if (h->total > mtu && (h->v6 || get16(p->data + 6) & 0x4000)) {
		out = icmp_error(p->data, p->bytes, own.bytes, h->v6 ? TOO_BIG6 : UNREACHABLE,
		    h->v6 ? 0 : CODE_TOO_BIG, mtu);
	} else {
		out = gram_new(p->data, h->total);
		out->data[h->v6 ? 7 : 8]--;
		if (!h->v6)
			ipv4_checksum_set(out->data);
	}
	if (out)
		kernel_sends(pl, out);
	gram_free(out);
}

static void kernel_receives(struct player *pl, const uint8_t *frame, size_t bytes)
{
	uint16_t type = get16(frame + 12);
	struct headers h;
	struct gram *p = gram_new(frame + ETHER, bytes - ETHER);
	if ((type != 0x0800 && type != 0x86dd) || !headers_read(p->data, p->bytes, &h) ||
	    (!h.v6 && !ipv4_checksum_good(p->data))) {
		gram_free(p);
		return;
	}
	struct ip_addr to = address_at(h.dst, h.v6);
	if (director_owns(&pl->director, &to)) {
		p = pieces_add(pl->kernel, p);
		struct gram *answer = p ? stack_answer(p->data, p->bytes) : NULL;
		if (answer)
			kernel_sends(pl, answer);
		gram_free(answer);
	} else {
		kernel_forwards(pl, p, &h);
	}
	gram_free(p);
}

// Until nothing moves any more.
static void let_it_run(struct player *pl)
{
	static uint8_t frame[FRAME_ROOM + ETHER];
	for (unsigned round = 0, moved = 1; moved && round < ROUND_MAX; round++) {
		size_t n;
		moved = 0;
		lab_run(pl->lab);
		for (unsigned port = 0; port < 2; port++) {
			while ((n = lab_receive(pl->lab, port, frame, sizeof(frame))) > ETHER) {
				moved++;
				frame_arrives(pl, port, frame, n);
			}
			while ((n = lab_punted(pl->lab, port, frame, sizeof(frame))) > ETHER) {
				moved++;
				pl->punted++;
				kernel_receives(pl, frame, n);
			}
		}
	}
}

// ---- what the sender's kernel does ----

// The id that a raw socket gave to a packet sent without one: it is in what came of the packet.
static uint16_t id_given(const uint8_t *data, size_t bytes, const struct gram *sent)
{
	struct headers h;
	if (!headers_read(data, bytes, &h))
		return 0;
	size_t n = h.total - h.l3_bytes, at = h.l3_bytes;
	if (!h.v6 && h.protocol == sent->data[9] && !memcmp(h.src, sent->data + 12, 4))
		return get16(data + 4);
	if (h.protocol == IPPROTO_GRE && n > 4)
		at += data[at] & 0x80 ? 8 : 4;
	else if (h.protocol == IPPROTO_UDP && n > 12)
		at += 8 + (data[at + 8] & 31) * 4 + 4;
	else if (h.protocol == IPPROTO_ICMP || h.protocol == IPPROTO_ICMPV6)
		at += 8;
	else if (h.protocol != IPPROTO_IPIP && h.protocol != IPPROTO_IPV6)
		return 0;
	return at < h.total ? id_given(data + at, h.total - at, sent) : 0;
}

static void raw_socket(struct step *s)
{
	struct gram *p = s->sent;
	if (p->bytes < 20 || p->data[0] >> 4 != 4)
		return;
	uint16_t id = get16(p->data + 4);
	const struct gram *e;
	TAILQ_FOREACH(e, &s->expected, entry) {
		const char *text = e->bytes ? NULL : strstr(e->text, " id=");
		if (!id)
			id = text ? strtoul(text + 4, NULL, 16) : id_given(e->data, e->bytes, p);
	}
	put16(p->data + 2, p->bytes);
	put16(p->data + 4, id ?: 0x4243);
	if ((p->data[0] & 15) >= 5 && (size_t)(p->data[0] & 15) * 4 <= p->bytes)
		ipv4_checksum_set(p->data);
}

static bool make_sent(struct player *pl, struct step *s)
{
	if (s->sent->bytes)
		return true;
	struct gram *p = gram_from_text(s->text, pl->director.last_port);
	if (!p) {
		fprintf(stderr, "replay: %s:%u: this description does not say enough: %s\n",
		    pl->recording->path, s->line, s->text);
		return false;
	}
	p->host = s->sent->host;
	gram_free(s->sent);
	s->sent = p;
	return true;
}

// ---- steps ----

static void pass_until(struct player *pl, uint64_t t_ms)
{
	if (t_ms > pl->t_ms) {
		uint64_t ticks = t_ms / 10 - pl->t_ms / 10;
		lab_pass(pl->lab, ticks);
		lab_run(pl->lab);
	}
	pl->t_ms = t_ms;
}

// Real servers hold the virtual address as well: what they send to it does not leave them.
static bool stays(const struct gram *sent)
{
	struct headers h;
	return sent->host != HOST_CLIENT && headers_read(sent->data, sent->bytes, &h) &&
	       host_has(sent->host, &h);
}

static bool play_send(struct player *pl, struct step *s)
{
	const struct gram *e;
	if (!make_sent(pl, s))
		return false;
	raw_socket(s);
	for (unsigned r = 0; r < DROP_REASON_COUNT; r++)
		pl->drops[r] = lab_drops(pl->lab, r);
	pl->punted = pl->arrived = pl->expecting = 0;
	TAILQ_FOREACH(e, &s->expected, entry)
		pl->expecting++;
	if (!s->failed && !stays(s->sent))
		host_sends(pl, s->sent->host, s->sent);
	let_it_run(pl);
	return judge(pl, s);
}

static bool play_step(struct player *pl, struct step *s)
{
	// The preparations have a clock of their own: back to 0 is a new beginning.
	if (s->t_ms + 500 < pl->t_ms)
		pl->t_ms = s->t_ms;
	pass_until(pl, s->t_ms > pl->t_ms ? s->t_ms : pl->t_ms);
	switch (s->kind) {
	case STEP_COMMAND:
		return director_command(&pl->director, s);
	case STEP_SLEEP:
		pass_until(pl, pl->t_ms + s->sleep_ms);
		return true;
	case STEP_SEND:
		return play_send(pl, s);
	}
	return false;
}

static void set_up(struct player *pl, const struct recording *r)
{
	pl->recording = r;
	pl->lab = lab_new(&(struct lab_options){ .ports = 2 });
	pl->director.lab = pl->lab;
	pl->director.recording = r;
	pl->director.verdict = &pl->verdict;
	director_init(&pl->director);
	TAILQ_INIT(&pl->got);
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		pl->receivers[i] = pieces_new();
		pl->expected[i] = pieces_new();
	}
	pl->kernel = pieces_new();
}

static void tear_down(struct player *pl)
{
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		pieces_free(pl->receivers[i]);
		pieces_free(pl->expected[i]);
	}
	pieces_free(pl->kernel);
	grams_free(&pl->got);
	if (!lab_books_balance(pl->lab))
		pl->verdict.broken = true;
	if (!lab_free(pl->lab))
		pl->verdict.broken = true;
}

bool play(const struct recording *r, struct verdict *out)
{
	struct player *pl = calloc(1, sizeof(*pl));
	struct step *s;
	bool good = true;
	if (!pl)
		abort();
	set_up(pl, r);
	TAILQ_FOREACH(s, &r->steps, entry)
		if (!play_step(pl, s)) {
			good = false;
			break;
		}
	tear_down(pl);
	*out = pl->verdict;
	out->name = r->name;
	free(pl);
	return good;
}
