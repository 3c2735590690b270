// SPDX-License-Identifier: BSD-3-Clause

// The kernel mirror against the kernel: this namespace has two twins (veth), behind them are the
// hosts of the other one. Needs root.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mirror_rig.h"

static void test_kinds_of_hops(void **state)
{
	static const struct {
		const char *to, *answer;
	} hops[] = {
		{ "10.0.0.2", "reachable port 0 mac " MAC_A " via - mtu 0 from 10.0.0.1" },
		{ "10.0.1.2", "reachable port 1 mac " MAC_B " via - mtu 0 from 10.0.1.1" },
		{ "fd00:1::2", "reachable port 1 mac " MAC_B " via - mtu 0 from fd00:1::1" },
		{ "172.16.0.9",
		    "reachable port 1 mac " MAC_B " via 10.0.1.254 mtu 0 from 10.0.1.1" },
		{ "172.17.0.9",
		    "reachable port 1 mac " MAC_B " via 10.0.1.254 mtu 1280 from 10.0.1.1" },
		{ "fd99::9", "reachable port 0 mac " MAC_A " via fd00::2 mtu 0 from fd00::1" },
		{ "8.8.8.8", "reachable port 0 mac " MAC_A " via 10.0.0.254 mtu 0 from 10.0.0.1" },
		{ "10.0.0.77", "failed port 0 mac - via - mtu 0 from 10.0.0.1" },
		{ "10.0.0.1", "local port -1 mac - via - mtu 0 from -" },
		{ "fd00:1::1", "local port -1 mac - via - mtu 0 from -" },
		{ "127.0.0.1", "local port -1 mac - via - mtu 0 from -" },
		{ "10.66.0.1", "no route port -1 mac - via - mtu 0 from -" },
		{ "10.67.0.1", "no route port -1 mac - via - mtu 0 from -" }, // by no twin
	};
	enum { N = sizeof(hops) / sizeof(hops[0]) };
	struct rig *r = *state;
	struct watch w[N];
	sh("ip route add 172.16.0.0/16 via 10.0.1.254");
	sh("ip route add 172.17.0.0/16 via 10.0.1.254 mtu 1280");
	sh("ip route add default via 10.0.0.254");
	sh("ip route add unreachable 10.66.0.0/16");
	sh("ip link add tw9 type veth peer name p9 && ip link set tw9 up && ip route add "
	   "10.67.0.0/16 dev tw9");
	sh("ip -6 route add fd99::/16 via fd00:0::2");
	for (unsigned i = 0; i < N; i++)
		watch(r, &w[i], hops[i].to);
	for (unsigned i = 0; i < N; i++)
		becomes(r, &w[i], 5, hops[i].answer);
}

// The same address twice is one hop; the managed neighbour goes with its last user.
static void test_references(void **state)
{
	struct rig *r = *state;
	struct watch w, second = {};
	watch(r, &w, "10.0.0.2");
	struct ip_addr a = addr("10.0.0.2");
	assert_int_equal(mirror_hop_new(r->m, &a, on_answer, &second, &second.hop), 0);
	assert_ptr_equal(second.hop, w.hop);
	assert_int_equal(mirror_hop_refs(w.hop), 2);
	until(r, 5, w.a.state == HOP_REACHABLE);
	assert_int_equal(second.calls, 0);
	assert_non_null(strstr(shout("ip neigh show 10.0.0.2 dev tw0"), "managed"));
	mirror_hop_unref(w.hop);
	assert_int_equal(mirror_hop_refs(w.hop), 1);
	assert_non_null(strstr(shout("ip neigh show 10.0.0.2 dev tw0"), "managed"));
	mirror_hop_unref(w.hop);
	assert_null(strstr(shout("ip neigh show 10.0.0.2 dev tw0"), "managed"));
}

