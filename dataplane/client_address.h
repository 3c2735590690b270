// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Telling a FULLNAT server who the client is: by a TCP option (TOA) until the server has
// acknowledged something, or by a PROXY protocol v2 header before the first byte of the stream, or
// in the first datagram (UDP).
//
// The header takes sequence numbers: what the client sends after it is moved up by its length, what
// the server acknowledges down, for the life of the connection. All of this follows from the
// client's initial sequence number alone, so that retransmissions come out as the first time.
// Both kinds lower the MSS that the server offers by what they add.

#include "leave.h"

// TOA: kind, length, port, address, as the toa modules of real servers read it.
#define TOA_BYTES(v6) ((v6) ? 20u : 8u)
// Signature, version and command, family, length; addresses and ports (PROXY protocol 2.2).
#define PROXY_BYTES(v6) ((v6) ? 52u : 28u)

// In place of send_fullnat_in() for connections with CONN_TOA or CONN_PROXY.
void send_telling(struct worker *w, const struct port *from, struct packet *p, struct conn *c,
    const struct hop *h, bool v6);

// An answer on such a connection, before it is rewritten.
void heed_answer(struct packet *p, struct conn *c, bool v6);
