// SPDX-License-Identifier: BSD-3-Clause

// The judge judged: what a recording says twice (bytes and text) has to agree, reassembly has to
// do as a receiver does, and a recording that was tampered with in any byte must not be equal.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "replay.h"

#define ORACLE REPLAY_ORACLE "/"

static const uint16_t gue_ports[] = { 6080 };

static struct recording *open_recording(const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), ORACLE "%s", name);
	struct recording *r = recording_read(path);
	assert_non_null(r);
	return r;
}

// ---- texts ----

static const char *const described[] = { "6-packets/pk-dr-tcp.txt", "6-packets/pk-v6-in-v4.txt",
	"6-packets/pk-nat-reply.txt", "6-packets/pk-tun-gue-csum-udp.txt",
	"6-packets/pk-tun-gre-csum-tcp.txt", "6-packets/pk-v6-tun-gue.txt",
	"4-icmp/icmp-11-ipv6-nat.txt", "4-icmp/icmp-10-tun-outer-error.txt",
	"4-icmp/icmp-13-no-dest.txt", "3-state/frag-v6-dr-tcp.txt", "3-state/frag-v4-tun-udp.txt" };

static unsigned check_texts(const struct gram *p, const char *text)
{
	if (!p->bytes || !text || strstr(text, "unparsed"))
		return 0;
	char *mine = gram_to_text(p->data, p->bytes);
	assert_string_equal(mine, text);
	free(mine);
	return 1;
}

static void descriptions_agree_with_bytes(void **)
{
	unsigned n = 0;
	for (unsigned i = 0; i < sizeof(described) / sizeof(described[0]); i++) {
		struct recording *r = open_recording(described[i]);
		const struct step *s;
		const struct gram *p;
		TAILQ_FOREACH(s, &r->steps, entry) {
			if (s->kind != STEP_SEND)
				continue;
			n += check_texts(s->sent, s->text);
			TAILQ_FOREACH(p, &s->expected, entry)
				n += check_texts(p, p->text);
		}
		recording_free(r);
	}
	assert_true(n > 150);
}

// Packets without payload and options are wholly in their text.
static void packets_come_out_of_descriptions(void **)
{
	unsigned n = 0;
	static const char *const names[] = { "6-packets/pk-nat-reply.txt", "6-packets/pk-v6-dr.txt",
		"4-icmp/icmp-04-dr.txt", "4-icmp/icmp-09-ttl-nat.txt" };
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct recording *r = open_recording(names[i]);
		const struct step *s;
		TAILQ_FOREACH(s, &r->steps, entry) {
			if (s->kind != STEP_SEND || !strstr(s->text, " len=0 ck=ok") ||
			    strchr(s->text, '{'))
				continue;
			struct gram *p = gram_from_text(s->text, 7000);
			assert_non_null(p);
			assert_false(p->filler);
			assert_int_equal(p->bytes, s->sent->bytes);
			assert_memory_equal(p->data, s->sent->data, p->bytes);
			gram_free(p);
			n++;
		}
		recording_free(r);
	}
	assert_true(n >= 10);
	assert_null(gram_from_text("10.0.0.1 > 10.0.0.2 icmp type=8", 7000));
	assert_null(gram_from_text("nonsense", 7000));
}

// ---- reassembly ----

#define DATA 1000

static struct gram *datagram(void)
{
	struct gram *p = gram_from_text(
	    "10.10.0.1:1005 > 10.0.0.100:7000 udp len=972 ttl=64 tos=00 id=0777 tot=1000", 0);
	assert_non_null(p);
	for (size_t i = 28; i < p->bytes; i++)
		p->data[i] = i * 7;
	p->filler = false;
	return p;
}

static struct gram *piece_of(const struct gram *whole, size_t from, size_t to)
{
	struct gram *p = gram_new(NULL, 20 + to - from);
	memcpy(p->data, whole->data, 20);
	memcpy(p->data + 20, whole->data + 20 + from, to - from);
	put16(p->data + 2, p->bytes);
	put16(p->data + 6, from / 8 | (20 + to < whole->bytes ? 0x2000 : 0));
	ipv4_checksum_set(p->data);
	return p;
}

static void check_whole(struct gram *got, const struct gram *whole)
{
	assert_non_null(got);
	assert_true(got->reassembled);
	assert_int_equal(got->bytes, whole->bytes);
	assert_memory_equal(got->data, whole->data, whole->bytes);
	gram_free(got);
}

