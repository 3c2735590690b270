// SPDX-License-Identifier: BSD-3-Clause

#include "netdev.h"

#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/addr.h"
#include "log.h"
#include "netdev_nft.h"

#define RUN_DIR "/run/poise"

unsigned int if_nametoindex(const char *name); // <net/if.h> and <linux/if.h> exclude each other

// ---- one interface's settings ----

static int control_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int request(unsigned long what, const char *ifname, struct ifreq *r)
{
	int fd = control_socket();
	if (fd < 0)
		return -errno;
	strlcpy(r->ifr_name, ifname, IFNAMSIZ);
	int ret = ioctl(fd, what, r) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int ethtool(const char *ifname, void *command)
{
	struct ifreq r = { .ifr_data = command };
	return request(SIOCETHTOOL, ifname, &r);
}

static int ethtool_value(const char *ifname, uint32_t command, uint32_t *value)
{
	struct ethtool_value v = { .cmd = command, .data = *value };
	int ret = ethtool(ifname, &v);
	*value = v.data;
	return ret;
}

static int get_flags(const char *ifname, unsigned *flags)
{
	struct ifreq r = {};
	int ret = request(SIOCGIFFLAGS, ifname, &r);
	*flags = (unsigned short)r.ifr_flags;
	return ret;
}

static int set_flags(const char *ifname, unsigned flags)
{
	struct ifreq r = { .ifr_flags = flags };
	return request(SIOCSIFFLAGS, ifname, &r);
}

static int set_mtu(const char *ifname, unsigned mtu)
{
	struct ifreq r = { .ifr_mtu = mtu };
	return request(SIOCSIFMTU, ifname, &r);
}

static void ipv6_path(char *path, size_t size, const char *ifname, const char *key)
{
	snprintf(path, size, "/proc/sys/net/ipv6/conf/%s/%s", ifname, key);
}

// -1: there is no IPv6.
static int get_disable_ipv6(const char *ifname)
{
	char path[128];
	int value = -1;
	ipv6_path(path, sizeof(path), ifname, "disable_ipv6");
	FILE *f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%d", &value) != 1)
			value = -1;
		fclose(f);
	}
	return value;
}

static void set_ipv6(const char *ifname, const char *key, int value)
{
	char path[128];
	ipv6_path(path, sizeof(path), ifname, key);
	FILE *f = fopen(path, "we");
	if (f) {
		fprintf(f, "%d", value);
		fclose(f);
	}
}

static bool has_addresses(const char *ifname)
{
	struct ifaddrs *list, *i;
	bool found = false;
	if (getifaddrs(&list) < 0)
		return false;
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || strcmp(i->ifa_name, ifname) != 0)
			continue;
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)i->ifa_addr;
		found |= i->ifa_addr->sa_family == AF_INET ||
		         (i->ifa_addr->sa_family == AF_INET6 &&
		             !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr));
	}
	freeifaddrs(list);
	return found;
}

int netdev_info(const char *ifname, struct netdev_info *out)
{
	struct ifreq mac = {}, mtu = {};
	unsigned flags = 0;
	*out = (struct netdev_info){ .ifindex = if_nametoindex(ifname) };
	if (!out->ifindex)
		return -ENODEV;
	int ret = request(SIOCGIFHWADDR, ifname, &mac);
	if (ret == 0)
		ret = request(SIOCGIFMTU, ifname, &mtu);
	if (ret == 0)
		ret = get_flags(ifname, &flags);
	if (ret < 0)
		return ret;
	memcpy(out->mac, mac.ifr_hwaddr.sa_data, ETHER_ADDR_LEN);
	out->mtu = mtu.ifr_mtu;
	out->up = flags & IFF_UP;
	out->has_addresses = has_addresses(ifname);
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	if (ethtool(ifname, &channels) == 0)
		out->combined_channels = channels.combined_count;
	return 0;
}

// ---- claiming ----

// What was found, to be put back; -1: was not changed.
struct found {
	long disable_ipv6, gro, lro, mtu, flags;
};

struct netdev_claim {
	char ifname[IFNAMSIZ], undo_path[128];
	bool xdp;
	struct found found;
	struct mnl_socket *nft;
};

static const struct {
	const char *key;
	size_t offset;
} found_keys[] = {
	{ "disable_ipv6", offsetof(struct found, disable_ipv6) },
	{ "gro", offsetof(struct found, gro) },
	{ "lro", offsetof(struct found, lro) },
	{ "mtu", offsetof(struct found, mtu) },
	{ "flags", offsetof(struct found, flags) },
};
#define FOUND_KEYS (sizeof(found_keys) / sizeof(found_keys[0]))

static long *found_at(struct found *f, unsigned i)
{
	return (long *)((char *)f + found_keys[i].offset);
}

