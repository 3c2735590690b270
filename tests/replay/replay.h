// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Replays recordings of the kernel's IPVS: what was sent to the director there is sent to poise's
// own model and workers here, and what arrives at the client and the real servers is compared byte
// for byte with what arrived there.
//
//   replay_read     a recording's text to steps
//   replay_command  the director's shell lines (ipvsadm, sysctl, ip) to changes of the model
//   replay_text     descriptions of packets, for those of which a recording has only that
//   replay_build    and the other way round
//   replay_packet   headers and checksums
//   replay_pieces   a receiver's reassembly; replay_tunnel: behind a tunnel
//   replay_kernel   what a plain kernel answers: the director's own, and the hosts'
//   replay_play     a laboratory with the recordings' topology
//   replay_judge    what arrived against what should have
//   replay_compare  what must be equal, and the two tables of what need not be

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bsd/sys/queue.h>

#include "tests/lab/lab.h"

// Who sends and receives. rs1..rs5 are 1..5.
enum { HOST_CLIENT, HOST_RS1, HOST_COUNT = 6, HOST_NONE = 99 };
const char *host_name(unsigned host);
const char *host_address(unsigned host, bool v6);
uint16_t host_mac_id(unsigned host); // 02:00:00:00:id
bool host_parse(const char *text, size_t length, unsigned *out);

struct gram {
	TAILQ_ENTRY(gram) entry;
	unsigned host; // where it arrived, or who sent it
	unsigned line; // of the recording; 0: made here
	// Made up from a description: what stands behind the network header is only as long as it
	// was.
	bool filler;
	bool reassembled;
	char *text; // the recording's description, or NULL; all there is when there are no bytes
	size_t bytes;
	uint8_t data[];
};
TAILQ_HEAD(grams, gram);

struct gram *gram_new(const void *data, size_t bytes);
void gram_free(struct gram *p); // or NULL
void grams_free(struct grams *list);

enum step_kind { STEP_COMMAND, STEP_SEND, STEP_SLEEP };

struct step {
	TAILQ_ENTRY(step) entry;
	enum step_kind kind;
	unsigned line;
	uint64_t t_ms;
	uint32_t sleep_ms;
	char *text;  // of a command; of a packet its description
	char *label; // what the recording calls it, or ""
	bool failed; // the command was refused; the packet could not be sent
	struct gram *sent;
	struct grams expected;
	char *listing; // the lines "conn:" and "dest:" after it
};
TAILQ_HEAD(steps, step);

struct recording {
	char path[512];
	const char *name; // within path
	struct steps steps;
};

// NULL, and a line on stderr that names file and line.
struct recording *recording_read(const char *path);
void recording_free(struct recording *r);

// ---- packets ----

#define L4_MAX 65535

struct headers { // of an IP packet: the outermost
	bool v6;
	uint8_t protocol; // behind IPv6 extension headers
	const uint8_t *src, *dst;
	size_t l3_bytes; // all headers before l4
	size_t total;    // as the header says, not more than there is
	bool fragment;
	uint16_t offset; // of a fragment, in bytes
	bool more;
	size_t fragment_header; // IPv6: where it stands; 0: none
};
bool headers_read(const uint8_t *data, size_t bytes, struct headers *out);

uint16_t get16(const uint8_t *at);
uint32_t get32(const uint8_t *at);
void put16(uint8_t *at, uint16_t value);
void put32(uint8_t *at, uint32_t value);

uint16_t sum_of(const void *data, size_t bytes, uint32_t start); // folded, not inverted
void ipv4_checksum_set(uint8_t *packet);
bool ipv4_checksum_good(const uint8_t *packet);
// The inverted sum over pseudo-header and l4: 0 when a checksum in it is right.
uint16_t l4_checksum(const uint8_t *packet, const struct headers *h);

// ---- packets from text ----

// `a.b.c.d:port > ... tcp [S] seq=.. ...`, whole or a piece; NULL when the text does not say
// enough. `port`: of the service, where the description of a piece has none.
struct gram *gram_from_text(const char *text, uint16_t port);
// The recorder's description of a packet. The caller frees it.
char *gram_to_text(const uint8_t *data, size_t bytes);

// ---- reassembly ----

struct pieces; // of one receiver
struct pieces *pieces_new(void);
void pieces_free(struct pieces *ps);
// A packet that is whole comes back at once (the same, or without an atomic fragment's header), a
// fragment when it was the last that was missing; else NULL. Takes `p`. Datagrams with overlapping
// pieces never come, as with Linux.
struct gram *pieces_add(struct pieces *ps, struct gram *p);

// The same for pieces that come out of tunnel packets.
struct gram *tunnel_add(
    struct pieces *ps, struct gram *p, const uint16_t *gue_ports, unsigned n_gue_ports);

// ---- the kernels around ----

// What the IP stack of a host without listeners says to a packet for one of its addresses:
// echo reply, RST, port or protocol unreachable. NULL: nothing.
struct gram *stack_answer(const uint8_t *data, size_t bytes);
// An ICMP error about a packet, from `src` (4 or 16 bytes, of its family).
struct gram *icmp_error(const uint8_t *data, size_t bytes, const uint8_t *src, uint8_t type,
    uint8_t code, uint32_t rest);

// ---- play ----

struct player;

struct verdict {
	const char *name;
	unsigned packets, equal, unsupported;
	bool broken;      // a packet buffer was lost, or the counters do not agree
	char first[4096]; // about the first packet that is not equal
	char missing[512];
};

// False, and a line on stderr: the recording is not understood.
bool play(const struct recording *r, struct verdict *out);

// ---- commands ----

struct director { // what commands change
	struct lab *lab;
	const struct recording *recording;
	struct verdict *verdict;
	uint16_t last_port;    // of a service
	uint16_t gue_ports[8]; // in use by tunnels
	unsigned n_gue_ports;
	struct { // routes with an MTU of their own
		struct ip_addr address;
		uint16_t mtu;
	} routes[16];
	unsigned n_routes;
	struct { // its own addresses; one that is deleted can still be one by a local route
		struct ip_addr address;
		bool there, routed;
	} own[8];
	unsigned n_own;
};
void director_init(struct director *d);
// False, and a line on stderr: not understood. What poise cannot do is counted in the verdict.
bool director_command(struct director *d, const struct step *s);
void director_misses(struct director *d, const char *what);
unsigned port_of(unsigned host);
// The director's port towards an address, and its own address there.
unsigned port_towards(const struct ip_addr *to);
struct ip_addr own_towards(const struct ip_addr *to);
uint16_t director_mtu(const struct director *d, const struct ip_addr *to);
bool director_owns(const struct director *d, const struct ip_addr *a);

// ---- compare ----

struct context {
	const struct step *step;
	const uint16_t *gue_ports;
	unsigned n_gue_ports;
};
// Takes what is free in `got` from `expected`, then compares. A text when they are not equal.
const char *gram_differs(const struct gram *expected, struct gram *got, const struct context *c);
void print_free_fields(void);

// A deliberate difference from the kernel: `right` says whether what came instead is.
struct difference {
	const char *reason;
	bool (*applies)(const char *file, const struct step *s);
	bool (*right)(const struct step *s, const struct grams *got);
};
const struct difference *difference_for(const char *file, const struct step *s);
