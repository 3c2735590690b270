// SPDX-License-Identifier: BSD-3-Clause

// The configuration: what is said of a bad one, and what is read from a good one.

#include "conf_rig.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/defaults.h"

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

struct said {
	const char *path, *text;
};

// The errors are these, in any order, and no other; clears them.
static void assert_said(struct conf_errors *errors, const struct said *said, size_t n)
{
	for (size_t i = 0; i < errors->n; i++) {
		bool found = false;
		for (size_t k = 0; k < n; k++)
			found |= strcmp(errors->list[i].path, said[k].path) == 0 &&
			         strcmp(errors->list[i].text, said[k].text) == 0;
		if (!found)
			fail_msg("not expected: \"%s\": \"%s\"", errors->list[i].path,
			    errors->list[i].text);
	}
	for (size_t k = 0; k < n; k++) {
		size_t times = 0;
		for (size_t i = 0; i < errors->n; i++)
			times += strcmp(errors->list[i].path, said[k].path) == 0 &&
			         strcmp(errors->list[i].text, said[k].text) == 0;
		if (times != 1)
			fail_msg(
			    "said %zu times: \"%s\": \"%s\"", times, said[k].path, said[k].text);
	}
	conf_errors_clear(errors);
	assert_null(errors->list);
	assert_int_equal(errors->n, 0);
}

#define SAID(errors, ...) \
	assert_said(errors, (const struct said[]){ __VA_ARGS__ }, \
	    sizeof((const struct said[]){ __VA_ARGS__ }) / sizeof(struct said))

// ---- what is said ----

static const char many_mistakes[] =
    "{ 'ports': [ { 'name': 'wan0', 'device': 'linux:eth1', 'mtu': 70000000000 },"
    "             { 'name': 'wan0', 'device': '0000:3b:00.0', 'driver': 'af_xdp' },"
    "             { 'device': 'eth7', 'addrezses': [] } ],"
    "  'workers': [ 1, 1, 5000 ],"
    "  'memory': { 'hugepages': 'yes', 'megabytes': 3 },"
    "  'limits': 7,"
    "  'timeouts': { 'tcp_s': 0, 'tcp_fin': 5 },"
    "  'routes': [ { 'to': 'default', 'via': '192.0.2.256' }, { 'to': '::/0', 'via': '10.0.0.1' } "
    "],"
    "  'services': ["
    "    { 'protocol': 'tpc', 'address': '192.0.2.10', 'port': 80 },"
    "    { 'protocol': 'tcp', 'address': '192.0.2.10', 'port': 80, 'scheduler': 'wrrr',"
    "      'servers': [ { 'address': '192.0.2.11', 'weight': 70000000000 },"
    "                   { 'address': '192.0.2.12', 'port': 81 },"
    "                   { 'address': '2001:db8::1' },"
    "                   { 'address': '192.0.2.13' }, { 'address': '192.0.2.13' } ] },"
    "    { 'protocol': 'udp', 'address': '224.0.0.1', 'port': 0, 'forward': 'bypass' },"
    "    { 'protocol': 'tcp', 'address': '192.0.2.10', 'port': 80, 'announce': 1 } ] }";