static void put_back(const char *ifname, const struct found *f)
{
	uint32_t value;
	unsigned flags = 0;
	if (f->gro > 0) {
		value = 1;
		ethtool_value(ifname, ETHTOOL_SGRO, &value);
	}
	if (f->lro > 0 && (value = 0, ethtool_value(ifname, ETHTOOL_GFLAGS, &value) == 0)) {
		value |= ETH_FLAG_LRO;
		ethtool_value(ifname, ETHTOOL_SFLAGS, &value);
	}
	if (f->mtu > 0)
		set_mtu(ifname, f->mtu);
	if (f->flags >= 0 && get_flags(ifname, &flags) == 0) {
		unsigned ours = IFF_UP | IFF_ALLMULTI;
		set_flags(ifname, (flags & ~ours) | (f->flags & ours));
	}
	if (f->disable_ipv6 >= 0)
		set_ipv6(ifname, "disable_ipv6", f->disable_ipv6);
}

// The start of a process, in clock ticks since boot: tells it from a later one of the same number.
static unsigned long long start_time(pid_t pid)
{
	char path[64], text[1024];
	unsigned long long start = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	char *p = strrchr(text, ')'); // the name may have anything in it
	if (p)
		sscanf(p + 1,
		    " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		    "%llu",
		    &start);
	return start;
}

static unsigned long long namespace_inode(void)
{
	struct stat st;
	return stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
}

// Numbers of namespaces are given again: an undo file is for the interface of this index and MAC.
static unsigned long long identity(const char *ifname)
{
	struct netdev_info info;
	unsigned long long id = 0;
	if (netdev_info(ifname, &info) < 0)
		return 0;
	for (unsigned i = 0; i < ETHER_ADDR_LEN; i++)
		id = id << 8 | info.mac[i];
	return id << 16 | (info.ifindex & 0xffff);
}

static int write_undo(struct netdev_claim *c)
{
	mkdir(RUN_DIR, 0755);
	snprintf(c->undo_path, sizeof(c->undo_path), RUN_DIR "/undo-%llu-%s", namespace_inode(),
	    c->ifname);
	FILE *f = fopen(c->undo_path, "we");
	if (!f)
		return -errno;
	fprintf(f, "pid %d\nstart %llu\ninterface %llu\n", getpid(), start_time(getpid()),
	    identity(c->ifname));
	for (unsigned i = 0; i < FOUND_KEYS; i++)
		fprintf(f, "%s %ld\n", found_keys[i].key, *found_at(&c->found, i));
	return fclose(f) == 0 ? 0 : -errno;
}

static void look(const char *ifname, unsigned mtu, struct found *f)
{
	uint32_t gro = 0, flags = 0;
	unsigned up;
	struct netdev_info info;
	*f = (struct found){ -1, -1, -1, -1, -1 };
	f->disable_ipv6 = get_disable_ipv6(ifname);
	if (ethtool_value(ifname, ETHTOOL_GGRO, &gro) == 0)
		f->gro = gro;
	if (ethtool_value(ifname, ETHTOOL_GFLAGS, &flags) == 0)
		f->lro = flags & ETH_FLAG_LRO ? 1 : 0;
	if (mtu && netdev_info(ifname, &info) == 0 && info.mtu != mtu)
		f->mtu = info.mtu;
	if (get_flags(ifname, &up) == 0)
		f->flags = up;
}

// A table that another socket owns is -EPERM, as is everything for who lacks the capability.
static int hook(struct netdev_claim *c, char error[static 160])
{
	int ret = nft_drop_ingress(c->ifname, &c->nft);
	if (ret < 0)
		snprintf(error, 160, "%s cannot be made exclusive (nftables ingress hook): %s",
		    c->ifname,
		    ret != -EPERM ? strerror(-ret)
		    : geteuid()   ? "not permitted, is this root?"
		                  : "another poised has it, or CAP_NET_ADMIN is missing");
	return ret;
}

static int take(struct netdev_claim *c, unsigned mtu, char error[static 160])
{
	const struct found *f = &c->found;
	uint32_t off = 0, flags = 0;
	int ret = 0;
	if (f->disable_ipv6 == 0)
		set_ipv6(c->ifname, "disable_ipv6", 1);
	if (f->gro > 0)
		ethtool_value(c->ifname, ETHTOOL_SGRO, &off);
	if (f->lro > 0 && ethtool_value(c->ifname, ETHTOOL_GFLAGS, &flags) == 0) {
		flags &= ~(uint32_t)ETH_FLAG_LRO;
		ethtool_value(c->ifname, ETHTOOL_SFLAGS, &flags);
	}
	if (f->mtu > 0 && (ret = set_mtu(c->ifname, mtu)) < 0) {
		snprintf(error, 160, "%s: MTU %u: %s", c->ifname, mtu, strerror(-ret));
		return ret;
	}
	// All multicast: the groups that the twin's kernel joins are not known to this interface.
	unsigned now;
	ret = get_flags(c->ifname, &now);
	if (ret == 0)
		ret = set_flags(c->ifname, now | IFF_UP | IFF_ALLMULTI);
	if (ret < 0)
		snprintf(error, 160, "%s: setting it up: %s", c->ifname, strerror(-ret));
	return ret;
}