// A server that changes its MAC without a word is followed within a second. The best of three
// counts, since the machine may be busy; each has to come at all.
static void test_mac_change(void **state)
{
	struct rig *r = *state;
	struct watch w, v6;
	double best[2] = { 9, 9 };
	watch(r, &w, "10.0.0.2");
	watch(r, &v6, "fd00:0::2");
	becomes(r, &w, 5, "reachable port 0 mac " MAC_A " via - mtu 0 from 10.0.0.1");
	becomes(r, &v6, 5, "reachable port 0 mac " MAC_A " via - mtu 0 from fd00::1");
	in_peer(r, "sh -c 'echo 0 >/proc/sys/net/ipv4/conf/p0/arp_notify'");
	for (unsigned i = 0; i < 6; i++) {
		struct watch *one = i % 2 ? &v6 : &w;
		char expected[128];
		snprintf(expected, sizeof(expected),
		    "reachable port 0 mac 02:00:00:00:00:c%u via - mtu 0 from %s", i,
		    i % 2 ? "fd00::1" : "10.0.0.1");
		run(r, 0.3); // at any moment of the neighbour's life
		in_peer(r, "ip link set p0 address 02:00:00:00:00:c%u", i);
		double begin = now();
		becomes(r, one, 5, expected);
		double took = now() - begin;
		best[i % 2] = took < best[i % 2] ? took : best[i % 2];
	}
	print_message("IPv4 after %.2f s, IPv6 after %.2f s\n", best[0], best[1]);
	assert_true(best[0] < 1 && best[1] < 1);
}

// A server that falls silent fails, and comes back by itself.
static void test_silent_neighbour(void **state)
{
	struct rig *r = *state;
	struct watch w;
	watch(r, &w, "10.0.0.2");
	until(r, 5, w.a.state == HOP_REACHABLE);
	in_peer(r, "ip addr del 10.0.0.2/24 dev p0");
	until(r, 10, w.a.state == HOP_FAILED);
	assert_false(w.a.has_mac);
	in_peer(r, "ip addr add 10.0.0.2/24 dev p0");
	until(r, 5, w.a.state == HOP_REACHABLE);
	sh("ip neigh del 10.0.0.2 dev tw0"); // somebody tidies up
	until(r, 5, w.a.state != HOP_REACHABLE);
	until(r, 5, w.a.state == HOP_REACHABLE);
}

// A MAC that the administrator has set for good is taken, and stays set.
static void test_permanent_neighbour(void **state)
{
	struct rig *r = *state;
	struct watch w, later;
	sh("ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:50 nud permanent dev tw0");
	watch(r, &w, "10.0.0.2");
	watch(r, &later, "10.0.1.2");
	becomes(r, &w, 5, "reachable port 0 mac 02:00:00:00:00:50 via - mtu 0 from 10.0.0.1");
	becomes(r, &later, 5, "reachable port 1 mac " MAC_B " via - mtu 0 from 10.0.1.1");
	sh("ip neigh replace 10.0.1.2 lladdr 02:00:00:00:00:51 nud permanent dev tw1");
	becomes(r, &later, 5, "reachable port 1 mac 02:00:00:00:00:51 via - mtu 0 from 10.0.1.1");
	run(r, 1);
	assert_non_null(strstr(shout("ip neigh show 10.0.0.2"), "00:50 PERMANENT"));
	assert_non_null(strstr(shout("ip neigh show 10.0.1.2"), "00:51 PERMANENT"));
	mirror_hop_unref(w.hop);
	mirror_hop_unref(later.hop);
	assert_non_null(strstr(shout("ip neigh show 10.0.0.2"), "00:50 PERMANENT"));
	assert_non_null(strstr(shout("ip neigh show 10.0.1.2"), "00:51 PERMANENT"));
}

