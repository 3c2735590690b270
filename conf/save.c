// SPDX-License-Identifier: BSD-3-Clause

// From structs to a file that loads as the same: only what differs from the defaults.

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "defaults.h"
#include "service.h"

const struct conf conf_defaults = {
	.n_workers = 1,
	.idle = CONF_IDLE_ADAPTIVE,
	.hugepages = CONF_HUGEPAGES_AUTO,
	.control_socket = "/run/poise/poise.sock",
	.connections_max = 1048576,
	.timeouts = { .tcp_s = 900, .tcp_fin_s = 120, .udp_s = 300 },
	.punt_packets_per_s = 200000,
	.icmp_per_s = 1000,
};

static void set_text(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, json_string(text));
}

static void set_number(json_t *o, const char *key, json_int_t n, json_int_t when_not)
{
	if (n != when_not)
		json_object_set_new(o, key, json_integer(n));
}

// An inner object is there only when something is in it.
static void set_object(json_t *o, const char *key, json_t *inner)
{
	if (json_object_size(inner))
		json_object_set_new(o, key, inner);
	else
		json_decref(inner);
}

json_t *conf_tunnel_to_json(const struct conf_tunnel *t)
{
	json_t *o = json_object();
	if (t->type != TUNNEL_IPIP)
		set_text(o, "type", tunnel_type_name(t->type));
	set_number(o, "port", t->port, 0);
	if (t->checksum != TUNNEL_CHECKSUM_NONE)
		set_text(o, "checksum", tunnel_checksum_name(t->checksum));
	return o;
}

json_t *conf_server_to_json(const struct conf_server *s, const struct conf_service *of)
{
	char text[ADDR_TEXT_MAX];
	json_t *o = json_object();
	set_text(o, "address", ip_addr_print(&s->address, text));
	set_number(o, "port", s->port, of->port);
	set_number(o, "weight", s->weight, 1);
	if (s->forward != of->forward)
		set_text(o, "forward", forward_name(s->forward));
	set_object(o, "tunnel", conf_tunnel_to_json(&s->tunnel));
	return o;
}

json_t *conf_service_to_json(const struct conf_service *s)
{
	char text[ADDR_TEXT_MAX], name[CONF_SERVICE_NAME_MAX];
	json_t *o = json_object();
	conf_default_name(s, name);
	if (strcmp(name, s->name) != 0)
		set_text(o, "name", s->name);
	set_text(o, "protocol", protocol_name(s->protocol));
	set_text(o, "address", ip_addr_print(&s->address, text));
	set_number(o, "port", s->port, -1);
	if (strcmp(s->scheduler, "wlc") != 0)
		set_text(o, "scheduler", s->scheduler);
	if (s->forward != FORWARD_DR)
		set_text(o, "forward", forward_name(s->forward));
	if (!s->announce)
		json_object_set_new(o, "announce", json_false());
	if (s->local.n)
		json_object_set_new(o, "local_addresses", conf_local_to_json(&s->local));
	if (s->client_address != CONF_CLIENT_NONE)
		set_text(o, "client_address", conf_client_address_name(s->client_address));
	set_number(o, "toa_kind", s->toa_kind, CONF_TOA_KIND);
	json_t *servers = json_array();
	for (size_t i = 0; i < s->n_servers; i++)
		json_array_append_new(servers, conf_server_to_json(&s->servers[i], s));
	if (s->n_servers)
		json_object_set_new(o, "servers", servers);
	else
		json_decref(servers);
	return o;
}

static json_t *port_to_json(const struct conf_port *p)
{
	static const char *const prefixes[] = { "", "linux:", "vdev:" };
	static const char *const drivers[] = { NULL, "af_xdp", "af_packet" };
	char text[ADDR_TEXT_MAX], device[sizeof(p->device) + 8];
	json_t *o = json_object();
	set_text(o, "name", p->name);
	snprintf(device, sizeof(device), "%s%s", prefixes[p->kind], p->device);
	set_text(o, "device", device);
	if (drivers[p->driver])
		set_text(o, "driver", drivers[p->driver]);
	set_number(o, "queues", p->queues, 0);
	set_number(o, "mtu", p->mtu, 0);
	if (p->promiscuous)
		json_object_set_new(o, "promiscuous", json_true());
	json_t *list = json_array();
	for (size_t i = 0; i < p->n_addresses; i++)
		json_array_append_new(list, json_string(ip_prefix_print(&p->addresses[i], text)));
	if (p->n_addresses)
		json_object_set_new(o, "addresses", list);
	else
		json_decref(list);
	return o;
}