static void all_mistakes_at_once(void **state)
{
	struct conf_errors errors = {};
	char text[sizeof(many_mistakes)];
	strcpy(text, many_mistakes);
	for (char *s = text; *s; s++)
		*s = *s == '\'' ? '"' : *s;
	write_file(text);
	assert_null(conf_load(file, &errors));
	SAID(&errors, { "ports[0].mtu", "70000000000 is not between 576 and 9600" },
	    { "ports[1].driver", "is for linux: devices only" },
	    { "ports[1].name", "\"wan0\" is the name of ports[0] already" },
	    { "ports[2].name", "is missing" },
	    { "ports[2].device", "\"eth7\" is neither a PCI address (0000:3b:00.0), nor "
	                         "linux:INTERFACE, nor vdev:DEVICE" },
	    { "ports[2].addrezses", "unknown key, did you mean \"addresses\"?" },
	    { "workers[1]", "CPU 1 has a worker already" },
	    { "workers[2]", "no such CPU: 5000 is not between 0 and 1023" },
	    { "memory.hugepages", "is neither true nor false" },
	    { "memory.megabytes", "3 is not between 64 and 65536" },
	    { "limits", "is not an object" },
	    { "timeouts.tcp_s", "0 is not between 1 and 2678400" },
	    { "timeouts.tcp_fin", "unknown key, did you mean \"tcp_fin_s\"?" },
	    { "routes[0].via", "\"192.0.2.256\" is not an IP address" },
	    { "routes[1].via", "is not of the route's address family" },
	    { "services[0].protocol",
	        "\"tpc\" is not one of \"tcp\", \"udp\"; did you mean \"tcp\"?" },
	    { "services[1].scheduler",
	        "\"wrrr\" is not one of \"rr\", \"wrr\", \"wlc\"; did you mean \"wrr\"?" },
	    { "services[1].servers[0].weight", "70000000000 is not between 0 and 2147483647" },
	    { "services[1].servers[1].port", "with forward \"dr\" it must be the service's, 80: "
	                                     "the packet is not changed" },
	    { "services[1].servers[2].address", "is not of the service's address family" },
	    { "services[1].servers[4]", "192.0.2.13:80 is there already, as servers[3]" },
	    { "services[2].address", "224.0.0.1 is not a unicast address" },
	    { "services[2].port", "0 is not between 1 and 65535" },
	    { "services[2].forward", "\"bypass\": this version forwards by \"dr\", \"nat\", "
	                             "\"tun\" and \"fullnat\" only" },
	    { "services[3].announce", "is neither true nor false" },
	    { "services[3]", "tcp 192.0.2.10:80 is there already, as services[1]" },
	    { "services[3].name", "\"tcp-192.0.2.10:80\" is the name of services[1] already" });
}

static void files_that_are_none(void **state)
{
	struct conf_errors errors = {};
	assert_null(conf_load("/nonexistent/poise.json", &errors));
	SAID(&errors, { "", "No such file or directory" });
	assert_null(conf_load(dir, &errors));
	SAID(&errors, { "", "Is a directory" });
	write_file("{\n  \"ports\": [\n    { \"name\": \"a\",, }\n  ]\n}\n");
	assert_null(conf_load(file, &errors));
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.list[0].path, "");
	assert_memory_equal(errors.list[0].text, "line 3, column 19: ", 19);
	conf_errors_clear(&errors);
	write_file("{ \"ports\": [],\n  \"ports\": [] }");
	assert_null(conf_load(file, &errors));
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.list[0].text, "line 2, column 9: duplicate object key"));
	conf_errors_clear(&errors);
	write_file("");
	assert_null(conf_load(file, &errors));
	assert_int_equal(errors.n, 1);
	conf_errors_clear(&errors);
	write_file("[]");
	assert_null(conf_load(file, &errors));
	SAID(&errors, { "", "is not an object" });
	write_file("{}");
	assert_null(conf_load(file, &errors));
	SAID(&errors, { "ports", "is missing" });
	write_file("{ \"ports\": [] }");
	assert_null(conf_load(file, &errors));
	SAID(&errors, { "ports", "there must be 1 to 16" });
	write_file("{ \"ports\": [], \"x\": \"\xff\" }");
	assert_null(conf_load(file, &errors));
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.list[0].text, "byte 0xff"));
	conf_errors_clear(&errors);
}

