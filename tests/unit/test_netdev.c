// SPDX-License-Identifier: BSD-3-Clause

// Interfaces taken from the kernel, and given back: by netdev_release(), by the end of the process
// and by the next start. In namespaces of its own, with a /run of its own; needs root.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "ctl/netdev.h"
#include "net_rig.h"

// x0 is as an administrator left it: GRO on, with IPv4 and IPv6, MTU 1450. Its peer is p0.
static pid_t peer;

static int setup(void **)
{
	peer = net_peer();
	sh("ip link add x0 type veth peer name p0 netns %d", peer);
	sh("ip link set x0 mtu 1450 up && ip addr add 10.0.0.1/24 dev x0");
	sh("ip addr add fd00::1/64 dev x0 nodad && ethtool -K x0 gro on");
	sh("nsenter -t %d -n sh -c 'ip addr add 10.0.0.2/24 dev p0; ip link set p0 up'", peer);
	sh("mkdir -p /run/poise");
	return 0;
}

static int teardown(void **)
{
	sh("ip link del x0 2>/dev/null; rm -r /run/poise");
	net_peer_end(peer);
	return 0;
}

static const char *undo_files(void)
{
	return shout("ls /run/poise");
}

// The kernel answers on x0.
static bool answers(void)
{
	char line[128];
	snprintf(line, sizeof(line), "nsenter -t %d -n ping -c3 -i0.3 -W1 10.0.0.1 >/dev/null 2>&1",
	    peer);
	return system(line) == 0;
}

static unsigned long long read_number(const char *path)
{
	unsigned long long n = ~0ull;
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llx", &n), 1);
	fclose(f);
	return n;
}

static bool has_gro(void)
{
	return strstr(shout("ethtool -k x0"), "generic-receive-offload: on") != NULL;
}

static unsigned long long disable_ipv6(void)
{
	return read_number("/proc/sys/net/ipv6/conf/x0/disable_ipv6");
}

static unsigned mtu(void)
{
	struct netdev_info i;
	assert_int_equal(netdev_info("x0", &i), 0);
	return i.mtu;
}

#define ALLMULTI 0x200
#define UP       0x1

static void check_taken(unsigned expected_mtu)
{
	assert_int_equal(disable_ipv6(), 1);
	assert_false(has_gro());
	assert_int_equal(mtu(), expected_mtu);
	assert_int_equal(read_number("/sys/class/net/x0/flags") & (UP | ALLMULTI), UP | ALLMULTI);
}

// As setup() left it; addresses of IPv6 go with its being off, and are not poise's.
static void check_as_before(bool up)
{
	assert_int_equal(disable_ipv6(), 0);
	assert_true(has_gro());
	assert_int_equal(mtu(), 1450);
	assert_int_equal(read_number("/sys/class/net/x0/flags") & (UP | ALLMULTI), up ? UP : 0);
	assert_string_equal(undo_files(), "");
	assert_string_equal(shout("nft list ruleset"), "");
}

// ---- tests ----

static void test_info(void **)
{
	struct netdev_info i;
	assert_int_equal(netdev_info("none", &i), -ENODEV);
	sh("ip link set x0 address 02:00:00:00:12:34");
	assert_int_equal(netdev_info("x0", &i), 0);
	static const uint8_t mac[] = { 2, 0, 0, 0, 0x12, 0x34 };
	assert_memory_equal(i.mac, mac, sizeof(mac));
	assert_int_equal(i.mtu, 1450);
	assert_true(i.up && i.has_addresses && i.ifindex);
	sh("ip addr flush dev x0 scope global"); // a link-local one is left
	assert_non_null(strstr(shout("ip addr show x0"), "fe80::"));
	assert_int_equal(netdev_info("x0", &i), 0);
	assert_false(i.has_addresses);
	sh("ip link set x0 down");
	assert_int_equal(netdev_info("x0", &i), 0);
	assert_false(i.up);
}

