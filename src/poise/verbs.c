// SPDX-License-Identifier: BSD-3-Clause

// The table of verbs: all words, arguments and options there are. docs/man/poise.8 describes them
// (tests/unit/test_cli.py compares).

#include "poise.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

// Choices are for help and completion; it is the daemon who knows what is allowed.
const struct kind_info kinds[KIND_COUNT] = {
	[KIND_FLAG] = {},
	[KIND_NAME] = { .name = "NAME" },
	[KIND_NUMBER] = { .name = "N" },
	[KIND_PROTOCOL] = { .name = "PROTOCOL", .choices = LIST("tcp", "udp") },
	[KIND_ENDPOINT] = { .name = "ADDR:PORT" },
	[KIND_SERVICE] = { .name = "SERVICE" },
	[KIND_SERVER] = { .name = "SERVER" },
	[KIND_NEW_SERVER] = { .name = "ADDR[:PORT]" },
	[KIND_SERVER_SPEC] = { .name = "ADDR[:PORT][,weight=N]", .repeat = true },
	[KIND_SCHEDULER] = { .name = "SCHEDULER", .choices = LIST("rr", "wrr", "wlc") },
	[KIND_FORWARD] = { .name = "FORWARD", .choices = LIST("dr", "nat", "tun", "fullnat") },
	[KIND_TUNNEL] = { .name = "TUNNEL", .choices = LIST("ipip", "gue:", "gre") },
	[KIND_LOCAL] = { .name = "ADDR[-ADDR|/LEN]", .repeat = true },
	[KIND_CLIENT_ADDRESS] = { .name = "HOW", .choices = LIST("none", "toa", "proxy_v2") },
	[KIND_STATE] = { .name = "STATE",
	    .choices = LIST("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE",
	        "CLOSE_WAIT", "LAST_ACK", "LISTEN", "SYNACK", "NONE") },
	[KIND_PREFIX] = { .name = "PREFIX" },
	[KIND_FILE] = { .name = "FILE" },
	[KIND_FILE_OR_STDOUT] = { .name = "FILE|-" },
	[KIND_COLOR] = { .name = "WHEN", .choices = LIST("auto", "always", "never") },
	[KIND_VERB] = { .name = "VERB..." },
};

const struct option global_options[] = {
	{ "socket", KIND_FILE, "control socket (" SOCKET_DEFAULT ")" },
	{ "json", KIND_FLAG, "print the daemon's answer as JSON" },
	{ "color", KIND_COLOR, "colour: auto (on a terminal), always, never" },
	{ "help", KIND_FLAG, "print help, for the verb if there is one" },
	{ "version", KIND_FLAG, "print the version of this program" },
	{},
};

static const struct option connections_options[] = {
	{ "service", KIND_SERVICE, "only of this service" },
	{ "server", KIND_SERVER, "only to this real server" },
	{ "client", KIND_PREFIX, "only from this address or network" },
	{ "state", KIND_STATE, "only in this TCP state" },
	{ "limit", KIND_NUMBER, "so many at most" },
	{ "count", KIND_FLAG, "print how many, not which" },
	{},
};

static const struct option drops_options[] = {
	{ "all", KIND_FLAG, "every reason there is, not only those that occurred" },
	{},
};

static const struct option service_add_options[] = {
	{ "name", KIND_NAME, "a name, instead of tcp-192.0.2.10:80" },
	{ "scheduler", KIND_SCHEDULER, "how servers are chosen (wlc)" },
	{ "forward", KIND_FORWARD, "how packets reach its servers: dr, nat, tun, fullnat" },
	{ "local-address", KIND_LOCAL, "fullnat: what servers see instead of clients" },
	{ "client-address", KIND_CLIENT_ADDRESS, "fullnat: how servers learn it (none)" },
	{ "no-announce", KIND_FLAG, "leave the address off the twin" },
	{ "server", KIND_SERVER_SPEC, "a real server" },
	{},
};

static const struct option service_edit_options[] = {
	{ "name", KIND_NAME, "another name" },
	{ "scheduler", KIND_SCHEDULER, "another scheduler" },
	{ "local-address", KIND_LOCAL, "these local addresses instead of those before" },
	{ "client-address", KIND_CLIENT_ADDRESS, "how servers learn the client's address" },
	{ "announce", KIND_FLAG, "put the address on the twin" },
	{ "no-announce", KIND_FLAG, "take the address off the twin" },
	{},
};