static void unreadable_file(void **state)
{
	struct conf_errors errors = {};
	uid_t me = geteuid();
	write_file("{}");
	assert_int_equal(chmod(file, 0), 0);
	if (me == 0) // root reads everything
		assert_int_equal(seteuid(65534), 0);
	struct conf *c = conf_load(file, &errors);
	if (me == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(unlink(file), 0);
	assert_null(c);
	SAID(&errors, { "", "Permission denied" });
}

static void errors_are_printable(void **state)
{
	struct conf_errors errors = {};
	assert_null(
	    parse("{ \"ports\": [ { \"name\": \"a\", \"device\": \"\\u001b[2J\\u0007\\n\" } ],"
	          "  \"\\u001b]0;x\\u0007\": 1, \"\\u009b1m\\u007f\": 2, \"\xc3\xa9t\xc3\xa9 "
	          "\xe2\x82\xac\": 3 }",
	        &errors));
	SAID(&errors,
	    { "ports[0].device", "\"?[2J??\" is neither a PCI address (0000:3b:00.0), nor "
	                         "linux:INTERFACE, nor vdev:DEVICE" },
	    { "?]0;x?", "unknown key" }, { "??1m?", "unknown key" },
	    { "\xc3\xa9t\xc3\xa9 \xe2\x82\xac", "unknown key" });
	// A text is cut by bytes: half a character is not printed.
	conf_error_add(&errors, "a\tb", "%.4s|%s", "abc\xc3\xa9", "\x80\xf5");
	SAID(&errors, { "a?b", "abc?|??" });
}

static void did_you_mean(void **state)
{
	static const char *const names[] = { "address", "port", "weight", "rr", "wrr" };
	static const struct {
		const char *text, *meant;
	} table[] = {
		{ "addrezss", "address" },
		{ "addrezs", "address" },
		{ "ADDRESS", "address" },
		{ "prot", "port" },
		{ "weihgt", "weight" },
		{ "wrt", "wrr" },
		{ "r", "rr" },
		{ "xx", NULL },
		{ "forward", NULL },
		{ "", NULL },
		{ "a text that is far longer than any name that there could be", NULL },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *meant = conf_did_you_mean(table[i].text, names, 5);
		if (table[i].meant)
			assert_string_equal(meant ? meant : "nothing", table[i].meant);
		else
			assert_null(meant);
	}
	assert_null(conf_did_you_mean("port", names, 0));
}

// ---- what is read ----

static void silent_file(void **state)
{
	struct conf_errors errors = {};
	struct conf *c = parse(
	    "{ \"ports\": [ { \"name\": \"a\", \"device\": \"vdev:net_null0\" } ] }", &errors);
	assert_non_null(c);
	assert_int_equal(c->n_ports, 1);
	assert_int_equal(c->ports[0].kind, CONF_DEVICE_VDEV);
	assert_string_equal(c->ports[0].device, "net_null0");
	assert_int_equal(c->n_workers, 1);
	assert_int_equal(c->worker_cpus[0], -1);
	assert_int_equal(c->idle, CONF_IDLE_ADAPTIVE);
	assert_int_equal(c->hugepages, CONF_HUGEPAGES_AUTO);
	assert_string_equal(c->control_socket, "/run/poise/poise.sock");
	assert_int_equal(c->connections_max, 1048576);
	assert_int_equal(c->timeouts.tcp_s, 900);
	assert_int_equal(c->timeouts.tcp_fin_s, 120);
	assert_int_equal(c->timeouts.udp_s, 300);
	assert_int_equal(c->punt_packets_per_s, 200000);
	assert_int_equal(c->icmp_per_s, 1000);
	assert_int_equal(c->n_routes + c->n_services, 0);
	assert_int_equal(c->connections_max, conf_defaults.connections_max);
	conf_free(c);
	conf_free(NULL);
}

static struct conf_service parse_service(const char *text)
{
	struct conf_errors errors = {};
	struct conf_service s = {};
	json_t *o = json(text);
	assert_int_equal(conf_parse_service(o, NULL, &s, &errors), 0);
	assert_int_equal(errors.n, 0);
	json_decref(o);
	return s;
}

#define SERVICE "{ \"protocol\": \"tcp\", \"address\": \"2001:db8::10\", \"port\": 443"

static void one_service(void **state)
{
	struct conf_service s = parse_service(
	    SERVICE ", \"servers\": [ { \"address\": \"2001:db8::1\" },"
	            " { \"address\": \"2001:db8::2\", \"weight\": 0 } ] }");
	assert_string_equal(s.name, "tcp-[2001:db8::10]:443");
	assert_string_equal(s.scheduler, "wlc");
	assert_int_equal(s.forward, FORWARD_DR);
	assert_true(s.announce);
	assert_int_equal(s.n_servers, 2);
	assert_int_equal(s.servers[0].port, 443);
	assert_int_equal(s.servers[0].weight, 1);
	assert_int_equal(s.servers[1].weight, 0);
	conf_service_clear(&s);
	assert_null(s.servers);
	assert_int_equal(s.n_servers, 0);

	struct conf_errors errors = {};
	json_t *o = json(
	    "{ \"protocol\": 6, \"port\": \"http\", \"servers\": {}, \"name\": \"a b\" }");
	memset(&s, 0x55, sizeof(s));
	struct conf_service before = s;
	assert_int_equal(conf_parse_service(o, NULL, &s, &errors), -EINVAL);
	assert_memory_equal(&s, &before, sizeof(s));
	SAID(&errors, { "protocol", "is not a text" }, { "port", "is not a whole number" },
	    { "address", "is missing" }, { "servers", "is not a list" },
	    { "name", "has characters other than A-Z a-z 0-9 . _ - : [ ]" });
	json_decref(o);
}

static void edited_service(void **state)
{
	struct conf_errors errors = {};
	struct conf_service base = parse_service(
	                        SERVICE ", \"name\": \"web\", \"announce\": false }"),
	                    s;
	json_t *o = json("{ \"scheduler\": \"rr\" }");
	assert_int_equal(conf_parse_service(o, &base, &s, &errors), 0);
	assert_string_equal(s.scheduler, "rr");
	assert_string_equal(s.name, "web");
	assert_int_equal(s.port, 443);
	assert_false(s.announce);
	assert_null(s.servers);
	assert_string_equal(base.scheduler, "wlc");
	json_decref(o);
	o = json("{ \"port\": 444, \"protocol\": \"udp\", \"address\": \"::1\", \"servers\": [] }");
	assert_int_equal(conf_parse_service(o, &base, &s, &errors), -EINVAL);
	assert_int_equal(errors.n, 4);
	for (size_t i = 0; i < errors.n; i++)
		assert_memory_equal(errors.list[i].text, "unknown key", 11);
	conf_errors_clear(&errors);
	json_decref(o);
}

static void one_server(void **state)
{
	struct conf_errors errors = {};
	struct conf_service of = parse_service(SERVICE " }");
	struct conf_server s, edited;
	json_t *o = json("{ \"address\": \"2001:db8::5\", \"weight\": 2147483647 }");
	assert_int_equal(conf_parse_server(o, &of, NULL, &s, &errors), 0);
	assert_int_equal(s.port, 443);
	assert_int_equal(s.weight, 2147483647);
	assert_int_equal(s.forward, FORWARD_DR);
	json_decref(o);

	o = json("{ \"weight\": 0 }");
	assert_int_equal(conf_parse_server(o, &of, &s, &edited, &errors), 0);
	assert_int_equal(edited.weight, 0);
	assert_true(ip_addr_equal(&edited.address, &s.address));
	json_decref(o);

	o = json("{ \"address\": \"2001:db8::6\", \"weihgt\": -1 }");
	struct conf_server before = edited;
	assert_int_equal(conf_parse_server(o, &of, &s, &edited, &errors), -EINVAL);
	assert_memory_equal(&edited, &before, sizeof(before));
	SAID(&errors, { "address", "unknown key" },
	    { "weihgt", "unknown key, did you mean \"weight\"?" });
	json_decref(o);

	o = json("{ \"address\": \"192.0.2.1\", \"port\": 80 }");
	assert_int_equal(conf_parse_server(o, &of, NULL, &s, &errors), -EINVAL);
	SAID(&errors, { "address", "is not of the service's address family" },
	    { "port",
	        "with forward \"dr\" it must be the service's, 443: the packet is not changed" });
	json_decref(o);
	assert_int_equal(conf_parse_server(NULL, &of, NULL, &s, &errors), -EINVAL);
	SAID(&errors, { "server", "is missing" });
}

static int tunnel_server(const char *text, struct conf_server *out, struct conf_errors *errors)
{
	struct conf_service of = parse_service(SERVICE " }");
	json_t *o = json(text);
	int ret = conf_parse_server(o, &of, NULL, out, errors);
	json_decref(o);
	return ret;
}

static void tunnels(void **state)
{
	static const struct {
		const char *text;
		struct conf_tunnel want;
	} good[] = {
		{ "", { TUNNEL_IPIP, TUNNEL_CHECKSUM_NONE, 0 } },
		{ ", \"tunnel\": {}", { TUNNEL_IPIP, TUNNEL_CHECKSUM_NONE, 0 } },
		{ ", \"tunnel\": { \"type\": \"gue\", \"port\": 6080 }",
		    { TUNNEL_GUE, TUNNEL_CHECKSUM_NONE, 6080 } },
		{ ", \"tunnel\": { \"checksum\": \"remote\", \"port\": 1, \"type\": \"gue\" }",
		    { TUNNEL_GUE, TUNNEL_CHECKSUM_REMOTE, 1 } },
		{ ", \"tunnel\": { \"type\": \"gre\", \"checksum\": \"full\" }",
		    { TUNNEL_GRE, TUNNEL_CHECKSUM_FULL, 0 } },
	};
	struct conf_errors errors = {};
	struct conf_service of = parse_service(SERVICE " }");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char text[200];
		struct conf_server s, again;
		// Of the other family, too.
		snprintf(text, sizeof(text), "{ \"address\": \"%s\", \"forward\": \"tun\"%s }",
		    i & 1 ? "192.0.2.9" : "2001:db8::9", good[i].text);
		assert_int_equal(tunnel_server(text, &s, &errors), 0);
		assert_int_equal(s.forward, FORWARD_TUN);
		assert_true(conf_same_tunnel(&s.tunnel, &good[i].want));
		json_t *saved = conf_server_to_json(&s, &of);
		assert_int_equal(conf_parse_server(saved, &of, NULL, &again, &errors), 0);
		assert_true(conf_same_tunnel(&again.tunnel, &s.tunnel));
		assert_int_equal(json_object_size(json_object_get(saved, "tunnel")) > 0, i > 1);
		json_decref(saved);
	}
}

