// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// TUN (ip_vs_tunnel_xmit): the packet goes to the real server as it is, wrapped into another one of
// either family: IP in IP, GUE or GRE. The server unwraps it and answers the client itself.

#include "stages.h"

// `key`: the real server. `source`: who answers when the packet cannot go, as icmp_refuse() takes
// it. p->hash chooses the source port of GUE.
void send_tun(struct worker *w, const struct port *from, struct packet *p,
    const struct server_key *key, const struct hop *h, const uint8_t *source);