static void pieces_in_any_order(void **)
{
	static const unsigned orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 2, 0, 1 } };
	static const size_t cuts[] = { 0, 104, 504, DATA - 20 };
	struct gram *whole = datagram();
	for (unsigned i = 0; i < 4; i++) {
		struct pieces *ps = pieces_new();
		for (unsigned k = 0; k < 3; k++) {
			unsigned c = orders[i][k];
			struct gram *got = pieces_add(ps, piece_of(whole, cuts[c], cuts[c + 1]));
			if (k < 2)
				assert_null(got);
			else
				check_whole(got, whole);
			// again: known, or the first of a new datagram
			assert_null(pieces_add(ps, piece_of(whole, cuts[c], cuts[c + 1])));
		}
		pieces_free(ps);
	}
	gram_free(whole);
}

static void overlap_ends_a_datagram(void **)
{
	struct gram *whole = datagram();
	struct pieces *ps = pieces_new();
	assert_null(pieces_add(ps, piece_of(whole, 0, 512)));
	assert_null(pieces_add(ps, piece_of(whole, 504, DATA - 20)));
	assert_null(pieces_add(ps, piece_of(whole, 512, DATA - 20)));
	check_whole(pieces_add(ps, piece_of(whole, 0, 512)), whole);
	pieces_free(ps);
	gram_free(whole);
}

// ---- tunnels ----

static struct gram *in_tunnel(const struct gram *inner, uint8_t protocol)
{
	size_t header = protocol == IPPROTO_IPIP ? 0 : protocol == IPPROTO_GRE ? 8 : 12;
	struct gram *p = gram_new(NULL, 20 + header + inner->bytes);
	uint8_t *l4 = p->data + 20;
	memcpy(p->data, inner->data, 20);
	put16(p->data + 2, p->bytes);
	put16(p->data + 6, 0);
	p->data[9] = protocol;
	ipv4_checksum_set(p->data);
	memcpy(l4 + header, inner->data, inner->bytes);
	if (protocol == IPPROTO_GRE) {
		put32(l4, 0x80000800);
		put16(l4 + 4, ~sum_of(l4, p->bytes - 20, 0));
	} else if (protocol == IPPROTO_UDP) {
		put16(l4, 41000);
		put16(l4 + 2, gue_ports[0]);
		put16(l4 + 4, p->bytes - 20);
		put32(l4 + 8, 0x00040000);
		struct headers h;
		assert_true(headers_read(p->data, p->bytes, &h));
		put16(l4 + 6, l4_checksum(p->data, &h));
	}
	return p;
}

static struct gram *through(struct pieces *ps, struct gram *inner, uint8_t protocol, bool spoil)
{
	struct gram *p = in_tunnel(inner, protocol);
	if (spoil)
		p->data[p->bytes - 1] ^= 1;
	gram_free(inner);
	return tunnel_add(ps, p, gue_ports, 1);
}

static void pieces_through_a_tunnel(void **)
{
	static const uint8_t protocols[] = { IPPROTO_IPIP, IPPROTO_GRE, IPPROTO_UDP };
	struct gram *whole = datagram();
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		struct pieces *ps = pieces_new();
		struct gram *want = in_tunnel(whole, protocols[i]);
		assert_null(through(ps, piece_of(whole, 0, 504), protocols[i], false));
		struct gram *got = through(
		    ps, piece_of(whole, 504, DATA - 20), protocols[i], false);
		check_whole(got, want);
		// A piece with a wrong checksum is none: it is seen as it is.
		if (protocols[i] != IPPROTO_IPIP) {
			got = through(ps, piece_of(whole, 0, 504), protocols[i], true);
			assert_non_null(got);
			assert_false(got->reassembled);
			gram_free(got);
		}
		gram_free(want);
		pieces_free(ps);
	}
	gram_free(whole);
}

// ---- tampered recordings ----

enum tamper { FLIP, MOVE, LOSE, DOUBLE };

// Changes the expected packet `which`; false when there is none with that byte.
static bool tamper(struct recording *r, enum tamper how, unsigned which, size_t byte)
{
	struct step *s;
	struct gram *p;
	TAILQ_FOREACH(s, &r->steps, entry) {
		TAILQ_FOREACH(p, &s->expected, entry) {
			if (which--)
				continue;
			if (how == FLIP) {
				if (byte >= p->bytes)
					return false;
				p->data[byte] ^= 1;
			} else if (how == MOVE) {
				p->host = (p->host + 1) % HOST_COUNT;
			} else if (how == LOSE) {
				TAILQ_REMOVE(&s->expected, p, entry);
				gram_free(p);
			} else {
				struct gram *twin = gram_new(p->data, p->bytes);
				twin->host = p->host;
				TAILQ_INSERT_TAIL(&s->expected, twin, entry);
			}
			return true;
		}
	}
	return false;
}

