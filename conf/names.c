// SPDX-License-Identifier: BSD-3-Clause

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "conf.h"

const char *forward_name(enum forward f)
{
	return f == FORWARD_NAT ? "nat" : f == FORWARD_LOCAL ? "local" : "dr";
}

int forward_parse(const char *text, enum forward *out)
{
	if (strcmp(text, "nat") == 0)
		*out = FORWARD_NAT;
	else if (strcmp(text, "dr") == 0)
		*out = FORWARD_DR;
	else
		return -EINVAL;
	return 0;
}

const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "?";
}

int protocol_parse(const char *text, uint8_t *out)
{
	if (strcmp(text, "tcp") == 0)
		*out = IPPROTO_TCP;
	else if (strcmp(text, "udp") == 0)
		*out = IPPROTO_UDP;
	else
		return -EINVAL;
	return 0;
}