static const struct option server_options[] = {
	{ "weight", KIND_NUMBER, "its share of new connections; 0: none" },
	{ "forward", KIND_FORWARD, "how packets reach it (as the service says)" },
	{ "tunnel", KIND_TUNNEL, "ipip, gue:PORT, gre; +csum: with a checksum; gue: +remcsum" },
	{},
};

#define SERVICE_HELP \
	"SERVICE is a name, or protocol, address and port in two words as in \"service add\":\n" \
	"tcp 192.0.2.10:80"
#define SERVER_HELP SERVICE_HELP ".\nThe port of a server may be left out when it is the service's."

#define ARGS(...) \
	.args = { __VA_ARGS__ }, \
	.n_args = sizeof((struct argument[]){ __VA_ARGS__ }) / sizeof(struct argument)
#define SERVICE \
	{ \
		.kind = KIND_SERVICE \
	}
#define SERVER \
	{ \
		.kind = KIND_SERVER \
	}
#define OPTIONAL                 .optional = true
#define SHOW(noun_, run_, help_) .noun = noun_, .run = run_, .help = help_
#define EDIT(noun_, action_, run_, help_) \
	.noun = noun_, .action = action_, .run = run_, .help = help_

// clang-format off
const struct verb verbs[] = {
	{ SHOW("show", show_summary, "a line about the director, and its services"),
	  .more = "The same as poise without a verb. \"show\" may stand before every noun." },
	{ SHOW("services", show_services, "services, each with its real servers"),
	  ARGS({ KIND_SERVICE, OPTIONAL }), .more = SERVICE_HELP "." },
	{ SHOW("servers", show_services, "the same"),
	  ARGS({ KIND_SERVICE, OPTIONAL }), .more = SERVICE_HELP "." },
	{ SHOW("connections", show_connections, "connections"), .options = connections_options,
	  .more = "SERVICE is a name, or \"tcp 192.0.2.10:80\" in quotes." },
	{ SHOW("ports", show_ports, "ports: their devices, links and counters") },
	{ SHOW("workers", show_workers, "workers: load, packets, connections, memory") },
	{ SHOW("drops", show_drops, "dropped packets, by reason"), .options = drops_options },
	{ SHOW("neighbours", show_neighbours, "next hops to the real servers") },
	{ SHOW("config", show_config, "the running state as a configuration file") },
	{ SHOW("version", show_version, "version, uptime and process of the daemon") },

	{ EDIT("service", "add", service_add, "add a service"),
	  ARGS({ .kind = KIND_PROTOCOL }, { .kind = KIND_ENDPOINT }), .options = service_add_options,
	  .more = "poise service add tcp 192.0.2.10:80 --name web --scheduler wrr \\\n"
	          "      --server 192.0.2.11 --server 192.0.2.12,weight=2" },
	{ EDIT("service", "edit", service_edit, "change a service"),
	  ARGS(SERVICE), .options = service_edit_options, .more = SERVICE_HELP "." },
	{ EDIT("service", "delete", service_delete, "delete a service and its servers"),
	  ARGS(SERVICE), .more = SERVICE_HELP "." },

	{ EDIT("server", "add", server_add, "add a real server to a service"),
	  ARGS(SERVICE, { .kind = KIND_NEW_SERVER }), .options = server_options, .more = SERVER_HELP },
	{ EDIT("server", "edit", server_edit, "change a real server"),
	  ARGS(SERVICE, SERVER), .options = server_options, .more = SERVER_HELP },
	{ EDIT("server", "delete", server_delete, "delete a real server"),
	  ARGS(SERVICE, SERVER), .more = SERVER_HELP },
	{ EDIT("server", "drain", server_drain, "no new connections; old ones go on"),
	  ARGS(SERVICE, SERVER), .more = SERVER_HELP },
	{ EDIT("server", "ready", server_ready, "the weight from before drain"),
	  ARGS(SERVICE, SERVER), .more = SERVER_HELP },

	{ EDIT("config", "check", config_check, "list all that is wrong with a file"),
	  ARGS({ .kind = KIND_FILE }), .more = "Needs no daemon." },
	{ EDIT("config", "reload", config_reload, "apply what differs in the file") },
	{ EDIT("config", "save", config_save, "write the running state to a file"),
	  ARGS({ KIND_FILE_OR_STDOUT, OPTIONAL }),
	  .more = "Without FILE the daemon writes the file it was started from. \"-\" is standard output." },

	{ SHOW("help", run_help, "how to use a verb"), ARGS({ KIND_VERB, OPTIONAL }) },
	{},
};
// clang-format on