// Whether the recording was still equal.
static bool equal(const char *name, enum tamper how, unsigned which, size_t byte, bool *done)
{
	struct recording *r = open_recording(name);
	struct verdict v;
	*done = how != FLIP || byte != SIZE_MAX ? tamper(r, how, which, byte) : true;
	bool good = *done && play(r, &v) && v.equal == v.packets && v.packets;
	recording_free(r);
	return good;
}

// A field that is free in some of the expected packets (bits of `packets`).
struct free_bytes {
	unsigned packets;
	size_t from, to;
};

static void every_byte_counts(const char *name, unsigned n, struct free_bytes f)
{
	bool done = true;
	assert_true(equal(name, FLIP, 0, SIZE_MAX, &done));
	for (unsigned i = 0; i < n; i++) {
		for (enum tamper how = MOVE; how <= DOUBLE; how++) {
			assert_false(equal(name, how, i, 0, &done));
			assert_true(done);
		}
		for (size_t byte = 0; done; byte++) {
			bool is_free = f.packets >> i & 1 && byte >= f.from && byte <= f.to;
			bool good = equal(name, FLIP, i, byte, &done);
			if (done && good != is_free)
				fail_msg("%s: byte %zu of packet %u is %s", name, byte, i,
				    good ? "not compared" : "not free");
		}
		done = true;
	}
}

static void every_byte_of_dr(void **)
{
	every_byte_counts("6-packets/pk-v6-dr.txt", 2, (struct free_bytes){});
}

// The third is IPv6: its flow label is free.
static void every_byte_of_errors(void **)
{
	every_byte_counts("4-icmp/icmp-13-no-dest.txt", 3, (struct free_bytes){ 4, 1, 3 });
}

static void every_byte_of_nat(void **)
{
	every_byte_counts("6-packets/pk-nat-reply.txt", 4, (struct free_bytes){});
}

static void every_byte_of_tunnels(void **)
{
	enum forward f;
	if (forward_parse("tun", &f) < 0)
		skip();
	every_byte_counts("6-packets/pk-v6-tun-gre.txt", 2, (struct free_bytes){});
	// the source port, as there is no checksum
	every_byte_counts("6-packets/pk-v6-tun-gue.txt", 2, (struct free_bytes){ 3, 40, 41 });
	// With an id of its own, to which the header's checksum belongs.
	every_byte_counts("6-packets/pk-v6-in-v4.txt", 2, (struct free_bytes){});
}

// ---- what is not understood ----

static void refused(const char *text, bool readable)
{
	char path[] = "/tmp/replay_test_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	struct recording *r = recording_read(path);
	unlink(path);
	assert_int_equal(r != NULL, readable);
	struct verdict v;
	if (r) {
		assert_false(play(r, &v));
		recording_free(r);
	}
}

static void nonsense_is_refused(void **)
{
	refused("what is this\n", false);
	refused("[ 1.0] client sends: x > y\n            450\n", false);
	refused("            4500\n", false);
	refused("         <- client: a > b\n", false);
	refused("[ 1.0] nobody sends: x\n", false);
	refused("[ 1.0] client sends: x\n", true); // no bytes, and the text says nothing
	refused("[ 1.0] $ ipvsadm --frobnicate\n", true);
	refused("[ 1.0] $ ipvsadm -a -t nowhere -r 10.1.0.11\n", true);
	refused("[ 1.0] $ reboot\n", true);
	refused("[ 1.0] $ sysctl -w net.ipv4.vs.unknown=1\n", true);
	refused("[ 1.0] $ for i in 1 2; do reboot; done\n", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptions_agree_with_bytes),
		cmocka_unit_test(packets_come_out_of_descriptions),
		cmocka_unit_test(pieces_in_any_order),
		cmocka_unit_test(overlap_ends_a_datagram),
		cmocka_unit_test(pieces_through_a_tunnel),
		cmocka_unit_test(every_byte_of_dr),
		cmocka_unit_test(every_byte_of_errors),
		cmocka_unit_test(every_byte_of_nat),
		cmocka_unit_test(every_byte_of_tunnels),
		cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