static void tunnels_that_are_none(void **state)
{
	struct conf_errors errors = {};
	struct conf_server s;
	const char *const tun = "{ \"address\": \"192.0.2.9\", \"forward\": \"tun\", \"tunnel\": ";
	static const struct {
		const char *tunnel;
		struct said want;
	} bad[] = {
		{ "7", { "tunnel", "is not an object" } },
		{ "{ \"type\": \"gue\" }", { "tunnel.port", "is missing" } },
		{ "{ \"type\": \"gre\", \"port\": 6080 }",
		    { "tunnel.port", "is for type \"gue\" only" } },
		{ "{ \"checksum\": \"full\" }",
		    { "tunnel.checksum", "is for types \"gue\" and \"gre\" only" } },
		{ "{ \"type\": \"gre\", \"checksum\": \"remote\" }",
		    { "tunnel.checksum", "\"remote\" is for type \"gue\" only" } },
		{ "{ \"typ\": \"gre\" }", { "tunnel.typ", "unknown key, did you mean \"type\"?" } },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[200];
		snprintf(text, sizeof(text), "%s%s }", tun, bad[i].tunnel);
		assert_int_equal(tunnel_server(text, &s, &errors), -EINVAL);
		assert_said(&errors, &bad[i].want, 1);
	}
	assert_int_equal(tunnel_server("{ \"address\": \"2001:db8::9\", \"forward\": \"nat\", "
	                               "\"tunnel\": {} }",
	                     &s, &errors),
	    -EINVAL);
	SAID(&errors, { "tunnel", "is for forward \"tun\" only" });
	assert_int_equal(tunnel_server("{ \"address\": \"2001:db8::9\", \"forward\": \"tun\", "
	                               "\"port\": 1 }",
	                     &s, &errors),
	    -EINVAL);
	SAID(&errors, { "port", "with forward \"tun\" it must be the service's, 443: the packet is "
	                        "not changed" });
}

