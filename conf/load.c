// SPDX-License-Identifier: BSD-3-Clause

// The file as a whole: its top-level keys, ports, routes, and what must hold between them.

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "defaults.h"
#include "service.h"

#define CPU_MAX     1023    // of cpu_set_t
#define TIMEOUT_MAX 2678400 // 31 days, as ipvsadm --set

// ---- ports ----

static const char *const drivers[] = { "auto", "af_xdp", "af_packet", NULL };

static bool is_pci(const char *text)
{
	unsigned a, b, c, d;
	int end = 0;
	// sscanf() would take blanks, signs and 0x as well.
	if (text[strspn(text, "0123456789abcdefABCDEF:.")])
		return false;
	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &a, &b, &c, &d, &end) == 4 && !text[end])
		return true;
	end = 0;
	return sscanf(text, "%2x:%2x.%1x%n", &b, &c, &d, &end) == 3 && !text[end];
}

static void read_device(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf_port *p = out; // offset 0
	const char *text = conf_text(r, v, path);
	if (!text)
		return;
	if (strlen(text) >= sizeof(p->device)) {
		conf_error_add(
		    r->errors, path, "is longer than %zu characters", sizeof(p->device) - 1);
	} else if (strncmp(text, "linux:", 6) == 0) {
		p->kind = CONF_DEVICE_LINUX;
		strlcpy(p->device, text + 6, sizeof(p->device));
		if (!text[6] || strlen(text + 6) >= IF_NAMESIZE || strpbrk(text + 6, "/, "))
			conf_error_add(
			    r->errors, path, "\"%.60s\" is not the name of an interface", text + 6);
	} else if (strncmp(text, "vdev:", 5) == 0) {
		p->kind = CONF_DEVICE_VDEV;
		strlcpy(p->device, text + 5, sizeof(p->device));
		if (strncmp(text + 5, "net_", 4) != 0)
			conf_error_add(r->errors, path, "a DPDK device's name begins with net_");
	} else if (is_pci(text)) {
		p->kind = CONF_DEVICE_PCI;
		strlcpy(p->device, text, sizeof(p->device));
	} else {
		conf_error_add(r->errors, path,
		    "\"%.60s\" is neither a PCI address (0000:3b:00.0), nor linux:INTERFACE, nor "
		    "vdev:DEVICE",
		    text);
	}
}

