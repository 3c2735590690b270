// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The configuration file: JSON text to plain C structs and back.
//
// A `struct conf` is only ever complete and valid: conf_load() gives one, or a list of
// *all* that is wrong, each with its path ("services[2].servers[0].weight: ...") and, for
// misspelt keys and names, a "did you mean". Unknown keys and duplicate keys are errors.
// Defaults are filled in, so nothing downstream asks whether a key was present. Units are
// in the names. This module knows nothing of DPDK, sockets or threads: any thread may call
// it, and `poised --check` and `poise config check` run it alone.
//
// conf/poise.schema.json says the same for editors; tests/unit keeps the two in step.

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define CONF_PORT_NAME_MAX    16 // IFNAMSIZ: the twin bears the name
#define CONF_SERVICE_NAME_MAX 64
#define CONF_SCHED_NAME_MAX   16 // IP_VS_SCHEDNAME_MAXLEN
#define CONF_PORTS_MAX        16
#define CONF_WORKERS_MAX      32

// How a packet is sent to a real server. The numbers are IPVS's (IP_VS_CONN_F_FWD_MASK).
enum forward {
	FORWARD_NAT = 0,
	FORWARD_LOCAL = 1, // an address of the director itself: derived, not configured
	FORWARD_TUN = 2,
	FORWARD_DR = 3,
	FORWARD_FULLNAT = 5,
};
const char *forward_name(enum forward f);               // "nat", "local", "tun", "dr"
int forward_parse(const char *text, enum forward *out); // what may be configured; -EINVAL

// How a packet is wrapped for a server with FORWARD_TUN. The numbers are IPVS's
// (IP_VS_CONN_F_TUNNEL_TYPE_*).
enum tunnel_type { TUNNEL_IPIP, TUNNEL_GUE, TUNNEL_GRE };
// Of the tunnel's own header. Remote checksum offload (GUE) tells of checksums that are left to a
// NIC, which what leaves here never has: then it is as full.
enum tunnel_checksum { TUNNEL_CHECKSUM_NONE, TUNNEL_CHECKSUM_FULL, TUNNEL_CHECKSUM_REMOTE };
const char *tunnel_type_name(enum tunnel_type t);         // "ipip", "gue", "gre"
const char *tunnel_checksum_name(enum tunnel_checksum c); // "none", "full", "remote"

const char *protocol_name(uint8_t protocol);        // "tcp", "udp"
int protocol_parse(const char *text, uint8_t *out); // -EINVAL

enum conf_device_kind { CONF_DEVICE_PCI, CONF_DEVICE_LINUX, CONF_DEVICE_VDEV };
enum conf_linux_driver { CONF_DRIVER_AUTO, CONF_DRIVER_AF_XDP, CONF_DRIVER_AF_PACKET };

struct conf_port {
	char name[CONF_PORT_NAME_MAX]; // also the name of the TAP twin
	enum conf_device_kind kind;
	char device[256];              // as written, without "linux:" or "vdev:"
	enum conf_linux_driver driver; // CONF_DEVICE_LINUX only
	unsigned queues;               // receive queues; 0: one a worker
	unsigned mtu;                  // 0: the device's own
	bool promiscuous;
	struct ip_prefix *addresses; // put on the twin
	size_t n_addresses;
};

struct conf_route {
	struct ip_prefix to; // 0.0.0.0/0 or ::/0 for "default"
	struct ip_addr via;
};

struct conf_tunnel {
	enum tunnel_type type;
	enum tunnel_checksum checksum;
	uint16_t port; // GUE; host order
};

static inline bool conf_same_tunnel(const struct conf_tunnel *a, const struct conf_tunnel *b)
{
	return a->type == b->type && a->checksum == b->checksum && a->port == b->port;
}

// Local addresses of the director that FULLNAT gives packets as their source.
#define CONF_LOCAL_MAX           8
#define CONF_LOCAL_ADDRESSES_MAX 65535
#define CONF_RANGE_TEXT_MAX      (2 * ADDR_TEXT_MAX)
struct conf_range {
	struct ip_addr first;
	uint32_t n;
};
struct conf_local {
	unsigned n;
	struct conf_range ranges[CONF_LOCAL_MAX];
};
// How a server with FORWARD_FULLNAT learns the client's address.
enum conf_client_address { CONF_CLIENT_NONE, CONF_CLIENT_TOA, CONF_CLIENT_PROXY_V2 };
const char *conf_client_address_name(enum conf_client_address c); // "none", "toa", "proxy_v2"
#define CONF_TOA_KIND 254
struct ip_addr conf_range_at(const struct conf_range *r, uint32_t i);
// "192.0.2.5" or "192.0.2.5-192.0.2.9"
const char *conf_range_print(const struct conf_range *r, char buf[static CONF_RANGE_TEXT_MAX]);
bool conf_local_has_family(const struct conf_local *local, int family);