static void a_tunnel_edited(void **state)
{
	struct conf_errors errors = {};
	struct conf_service of = parse_service(SERVICE " }");
	struct conf_server s, edited;
	assert_int_equal(
	    tunnel_server("{ \"address\": \"192.0.2.9\", \"forward\": \"tun\", \"tunnel\":"
	                  " { \"type\": \"gue\", \"port\": 6080 } }",
	        &s, &errors),
	    0);
	static const struct {
		const char *set;
		struct conf_tunnel want;
	} edits[] = {
		{ "{ \"weight\": 3 }", { TUNNEL_GUE, TUNNEL_CHECKSUM_NONE, 6080 } },
		{ "{ \"tunnel\": { \"type\": \"gre\" } }",
		    { TUNNEL_GRE, TUNNEL_CHECKSUM_NONE, 0 } },
		{ "{ \"tunnel\": {} }", { TUNNEL_IPIP, TUNNEL_CHECKSUM_NONE, 0 } },
	};
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		json_t *o = json(edits[i].set);
		assert_int_equal(conf_parse_server(o, &of, &s, &edited, &errors), 0);
		assert_true(conf_same_tunnel(&edited.tunnel, &edits[i].want));
		json_decref(o);
	}
	// To a mode that cannot reach an address of the other family.
	json_t *o = json("{ \"forward\": \"dr\" }");
	assert_int_equal(conf_parse_server(o, &of, &s, &edited, &errors), -EINVAL);
	SAID(&errors, { "address", "is not of the service's address family" });
	assert_int_equal(ip_addr_parse("2001:db8::9", &s.address), 0);
	assert_int_equal(conf_parse_server(o, &of, &s, &edited, &errors), 0);
	assert_true(conf_same_tunnel(&edited.tunnel, &(struct conf_tunnel){}));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_mistakes_at_once),
		cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(unreadable_file),
		cmocka_unit_test(errors_are_printable),
		cmocka_unit_test(did_you_mean),
		cmocka_unit_test(silent_file),
		cmocka_unit_test(one_service),
		cmocka_unit_test(edited_service),
		cmocka_unit_test(one_server),
		cmocka_unit_test(tunnels),
		cmocka_unit_test(tunnels_that_are_none),
		cmocka_unit_test(a_tunnel_edited),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