static void test_route_changes(void **state)
{
	struct rig *r = *state;
	enum { N = 600 }; // more than are asked for in one turn
	static struct watch w[N];
	for (unsigned i = 0; i < N; i++) {
		char to[32];
		snprintf(to, sizeof(to), "172.16.%u.%u", i / 200, i % 200 + 1);
		watch(r, &w[i], to);
		assert_int_equal(mirror_hop_answer(w[i].hop)->state, HOP_NO_ROUTE);
	}
	static const struct {
		const char *command, *answer;
	} steps[] = {
		{ "ip route add 172.16.0.0/16 via 10.0.0.254",
		    "reachable port 0 mac " MAC_A " via 10.0.0.254 mtu 0 from 10.0.0.1" },
		{ "ip route replace 172.16.0.0/16 via 10.0.1.254",
		    "reachable port 1 mac " MAC_B " via 10.0.1.254 mtu 0 from 10.0.1.1" },
		{ "ip route replace 172.16.0.0/16 via 10.0.1.254 mtu 1300",
		    "reachable port 1 mac " MAC_B " via 10.0.1.254 mtu 1300 from 10.0.1.1" },
		{ "ip route add unreachable 172.16.0.0/17",
		    "no route port -1 mac - via - mtu 0 from -" },
		{ "ip route del unreachable 172.16.0.0/17",
		    "reachable port 1 mac " MAC_B " via 10.0.1.254 mtu 1300 from 10.0.1.1" },
		{ "ip link del tw1", "no route port -1 mac - via - mtu 0 from -" },
	};
	for (unsigned s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		sh("%s", steps[s].command);
		for (unsigned i = 0; i < N; i++)
			becomes(r, &w[i], 5, steps[s].answer);
	}
}

// An address that becomes the host's own, and ceases to be.
static void test_local_comes_and_goes(void **state)
{
	struct rig *r = *state;
	struct watch w;
	struct ip_addr a = addr("10.0.0.2");
	watch(r, &w, "10.0.0.2");
	until(r, 5, w.a.state == HOP_REACHABLE);
	assert_false(mirror_is_local(r->m, &a));
	sh("ip addr add 10.0.0.2/32 dev tw1");
	until(r, 5, w.a.state == HOP_LOCAL);
	assert_true(mirror_is_local(r->m, &a));
	sh("ip addr del 10.0.0.2/32 dev tw1");
	until(r, 5, w.a.state == HOP_REACHABLE);
	assert_int_equal(w.a.port, 0);
}

// ---- twins, networks, what was made ----

static void test_port_of(void **state)
{
	struct rig *r = *state;
	struct ip_addr a = addr("10.0.1.200"), b = addr("192.0.2.7"), c = addr("fd00:1::ffff");
	assert_int_equal(mirror_port_of(r->m, &a), 1);
	assert_int_equal(mirror_port_of(r->m, &b), -1);
	assert_int_equal(mirror_port_of(r->m, &c), 1);
	sh("ip addr add 192.0.2.1/24 dev tw0");
	until(r, 5, mirror_port_of(r->m, &b) == 0);
	sh("ip addr del 192.0.2.1/24 dev tw0");
	until(r, 5, mirror_port_of(r->m, &b) == -1);
	assert_int_equal(mirror_add_twin(r->m, 2, 9999), -ENXIO);
	assert_int_equal(mirror_add_twin(r->m, -1, r->ifindex[0]), -EINVAL);
	assert_int_equal(mirror_add_twin(r->m, 16, r->ifindex[0]), -EINVAL);
}

