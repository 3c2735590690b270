// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A namespace with two twins (veth), behind which are the hosts of another namespace; a kernel
// mirror of it, and the answers it gives.

#include <errno.h>
#include <event2/event.h>
#include <net/if.h>
#include <time.h>

#include "ctl/mirror.h"
#include "net_rig.h"

#define MAC_A "02:00:00:00:00:0a" // of the peer, behind each twin
#define MAC_B "02:00:00:00:00:0b"

struct rig {
	pid_t peer;
	struct event_base *base;
	struct event *tick;
	struct mirror *m;
	unsigned ifindex[2];
};

static inline double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static inline void on_tick(evutil_socket_t, short, void *)
{
}

#define until(r, s, condition) \
	do { \
		double until_ = now() + (s); \
		while (!(condition)) { \
			if (now() > until_) \
				fail_msg("not within %d s: %s", (int)(s), #condition); \
			event_base_loop((r)->base, EVLOOP_ONCE); \
		} \
	} while (0)

static inline void run(struct rig *r, double s)
{
	for (double end = now() + s; now() < end;)
		event_base_loop(r->base, EVLOOP_ONCE);
}

#define in_peer(r, format, ...) sh("nsenter -t %d -n " format, (r)->peer __VA_OPT__(, ) __VA_ARGS__)

static inline int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	r->peer = net_peer();
	for (int i = 0; i < 2; i++) {
		sh("ip link add tw%d type veth peer name p%d netns %d", i, i, r->peer);
		sh("ip addr add 10.0.%d.1/24 dev tw%d && ip addr add fd00:%d::1/64 dev tw%d nodad",
		    i, i, i, i);
		sh("ip link set tw%d up", i);
		in_peer(r, "ip link set p%d address %s up", i, i ? MAC_B : MAC_A);
		in_peer(r, "ip addr add 10.0.%d.2/24 dev p%d", i, i);
		in_peer(r, "ip addr add 10.0.%d.254/24 dev p%d", i, i);
		in_peer(r, "ip addr add fd00:%d::2/64 dev p%d nodad", i, i);
	}
	r->base = event_base_new();
	r->tick = event_new(r->base, -1, EV_PERSIST, on_tick, NULL);
	event_add(r->tick, &(struct timeval){ .tv_usec = 5000 });
	assert_int_equal(mirror_new(r->base, &r->m), 0);
	for (int i = 0; i < 2; i++) {
		char name[8];
		snprintf(name, sizeof(name), "tw%d", i);
		r->ifindex[i] = if_nametoindex(name);
		assert_int_equal(mirror_add_twin(r->m, i, r->ifindex[i]), 0);
	}
	*state = r;
	return 0;
}

static inline int teardown(void **state)
{
	struct rig *r = *state;
	mirror_free(r->m);
	event_free(r->tick);
	event_base_free(r->base);
	net_peer_end(r->peer);
	// The namespace of the peer, and the veth pairs with it, go a moment later.
	if (system("ip link del tw0 2>/dev/null; ip link del tw1 2>/dev/null; ip link del tw9 "
	           "2>/dev/null; true"))
		return -1;
	free(r);
	return 0;
}

// ---- hops ----

struct watch { // what the callback was told
	struct mirror_hop *hop;
	struct mirror_answer a;
	unsigned calls;
};

static inline void on_answer(struct mirror_hop *hop, const struct mirror_answer *a, void *arg)
{
	struct watch *w = arg;
	assert_true(!w->hop || w->hop == hop);
	assert_ptr_equal(a, mirror_hop_answer(hop));
	w->a = *a;
	w->calls++;
}

static inline struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(text, &a), 0);
	return a;
}

static inline struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static inline void watch(struct rig *r, struct watch *w, const char *to)
{
	*w = (struct watch){ .a.port = -1 };
	struct ip_addr a = addr(to);
	assert_int_equal(mirror_hop_new(r->m, &a, on_answer, w, &w->hop), 0);
	assert_true(ip_addr_equal(mirror_hop_address(w->hop), &a));
}

static inline const char *printed(const struct mirror_answer *a)
{
	static char text[256];
	char via[ADDR_TEXT_MAX] = "-", source[ADDR_TEXT_MAX] = "-", mac[32] = "-";
	if (a->via.family)
		ip_addr_print(&a->via, via);
	if (a->source.family)
		ip_addr_print(&a->source, source);
	if (a->has_mac)
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", a->mac[0], a->mac[1],
		    a->mac[2], a->mac[3], a->mac[4], a->mac[5]);
	snprintf(text, sizeof(text), "%s port %d mac %s via %s mtu %u from %s",
	    mirror_hop_state_name(a->state), a->port, mac, via, a->mtu, source);
	return text;
}

// The answer becomes this one.
static inline void becomes(struct rig *r, const struct watch *w, double s, const char *expected)
{
	for (double end = now() + s; strcmp(printed(mirror_hop_answer(w->hop)), expected) != 0;) {
		if (now() > end)
			fail_msg("%s, not %s", printed(mirror_hop_answer(w->hop)), expected);
		event_base_loop(r->base, EVLOOP_ONCE);
	}
	if (w->calls)
		assert_string_equal(printed(&w->a), expected);
}