static void workers_to_json(const struct conf *c, json_t *o)
{
	if (c->worker_cpus[0] < 0) {
		set_number(o, "workers", c->n_workers, 1);
		return;
	}
	json_t *list = json_array();
	for (unsigned i = 0; i < c->n_workers; i++)
		json_array_append_new(list, json_integer(c->worker_cpus[i]));
	json_object_set_new(o, "workers", list);
}

static json_t *route_to_json(const struct conf_route *r)
{
	char to[ADDR_TEXT_MAX], via[ADDR_TEXT_MAX];
	static const uint8_t any[16];
	bool is_default = r->to.len == 0 && memcmp(r->to.addr.bytes, any, 16) == 0;
	return json_pack("{s:s,s:s}", "to", is_default ? "default" : ip_prefix_print(&r->to, to),
	    "via", ip_addr_print(&r->via, via));
}

static void scalars_to_json(const struct conf *c, json_t *root)
{
	const struct conf *d = &conf_defaults;
	workers_to_json(c, root);
	if (c->idle == CONF_IDLE_POLL)
		set_text(root, "idle", "poll");
	json_t *o = json_object();
	if (c->hugepages != CONF_HUGEPAGES_AUTO)
		json_object_set_new(
		    o, "hugepages", json_boolean(c->hugepages == CONF_HUGEPAGES_ON));
	set_number(o, "megabytes", c->memory_megabytes, 0);
	set_object(root, "memory", o);
	o = json_object();
	if (strcmp(c->control_socket, d->control_socket) != 0)
		set_text(o, "socket", c->control_socket);
	set_object(root, "control", o);
	o = json_object();
	set_number(o, "max", c->connections_max, d->connections_max);
	set_object(root, "connections", o);
	o = json_object();
	set_number(o, "tcp_s", c->timeouts.tcp_s, d->timeouts.tcp_s);
	set_number(o, "tcp_fin_s", c->timeouts.tcp_fin_s, d->timeouts.tcp_fin_s);
	set_number(o, "udp_s", c->timeouts.udp_s, d->timeouts.udp_s);
	set_object(root, "timeouts", o);
	o = json_object();
	set_number(o, "punt_packets_per_s", c->punt_packets_per_s, d->punt_packets_per_s);
	set_number(o, "icmp_per_s", c->icmp_per_s, d->icmp_per_s);
	set_object(root, "limits", o);
}

json_t *conf_to_json(const struct conf *c)
{
	json_t *root = json_object(), *list = json_array();
	for (size_t i = 0; i < c->n_ports; i++)
		json_array_append_new(list, port_to_json(&c->ports[i]));
	json_object_set_new(root, "ports", list);
	scalars_to_json(c, root);
	if (c->n_routes) {
		list = json_array();
		for (size_t i = 0; i < c->n_routes; i++)
			json_array_append_new(list, route_to_json(&c->routes[i]));
		json_object_set_new(root, "routes", list);
	}
	if (c->n_services) {
		list = json_array();
		for (size_t i = 0; i < c->n_services; i++)
			json_array_append_new(list, conf_service_to_json(&c->services[i]));
		json_object_set_new(root, "services", list);
	}
	return root;
}

int conf_save(const struct conf *c, const char *path)
{
	char temporary[4096];
	struct stat st;
	mode_t mode = stat(path, &st) == 0 ? st.st_mode & 07777 : 0640;
	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int ret = 0;
	FILE *f = fdopen(fd, "w");
	json_t *root = conf_to_json(c);
	if (!f || !root || json_dumpf(root, f, JSON_INDENT(4)) < 0 || fputc('\n', f) == EOF ||
	    fflush(f) != 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0)
		ret = errno ? -errno : -EIO;
	json_decref(root);
	if (f)
		fclose(f);
	else
		close(fd);
	if (ret == 0 && rename(temporary, path) < 0)
		ret = -errno;
	if (ret < 0)
		unlink(temporary);
	return ret;
}