// What was there before stays; what was made is taken back, at the latest by the end.
static void test_made_is_undone(void **state)
{
	struct rig *r = *state;
	struct ip_prefix own = prefix("10.0.0.1/24"), one = prefix("192.0.2.10/32"),
	                 six = prefix("fd00:10::10/128"), net = prefix("198.51.100.1/24"),
	                 to = prefix("172.20.0.0/16"), other = prefix("172.21.0.0/16");
	struct ip_addr via = addr("10.0.0.254"), far = addr("203.0.113.1");
	sh("ip route add 172.21.0.0/16 via 10.0.0.254");
	for (unsigned twice = 0; twice < 2; twice++) {
		assert_int_equal(mirror_address_add(r->m, r->ifindex[0], &own), 0);
		assert_int_equal(mirror_address_add(r->m, r->ifindex[0], &one), 0);
		assert_int_equal(mirror_address_add(r->m, r->ifindex[0], &six), 0);
		assert_int_equal(mirror_address_add(r->m, r->ifindex[1], &net), 0);
		assert_int_equal(mirror_route_add(r->m, &to, &via), 0);
	}
	assert_int_equal(mirror_route_add(r->m, &other, &far), -ENETUNREACH);
	assert_non_null(strstr(shout("ip addr show tw0"), "192.0.2.10/32"));
	assert_non_null(strstr(shout("ip addr show tw0"), "fd00:10::10/128"));
	assert_int_equal(mirror_port_of(r->m, &net.addr), 1);
	assert_non_null(strstr(shout("ip route"), "172.20.0.0/16 via 10.0.0.254 dev tw0"));

	assert_int_equal(mirror_address_del(r->m, r->ifindex[0], &one), 0);
	assert_int_equal(mirror_address_del(r->m, r->ifindex[0], &own), 0);
	assert_int_equal(mirror_route_del(r->m, &other, &via), 0);
	assert_null(strstr(shout("ip addr show tw0"), "192.0.2.10"));
	assert_non_null(strstr(shout("ip addr show tw0"), "10.0.0.1/24"));
	assert_non_null(strstr(shout("ip route"), "172.21.0.0/16"));
	sh("ip addr del 198.51.100.1/24 dev tw1"); // taken away behind its back

	struct watch w;
	watch(r, &w, "10.0.0.2");
	mirror_free(r->m);
	r->m = NULL;
	assert_null(strstr(shout("ip addr"), "fd00:10::10"));
	assert_null(strstr(shout("ip route"), "172.20.0.0/16"));
	assert_non_null(strstr(shout("ip route"), "172.21.0.0/16"));
	assert_non_null(strstr(shout("ip addr show tw0"), "10.0.0.1/24"));
	assert_string_equal(shout("ip neigh show | grep managed"), "");
}

// More happens than the socket's buffer takes: everything is read again.
static void test_lost_events(void **state)
{
	struct rig *r = *state;
	struct watch route, mac, gone, away;
	struct ip_addr b = addr("192.0.2.7");
	watch(r, &route, "172.16.0.9");
	watch(r, &mac, "10.0.0.2");
	watch(r, &gone, "10.0.1.2");
	watch(r, &away, "10.0.1.254");
	until(r, 5, mac.a.has_mac && gone.a.has_mac && away.a.has_mac);
	run(r, 0.1);
	sh("for i in $(seq 0 19999); do echo route add blackhole 100.64.$((i / 250)).$((i %% 250))"
	   "; done >/run/batch; ip -batch /run/batch");
	sh("ip route add 172.16.0.0/16 via 10.0.1.254");
	sh("ip addr add 192.0.2.1/24 dev tw0");
	sh("ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:0d nud permanent dev tw0");
	in_peer(r, "ip addr del 10.0.1.2/24 dev p1"); // and with the first all of that network
	in_peer(r, "ip addr add 10.0.1.254/24 dev p1");
	sh("ip neigh del 10.0.1.2 dev tw1");
	sh("ip neigh del 10.0.1.254 dev tw1");
	becomes(r, &route, 5, "reachable port 1 mac " MAC_B " via 10.0.1.254 mtu 0 from 10.0.1.1");
	becomes(r, &mac, 5, "reachable port 0 mac 02:00:00:00:00:0d via - mtu 0 from 10.0.0.1");
	until(r, 5, mirror_port_of(r->m, &b) == 0);
	until(r, 10, mirror_hop_answer(gone.hop)->state == HOP_FAILED);
	until(r, 5, mirror_hop_answer(away.hop)->state == HOP_REACHABLE);
	assert_non_null(strstr(shout("ip neigh show 10.0.1.254 dev tw1"), "managed"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_kinds_of_hops),
		T(test_references),
		T(test_mac_change),
		T(test_silent_neighbour),
		T(test_permanent_neighbour),
		T(test_route_changes),
		T(test_local_comes_and_goes),
		T(test_port_of),
		T(test_made_is_undone),
		T(test_lost_events),
	};
	net_private();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