static void test_claim_and_release(void **)
{
	struct netdev_claim *c;
	char error[160] = "";
	assert_true(answers());
	for (unsigned round = 0; round < 3; round++) {
		bool up = round != 1;
		unsigned want = round == 2 ? 0 : 1400; // 0: as it is
		sh("ip link set x0 %s", up ? "up" : "down");
		assert_int_equal(netdev_claim("x0", want, &c, error), 0);
		assert_string_equal(error, "");
		check_taken(want ? want : 1450);
		const char *rules = shout("nft list ruleset");
		assert_non_null(strstr(rules, "table netdev poise_x0"));
		assert_non_null(strstr(rules, "hook ingress device \"x0\""));
		assert_false(answers());
		assert_non_null(strstr(undo_files(), "-x0"));
		assert_int_equal(netdev_undo_leftovers(), 0); // it is no leftover
		check_taken(want ? want : 1450);
		netdev_release(c);
		check_as_before(up);
	}
	assert_true(answers());
	netdev_release(NULL);
}

// The data plane sees what the kernel does not.
static void test_packet_sockets_still_see(void **)
{
	struct netdev_claim *c;
	char error[160];
	assert_int_equal(netdev_claim("x0", 0, &c, error), 0);
	sh("timeout 5 tcpdump -i x0 -c 1 -nn arp >/run/seen 2>/run/tcpdump & "
	   "for i in 1 2 3 4 5 6 7 8 9; do grep -qs listening /run/tcpdump && break; sleep 0.1; "
	   "done;"
	   "nsenter -t %d -n ping -c3 -i0.3 -W1 10.0.0.1 >/dev/null; wait",
	    peer);
	assert_non_null(strstr(shout("cat /run/seen"), "who-has 10.0.0.1 tell 10.0.0.2"));
	assert_false(answers());
	netdev_release(c);
	assert_true(answers());
}

// Whoever comes second is refused, and disturbs nothing: not even what the first left in case it
// is killed.
static void test_second_claim(void **)
{
	struct netdev_claim *c, *second = NULL;
	char error[160] = "", before[256];
	assert_int_equal(netdev_claim("x0", 1400, &c, error), 0);
	snprintf(before, sizeof(before), "%s", shout("cat /run/poise/undo-*-x0"));
	assert_true(netdev_claim("x0", 1300, &second, error) < 0);
	assert_non_null(strstr(error, "x0 cannot be made exclusive"));
	assert_non_null(strstr(error, "another poised has it"));
	assert_null(second);
	check_taken(1400);
	assert_false(answers());
	assert_string_equal(shout("cat /run/poise/undo-*-x0"), before);
	netdev_release(c);
	check_as_before(true);
}

static void test_wrong_claims(void **)
{
	struct netdev_claim *c = NULL;
	char error[160] = "";
	assert_true(netdev_claim("none", 0, &c, error) < 0);
	assert_non_null(strstr(error, "none"));
	check_as_before(true);
	assert_true(netdev_claim("x0", 100000, &c, error) < 0);
	assert_non_null(strstr(error, "MTU 100000"));
	check_as_before(true);
	assert_null(c);
}

