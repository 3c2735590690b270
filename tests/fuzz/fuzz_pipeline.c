// SPDX-License-Identifier: BSD-3-Clause

// Frames of any content through the whole pipeline, two workers, with time passing: no crash, no
// read behind a frame, every packet counted once, no buffer lost. The input is a list of frames:
// one byte that says what (a frame for a worker, in one part or several; time), two with the
// length, and the bytes.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lab/frame.h"
#include "tests/lab/lab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct lab *lab;

// Servers listen where their service does, and on 9000 for those whose packets are rewritten.
static const struct {
	const char *protocol;
	unsigned port;
	const char *how;
} ways[] = {
	{ "udp", 53, "dr" },
	{ "tcp", 81, "nat" },
	{ "udp", 81, "nat" },
	{ "tcp", 82, "fullnat" },
	{ "udp", 82, "fullnat" },
	{ "tcp", 83, "toa" },
	{ "tcp", 84, "proxy_v2" },
	{ "udp", 84, "proxy_v2" },
};

static void add_service(bool v6, const char *protocol, unsigned port, const char *how)
{
	const char *net = v6 ? "2001:db8::" : "192.0.2.";
	bool full = strcmp(how, "nat") != 0 && strcmp(how, "dr") != 0;
	bool tells = full && strcmp(how, "fullnat") != 0;
	unsigned rport = strcmp(how, "dr") == 0 ? port : 9000;
	char text[500];
	snprintf(text, sizeof(text),
	    "{'protocol':'%s','address':'%s10','port':%u,'scheduler':'rr','forward':'%s',"
	    "'client_address':'%s','local_addresses':['%s99'],"
	    "'servers':[{'address':'%s11','port':%u},{'address':'%s12','port':%u}]}",
	    protocol, net, port, full ? "fullnat" : how, tells ? how : "none", net, net, rport, net,
	    rport);
	lab_service(lab, text);
}

static void make_lab(void)
{
	lab = lab_new(&(struct lab_options){ .workers = 2, .connections_max = 4096 });
	lab_hop(lab, "192.0.2.11", 0, 0x11);
	lab_hop_mtu(lab, "192.0.2.12", 0, 0x12, 600, 7);
	lab_hop(lab, "2001:db8::11", 0, 0x61);
	lab_hop_mtu(lab, "2001:db8::12", 0, 0x62, 1280, 0);
	lab_service(lab, "{'protocol':'tcp','address':'192.0.2.10','port':80,'scheduler':'wlc',"
	                 "'servers':[{'address':'192.0.2.11'},{'address':'192.0.2.12'}]}");
	lab_service(lab, "{'protocol':'tcp','address':'2001:db8::10','port':80,'scheduler':'wrr',"
	                 "'servers':[{'address':'2001:db8::11'},{'address':'2001:db8::12'}]}");
	static const uint8_t self[16] = { 192, 0, 2, 2 },
	                     self6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 2 };
	lab_hop_from(lab, "192.0.2.21", 0, 0x21, self);
	lab_hop_from(lab, "2001:db8::22", 0, 0x22, self6);
	for (unsigned v6 = 0; v6 < 2; v6++) {
		char text[400];
		snprintf(text, sizeof(text),
		    "{'protocol':'udp','address':'%s','port':54,'scheduler':'rr','forward':'tun',"
		    "'servers':[{'address':'192.0.2.21','tunnel':{'type':'gre','checksum':'full'}},"
		    "{'address':'2001:db8::22','tunnel':{'type':'gue','port':6080,'checksum':'full'"
		    "}}]}",
		    v6 ? "2001:db8::10" : "192.0.2.10");
		lab_service(lab, text);
	}
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			add_service(v6, ways[i].protocol, ways[i].port, ways[i].how);
	}
}

// What a mutation of bytes seldom finds: our MAC address and a good IPv4 header checksum.
static void make_plausible(uint8_t *frame, size_t bytes)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	if (bytes < 34)
		return;
	memcpy(frame, mac, 6);
	size_t l3 = frame[12] == 0x81 && frame[13] == 0 ? 18 : 14;
	size_t header = (frame[l3] & 15) * 4u;
	if (frame[l3] >> 4 != 4 || header < 20 || l3 + header > bytes)
		return;
	frame[l3 + 10] = frame[l3 + 11] = 0;
	uint16_t sum = frame_checksum(frame + l3, header, 0);
	frame[l3 + 10] = sum >> 8;
	frame[l3 + 11] = sum;
}

static void take_all(void)
{
	static uint8_t out[FRAME_MAX];
	struct frame_seen seen;
	for (size_t n; (n = lab_receive(lab, 0, out, sizeof(out)));)
		frame_see(out, n, &seen);
	while (lab_punted(lab, 0, out, sizeof(out)))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static uint8_t frame[4096];
	if (!lab)
		make_lab();
	while (bytes >= 3) {
		uint8_t what = data[0];
		size_t n = data[1] << 8 | data[2];
		data += 3;
		bytes -= 3;
		if (what & 0x80) {
			lab_pass(lab, 1u << (what & 0xf));
			lab_run(lab);
			continue;
		}
		n = n < bytes ? n : bytes;
		if (n > sizeof(frame))
			n = sizeof(frame);
		memcpy(frame, data, n);
		if (what & 2)
			make_plausible(frame, n);
		if (n && what & 4)
			lab_send_in_parts(lab, 0, what & 1, frame, n, 1 + n / 2 + (what >> 3));
		else if (n)
			lab_send(lab, 0, what & 1, frame, n);
		if (what & 0x40)
			lab_run(lab);
		data += n;
		bytes -= n;
	}
	lab_run(lab);
	take_all();
	lab_pass(lab, LAB_SECONDS(1000)); // all connections end: inputs do not depend on each other
	lab_run(lab);
	if (!lab_books_balance(lab) || crew_connections(lab_crew(lab)))
		abort();
	return 0;
}