int netdev_claim(
    const char *ifname, unsigned mtu, struct netdev_claim **out, char error[static 160])
{
	struct netdev_claim *c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(error, 160, "out of memory");
		return -ENOMEM;
	}
	snprintf(c->ifname, sizeof(c->ifname), "%s", ifname);
	int ret = hook(c, error); // first: when another has it, its undo file must stay
	if (ret < 0) {
		free(c);
		return ret;
	}
	look(ifname, mtu, &c->found);
	ret = write_undo(c);
	if (ret < 0) {
		snprintf(error, 160, "%s: %s", c->undo_path, strerror(-ret));
		mnl_socket_close(c->nft);
		free(c);
		return ret;
	}
	ret = take(c, mtu, error);
	if (ret < 0) {
		netdev_release(c);
		return ret;
	}
	*out = c;
	return 0;
}

// The XDP program that an AF_XDP socket loaded stays when its process is killed; and libxdp leaves
// one that it found instead of loading it.
static void detach_xdp(const char *ifname)
{
	// Without a mode the kernel looks for a program in the driver's only.
	static const uint32_t modes[] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE };
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!s)
		return;
	for (unsigned k = 0; k < 2; k++) {
		char buf[1024];
		struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
		h->nlmsg_type = RTM_SETLINK;
		h->nlmsg_flags = NLM_F_REQUEST;
		struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
		i->ifi_index = if_nametoindex(ifname);
		struct nlattr *xdp = mnl_attr_nest_start(h, IFLA_XDP);
		mnl_attr_put_u32(h, IFLA_XDP_FD, (uint32_t)-1);
		mnl_attr_put_u32(h, IFLA_XDP_FLAGS, modes[k]);
		mnl_attr_nest_end(h, xdp);
		if (i->ifi_index)
			mnl_socket_sendto(s, h, h->nlmsg_len);
	}
	mnl_socket_close(s);
}

void netdev_uses_xdp(struct netdev_claim *c)
{
	c->xdp = true;
}

void netdev_release(struct netdev_claim *c)
{
	if (!c)
		return;
	if (c->xdp)
		detach_xdp(c->ifname);
	put_back(c->ifname, &c->found);
	if (c->nft)
		mnl_socket_close(c->nft); // and with it the table
	unlink(c->undo_path);
	free(c);
}

// ---- what a killed poised left behind ----

// False: its process lives, or it cannot be read.
static bool read_undo(const char *path, struct found *out, unsigned long long *interface)
{
	char key[32];
	unsigned long long value, pid = 0, start = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	*out = (struct found){ -1, -1, -1, -1, -1 };
	*interface = 0;
	// Of a negative number %llu makes one that is negative again in the struct.
	while (fscanf(f, "%31s %llu", key, &value) == 2) {
		if (strcmp(key, "pid") == 0)
			pid = value;
		else if (strcmp(key, "start") == 0)
			start = value;
		else if (strcmp(key, "interface") == 0)
			*interface = value;
		for (unsigned i = 0; i < FOUND_KEYS; i++) {
			if (strcmp(key, found_keys[i].key) == 0)
				*found_at(out, i) = value;
		}
	}
	fclose(f);
	return pid && !(start && start_time(pid) == start);
}

int netdev_undo_leftovers(void)
{
	char prefix[64], path[300];
	int n = 0;
	DIR *dir = opendir(RUN_DIR);
	if (!dir)
		return 0;
	snprintf(prefix, sizeof(prefix), "undo-%llu-", namespace_inode());
	const struct dirent *e;
	while ((e = readdir(dir))) {
		struct found f;
		unsigned long long interface;
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof(path), RUN_DIR "/%s", e->d_name);
		if (!read_undo(path, &f, &interface))
			continue;
		const char *ifname = e->d_name + strlen(prefix);
		if (interface && interface == identity(ifname)) {
			detach_xdp(ifname);
			put_back(ifname, &f);
			n++;
		}
		unlink(path);
	}
	closedir(dir);
	return n;
}

// ---- twins ----

int netdev_tap_new(
    const char *ifname, const uint8_t mac[ETHER_ADDR_LEN], unsigned mtu, int *fd, unsigned *ifindex)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL };
	struct ifreq address = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	if (if_nametoindex(ifname))
		return -EEXIST;
	int f = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (f < 0)
		return -errno;
	strlcpy(r.ifr_name, ifname, IFNAMSIZ);
	int ret = ioctl(f, TUNSETIFF, &r) < 0 ? -errno : 0;
	if (ret == -EBUSY)
		ret = -EEXIST;
	memcpy(address.ifr_hwaddr.sa_data, mac, ETHER_ADDR_LEN);
	if (ret == 0)
		ret = request(SIOCSIFHWADDR, ifname, &address);
	if (ret == 0)
		ret = set_mtu(ifname, mtu);
	if (ret == 0) {
		// Ready at once: its address is the port's, which is nobody else's.
		set_ipv6(ifname, "accept_dad", 0);
		set_ipv6(ifname, "router_solicitations", 0);
		ret = set_flags(ifname, IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST);
	}
	if (ret < 0) {
		close(f);
		return ret;
	}
	*fd = f;
	*ifindex = if_nametoindex(ifname);
	return 0;
}