static void read_port_name(
    struct conf_reader *r, const struct conf_key *k, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	if (!text)
		return;
	if (strpbrk(text, "/: \t\n\v\f\r%") || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		conf_error_add(
		    r->errors, path, "\"%.60s\" cannot be the name of an interface", text);
	else
		conf_read_text(r, k, v, path, out);
}

static void read_prefix(struct conf_reader *r, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	struct ip_prefix p;
	if (!text)
		return;
	if (ip_prefix_parse(text, &p) < 0)
		conf_error_add(
		    r->errors, path, "\"%.60s\" is not an address with a prefix length", text);
	else if (!ip_addr_is_unicast(&p.addr))
		conf_error_add(r->errors, path, "%.60s is not a unicast address", text);
	else
		*(struct ip_prefix *)out = p;
}

static void read_addresses(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf_port *p = out; // offset 0
	p->addresses = conf_read_list(
	    r, v, path, sizeof(*p->addresses), read_prefix, &p->n_addresses);
}

static const struct conf_key port_keys[] = {
	{ "name", read_port_name, offsetof(struct conf_port, name), .max = CONF_PORT_NAME_MAX - 1,
	    .required = true },
	{ "device", read_device, 0, .required = true },
	{ "driver", conf_read_enum, offsetof(struct conf_port, driver), .names = drivers },
	{ "queues", conf_read_u32, offsetof(struct conf_port, queues), 1, 64 },
	{ "mtu", conf_read_u32, offsetof(struct conf_port, mtu), 576, 9600 },
	{ "promiscuous", conf_read_bool, offsetof(struct conf_port, promiscuous) },
	{ "addresses", read_addresses, 0 },
	{},
};

static void read_port(struct conf_reader *r, json_t *v, const char *path, void *out)
{
	struct conf_port *p = out;
	char sub[CONF_PATH_MAX];
	bool good = conf_read_object(r, port_keys, v, path, p);
	if (good && p->kind != CONF_DEVICE_LINUX && p->driver != CONF_DRIVER_AUTO) {
		conf_path_join(sub, path, "driver");
		conf_error_add(r->errors, sub, "is for linux: devices only");
	}
	if (good && p->kind == CONF_DEVICE_LINUX && strcmp(p->name, p->device) == 0) {
		conf_path_join(sub, path, "name");
		conf_error_add(r->errors, sub,
		    "\"%s\" is the interface itself; the twin needs another name", p->name);
	}
}

// ---- the rest ----

static void read_route_to(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	const char *text = conf_text(r, v, path);
	struct ip_prefix *p = out;
	if (!text || strcmp(text, "default") == 0)
		return; // family 0: the gateway's
	if (ip_prefix_parse(text, p) < 0)
		conf_error_add(
		    r->errors, path, "\"%.60s\" is neither \"default\" nor a prefix", text);
}

static const struct conf_key route_keys[] = {
	{ "to", read_route_to, offsetof(struct conf_route, to), .required = true },
	{ "via", conf_read_addr, offsetof(struct conf_route, via), .required = true },
	{},
};

static void read_route(struct conf_reader *r, json_t *v, const char *path, void *out)
{
	struct conf_route *route = out;
	if (!conf_read_object(r, route_keys, v, path, route))
		return;
	if (!route->to.addr.family)
		route->to.addr.family = route->via.family;
	if (route->to.addr.family != route->via.family) {
		char sub[CONF_PATH_MAX];
		conf_path_join(sub, path, "via");
		conf_error_add(r->errors, sub, "is not of the route's address family");
	}
}

static void read_workers(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf *c = out; // offset 0
	json_int_t n = json_integer_value(v);
	if (json_is_integer(v)) {
		if (n < 1 || n > CONF_WORKERS_MAX)
			conf_error_add(r->errors, path,
			    "%" JSON_INTEGER_FORMAT " is not between 1 and %d", n,
			    CONF_WORKERS_MAX);
		else
			c->n_workers = n;
		return;
	}
	size_t count = json_array_size(v);
	if (!json_is_array(v) || count < 1 || count > CONF_WORKERS_MAX) {
		conf_error_add(r->errors, path,
		    "is neither a number nor a list of 1 to %d CPU numbers", CONF_WORKERS_MAX);
		return;
	}
	c->n_workers = count;
	for (size_t i = 0; i < count; i++) {
		char sub[CONF_PATH_MAX];
		json_t *e = json_array_get(v, i);
		snprintf(sub, sizeof(sub), "%.200s[%zu]", path, i);
		n = json_integer_value(e);
		if (!json_is_integer(e))
			conf_error_add(r->errors, sub, "is not a CPU number");
		else if (n < 0 || n > CPU_MAX)
			conf_error_add(r->errors, sub,
			    "no such CPU: %" JSON_INTEGER_FORMAT " is not between 0 and %d", n,
			    CPU_MAX);
		for (size_t k = 0; k < i; k++) {
			if (json_is_integer(e) && c->worker_cpus[k] == n)
				conf_error_add(
				    r->errors, sub, "CPU %d has a worker already", (int)n);
		}
		c->worker_cpus[i] = n;
	}
}

static void read_hugepages(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	if (json_is_boolean(v))
		*(enum conf_hugepages *)out = json_is_true(v) ? CONF_HUGEPAGES_ON
		                                              : CONF_HUGEPAGES_OFF;
	else
		conf_error_add(r->errors, path, "is neither true nor false");
}

static void read_ports(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf *c = out; // offset 0
	c->ports = conf_read_list(r, v, path, sizeof(*c->ports), read_port, &c->n_ports);
	if (json_is_array(v) && (c->n_ports < 1 || c->n_ports > CONF_PORTS_MAX))
		conf_error_add(r->errors, path, "there must be 1 to %d", CONF_PORTS_MAX);
}

static void read_routes(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf *c = out; // offset 0
	c->routes = conf_read_list(r, v, path, sizeof(*c->routes), read_route, &c->n_routes);
}

static void read_services(
    struct conf_reader *r, const struct conf_key *, json_t *v, const char *path, void *out)
{
	struct conf *c = out; // offset 0
	c->services = conf_read_list(
	    r, v, path, sizeof(*c->services), conf_read_service, &c->n_services);
}

static const char *const idle_names[] = { "adaptive", "poll", NULL };

static const struct conf_key memory_keys[] = {
	{ "hugepages", read_hugepages, offsetof(struct conf, hugepages) },
	{ "megabytes", conf_read_u32, offsetof(struct conf, memory_megabytes), 64, 65536 },
	{},
};

static const struct conf_key control_keys[] = {
	{ "socket", conf_read_text, offsetof(struct conf, control_socket), .max = 107 },
	{},
};

static const struct conf_key connections_keys[] = {
	{ "max", conf_read_u32, offsetof(struct conf, connections_max), 1024, 1000000000 },
	{},
};

static const struct conf_key timeouts_keys[] = {
	{ "tcp_s", conf_read_u32, offsetof(struct conf, timeouts.tcp_s), 1, TIMEOUT_MAX },
	{ "tcp_fin_s", conf_read_u32, offsetof(struct conf, timeouts.tcp_fin_s), 1, TIMEOUT_MAX },
	{ "udp_s", conf_read_u32, offsetof(struct conf, timeouts.udp_s), 1, TIMEOUT_MAX },
	{},
};

static const struct conf_key limits_keys[] = {
	{ "punt_packets_per_s", conf_read_u32, offsetof(struct conf, punt_packets_per_s), 100,
	    10000000 },
	{ "icmp_per_s", conf_read_u32, offsetof(struct conf, icmp_per_s), 0, 1000000 },
	{},
};

static const struct conf_key top_keys[] = {
	{ "ports", read_ports, 0, .required = true },
	{ "workers", read_workers, 0 },
	{ "idle", conf_read_enum, offsetof(struct conf, idle), .names = idle_names },
	{ "memory", conf_read_within, 0, .keys = memory_keys },
	{ "control", conf_read_within, 0, .keys = control_keys },
	{ "connections", conf_read_within, 0, .keys = connections_keys },
	{ "timeouts", conf_read_within, 0, .keys = timeouts_keys },
	{ "limits", conf_read_within, 0, .keys = limits_keys },
	{ "routes", read_routes, 0 },
	{ "services", read_services, 0 },
	{},
};

// ---- what must hold between them ----

// Services that are broken have been reported as such.
static bool broken(const struct conf_service *s)
{
	return !s->port || !s->address.family || !s->protocol;
}

static int key_compare(const void *x, const void *y)
{
	const struct conf_service *a = x, *b = y;
	int d = (int)a->protocol - b->protocol;
	if (!d)
		d = ip_addr_compare(&a->address, &b->address);
	return d ? d : (int)a->port - b->port;
}

static void key_again(struct conf_reader *r, const void *list, size_t first, size_t again, void *)
{
	const struct conf_service *s = (const struct conf_service *)list + again;
	char path[64], text[ADDR_TEXT_MAX];
	if (broken(s))
		return;
	snprintf(path, sizeof(path), "services[%zu]", again);
	conf_error_add(r->errors, path, "%s %s is there already, as services[%zu]",
	    protocol_name(s->protocol), ip_endpoint_print(&s->address, s->port, text), first);
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct conf_service *)a)->name, ((const struct conf_service *)b)->name);
}