struct conf_server {
	struct ip_addr address; // tun: of any family, else of the service's
	uint16_t port;          // host order; dr and tun: always the service's
	int32_t weight;         // 0..2147483647; 0: no new connections
	enum forward forward;
	struct conf_tunnel tunnel; // tun only
};

struct conf_service {
	char name[CONF_SERVICE_NAME_MAX]; // unique; default: "tcp-192.0.2.10:80"
	uint8_t protocol;                 // IPPROTO_TCP, IPPROTO_UDP
	struct ip_addr address;
	uint16_t port; // host order, 1..65535
	char scheduler[CONF_SCHED_NAME_MAX];
	enum forward forward; // the default for its servers
	bool announce; // the VIP is put on a twin, so that the kernel answers ARP and ND for it
	struct conf_local local;                 // fullnat only
	enum conf_client_address client_address; // fullnat only
	uint32_t toa_kind;                       // the TCP option, 1..254
	struct conf_server *servers;
	size_t n_servers;
};

// What FULLNAT needs of a service is the same.
bool conf_same_fullnat(const struct conf_service *a, const struct conf_service *b);

struct conf_timeouts {      // seconds, 1..2678400
	uint32_t tcp_s;     // ESTABLISHED, 900
	uint32_t tcp_fin_s; // FIN_WAIT, 120
	uint32_t udp_s;     // 300
};

enum conf_hugepages { CONF_HUGEPAGES_AUTO, CONF_HUGEPAGES_ON, CONF_HUGEPAGES_OFF };
enum conf_idle { CONF_IDLE_ADAPTIVE, CONF_IDLE_POLL };

struct conf {
	struct conf_port *ports;
	size_t n_ports;

	unsigned n_workers;                // 1..CONF_WORKERS_MAX, default 1
	int worker_cpus[CONF_WORKERS_MAX]; // -1: chosen at start (workers given as a count)
	enum conf_idle idle; // "adaptive" (default): empty polls back off in small sleeps

	enum conf_hugepages hugepages; // absent: auto
	unsigned memory_megabytes;     // DPDK memory: packet buffers; 0: chosen at start

	char control_socket[108]; // /run/poise/poise.sock

	uint32_t connections_max; // all workers together, default 1048576
	struct conf_timeouts timeouts;

	uint32_t punt_packets_per_s; // each worker, to the kernel; default 200000
	uint32_t icmp_per_s;         // each worker, errors made by the director; default 1000

	struct conf_route *routes;
	size_t n_routes;
	struct conf_service *services;
	size_t n_services;
};

struct conf_error {
	char *path; // "services[2].servers[0].weight", "" for the file as a whole
	char *text; // "70000000000 is not between 0 and 2147483647"
};

struct conf_errors {
	struct conf_error *list;
	size_t n;
};

// Reads and checks a whole file. NULL when anything is wrong: `errors` then holds all of it
// (an unreadable file or broken JSON is one error, with line and column). Free both.
struct conf *conf_load(const char *path, struct conf_errors *errors);
struct conf *conf_parse(json_t *root, struct conf_errors *errors);
void conf_free(struct conf *c);

// One service or server object, as JSON-RPC's service.add and server.add take it: the same
// keys and checks as in the file. `out` is filled only when no error is added; returns 0 or
// -EINVAL. With `base` the object holds only what changes, the rest is taken from base (an
// edit); the identity (protocol, address, port) cannot change then. A server that is not forwarded
// to by a tunnel any more loses what was said of it.
int conf_parse_service(json_t *o, const struct conf_service *base, struct conf_service *out,
    struct conf_errors *errors);
// `service` gives the defaults (port, forward) and the address family.
int conf_parse_server(json_t *o, const struct conf_service *service, const struct conf_server *base,
    struct conf_server *out, struct conf_errors *errors);
void conf_service_clear(struct conf_service *s); // frees what it holds, not itself

// The file that loads as `c`: only what differs from the defaults, in the order of the docs.
// A new reference; never fails but for memory (NULL).
json_t *conf_to_json(const struct conf *c);
json_t *conf_service_to_json(const struct conf_service *s);
json_t *conf_local_to_json(const struct conf_local *local); // a list of texts
json_t *conf_tunnel_to_json(const struct conf_tunnel *t);   // {}: the default, IPIP
json_t *conf_server_to_json(const struct conf_server *s, const struct conf_service *of);

// Writes the text of conf_to_json() to a new file beside `path` and renames it over `path`.
// 0 or negative errno.
int conf_save(const struct conf *c, const char *path);

// Adds to a list (printf-like); used by those who check what only they can know.
void conf_error_add(struct conf_errors *errors, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void conf_errors_clear(struct conf_errors *errors);
// The nearest of `names` to a misspelt `text`, or NULL when none is near.
const char *conf_did_you_mean(const char *text, const char *const *names, size_t n);