static void claim_and_die(unsigned want)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct netdev_claim *c;
		char error[160];
		_exit(netdev_claim("x0", want, &c, error) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_killed(void **)
{
	claim_and_die(1400);
	assert_string_equal(shout("nft list ruleset"), ""); // gone with the process
	check_taken(1400);
	assert_non_null(strstr(undo_files(), "-x0"));
	assert_int_equal(netdev_undo_leftovers(), 1);
	check_as_before(true);
	assert_true(answers());
	assert_int_equal(netdev_undo_leftovers(), 0);
}

// Twice killed, without an undo between: what was found first counts.
static void test_killed_twice(void **)
{
	claim_and_die(1400);
	assert_int_equal(netdev_undo_leftovers(), 1); // as every start does first
	claim_and_die(1300);
	assert_int_equal(netdev_undo_leftovers(), 1);
	check_as_before(true);
}

// Files of living processes, other namespaces, interfaces that are gone, and what is none.
static void test_other_undo_files(void **)
{
	struct stat st;
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	unsigned long long inode = st.st_ino;
	sh("echo 'pid 1\nstart 1\ndisable_ipv6 1' >/run/poise/undo-1-x0");
	sh("echo 'nonsense' >/run/poise/undo-%llu-x0", inode);
	sh("echo 'pid 1\nstart 1\nmtu 1200' >/run/poise/undo-%llu-gone0", inode);
	sh("touch /run/poise/other");
	assert_int_equal(netdev_undo_leftovers(), 0);
	assert_int_equal(disable_ipv6(), 0);
	assert_null(strstr(undo_files(), "gone0"));
	assert_non_null(strstr(undo_files(), "undo-1-x0"));
	assert_non_null(strstr(undo_files(), "other"));

	// The number of the namespace is another one's now: its x0 is not the one that was taken.
	sh("echo 'pid 1\nstart 1\ninterface 12345\nmtu 1300' >/run/poise/undo-%llu-x0", inode);
	assert_int_equal(netdev_undo_leftovers(), 0);
	assert_int_not_equal(mtu(), 1300);

	// The number of the dead process is somebody else's now.
	struct netdev_info i;
	unsigned long long interface = 0;
	assert_int_equal(netdev_info("x0", &i), 0);
	for (unsigned k = 0; k < 6; k++)
		interface = interface << 8 | i.mac[k];
	interface = interface << 16 | i.ifindex;
	sh("echo 'pid %d\nstart 1\ninterface %llu\nmtu 1200' >/run/poise/undo-%llu-x0", getpid(),
	    interface, inode);
	assert_int_equal(netdev_undo_leftovers(), 1);
	assert_int_equal(mtu(), 1200);
}

static void test_tap(void **)
{
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 0x77 };
	unsigned ifindex = 0, again;
	int fd = -1, second = -1;
	struct netdev_info i;
	assert_int_equal(netdev_tap_new("x0", mac, 1500, &fd, &ifindex), -EEXIST);
	assert_int_equal(netdev_tap_new("tap9", mac, 9000, &fd, &ifindex), 0);
	assert_int_equal(netdev_tap_new("tap9", mac, 9000, &second, &again), -EEXIST);
	assert_int_equal(netdev_info("tap9", &i), 0);
	assert_memory_equal(i.mac, mac, sizeof(mac));
	assert_int_equal(i.mtu, 9000);
	assert_int_equal(i.ifindex, ifindex);
	assert_true(i.up);

	// Whole frames without a header, in both directions, and reading does not block.
	uint8_t frame[2000];
	while (read(fd, frame, sizeof(frame)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	sh("ip addr add 10.9.0.1/24 dev tap9");
	sh("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:88 dev tap9 nud permanent");
	sh("ping -c1 -W1 10.9.0.2 >/dev/null & wait $!; true");
	static const uint8_t expected[] = { 2, 0, 0, 0, 0, 0x88, 2, 0, 0, 0, 0, 0x77, 8, 0, 0x45 };
	ssize_t n;
	while ((n = read(fd, frame, sizeof(frame))) > 0 &&
	       memcmp(frame, expected, sizeof(expected)) != 0)
		;
	assert_int_equal(n, 14 + 84);
	// What is written to it, the kernel receives.
	memcpy(frame, mac, 6);
	memcpy(frame + 6, "\x02\0\0\0\0\x88", 6);
	unsigned long before = strtoul(
	    shout("cat /sys/class/net/tap9/statistics/rx_bytes"), NULL, 10);
	assert_int_equal(write(fd, frame, n), n);
	assert_int_equal(
	    strtoul(shout("cat /sys/class/net/tap9/statistics/rx_bytes"), NULL, 10), before + n);
	close(fd);
	assert_int_equal(netdev_info("tap9", &i), -ENODEV);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_info),
		T(test_claim_and_release),
		T(test_packet_sockets_still_see),
		T(test_second_claim),
		T(test_wrong_claims),
		T(test_killed),
		T(test_killed_twice),
		T(test_other_undo_files),
		T(test_tap),
	};
	net_private();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