static void name_again(struct conf_reader *r, const void *list, size_t first, size_t again, void *)
{
	const struct conf_service *s = (const struct conf_service *)list + again;
	char path[64];
	if (broken(s))
		return;
	snprintf(path, sizeof(path), "services[%zu].name", again);
	conf_error_add(
	    r->errors, path, "\"%s\" is the name of services[%zu] already", s->name, first);
}

static void services_twice(struct conf_reader *r, const struct conf *c)
{
	struct conf_twice t = { c->services, c->n_services, sizeof(*c->services), key_compare,
		key_again };
	conf_find_twice(r, &t);
	t.compare = name_compare;
	t.found = name_again;
	conf_find_twice(r, &t);
}

static void ports_twice(struct conf_errors *errors, const struct conf *c)
{
	char path[64];
	for (size_t i = 0; i < c->n_ports && c->n_ports <= CONF_PORTS_MAX; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct conf_port *a = &c->ports[k], *b = &c->ports[i];
			if (a->name[0] && strcmp(a->name, b->name) == 0) {
				snprintf(path, sizeof(path), "ports[%zu].name", i);
				conf_error_add(errors, path,
				    "\"%s\" is the name of ports[%zu] already", b->name, k);
			}
			if (a->device[0] && a->kind == b->kind &&
			    strcmp(a->device, b->device) == 0) {
				snprintf(path, sizeof(path), "ports[%zu].device", i);
				conf_error_add(
				    errors, path, "is the device of ports[%zu] already", k);
			}
		}
	}
}

struct conf *conf_parse(json_t *root, struct conf_errors *errors)
{
	struct conf_reader r = { errors, NULL };
	size_t before = errors->n;
	struct conf *c = malloc(sizeof(*c));
	if (!c) {
		conf_error_add(errors, "", "out of memory");
		return NULL;
	}
	*c = conf_defaults;
	for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
		c->worker_cpus[i] = -1;
	conf_read_object(&r, top_keys, root, "", c);
	ports_twice(errors, c);
	services_twice(&r, c);
	if (errors->n == before)
		return c;
	conf_free(c);
	return NULL;
}

struct conf *conf_load(const char *path, struct conf_errors *errors)
{
	struct stat st;
	json_error_t e;
	FILE *f = fopen(path, "re");
	if (!f || fstat(fileno(f), &st) < 0) {
		conf_error_add(errors, "", "%s", strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	if (S_ISDIR(st.st_mode)) {
		conf_error_add(errors, "", "%s", strerror(EISDIR));
		fclose(f);
		return NULL;
	}
	json_t *root = json_loadf(f, JSON_REJECT_DUPLICATES, &e);
	fclose(f);
	if (!root) {
		conf_error_add(errors, "", "line %d, column %d: %s", e.line, e.column, e.text);
		return NULL;
	}
	struct conf *c = conf_parse(root, errors);
	json_decref(root);
	return c;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_ports; i++)
		free(c->ports[i].addresses);
	for (size_t i = 0; i < c->n_services; i++)
		conf_service_clear(&c->services[i]);
	free(c->ports);
	free(c->routes);
	free(c->services);
	free(c);
}
