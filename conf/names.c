// SPDX-License-Identifier: BSD-3-Clause

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "conf.h"

const char *forward_name(enum forward f)
{
	static const char *const names[] = { "nat", "local", "tun", "dr", "bypass", "fullnat" };
	return names[f];
}

int forward_parse(const char *text, enum forward *out)
{
	if (strcmp(text, "nat") == 0)
		*out = FORWARD_NAT;
	else if (strcmp(text, "fullnat") == 0)
		*out = FORWARD_FULLNAT;
	else if (strcmp(text, "tun") == 0)
		*out = FORWARD_TUN;
	else if (strcmp(text, "dr") == 0)
		*out = FORWARD_DR;
	else
		return -EINVAL;
	return 0;
}

const char *tunnel_type_name(enum tunnel_type t)
{
	static const char *const names[] = { "ipip", "gue", "gre" };
	return names[t];
}

const char *tunnel_checksum_name(enum tunnel_checksum c)
{
	static const char *const names[] = { "none", "full", "remote" };
	return names[c];
}

const char *conf_client_address_name(enum conf_client_address c)
{
	static const char *const names[] = { "none", "toa", "proxy_v2" };
	return names[c];
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
