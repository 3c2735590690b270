// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// poise, the command line: a table of verbs, each a function that asks the daemon
// (docs/protocol.md) and prints.
//
// The table (verbs.c) is the one place that knows words, arguments and options; dispatch, help and
// completion read it, and a test holds the manual page against it. Nothing but main() exits. One
// thread, blocking calls, one connection, opened by the first call.

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SOCKET_DEFAULT "/run/poise/poise.sock"

enum { // exit codes
	DONE = 0,
	REFUSED = 1,
	USAGE = 2,
	NO_DAEMON = 3,
};

struct client;

struct app {
	const char *socket;
	bool json;  // --json
	bool color; // --color, decided
	struct client *client;
};

// What an argument or an option's value is: how it is called in help, and what completes it.
enum kind {
	KIND_FLAG, // an option without a value
	KIND_NAME,
	KIND_NUMBER,
	KIND_PROTOCOL,
	KIND_ENDPOINT,
	KIND_SERVICE,
	KIND_SERVER,
	KIND_NEW_SERVER, // address, port may be left out
	KIND_SERVER_SPEC,
	KIND_SCHEDULER,
	KIND_FORWARD,
	KIND_TUNNEL,
	KIND_LOCAL,
	KIND_CLIENT_ADDRESS,
	KIND_STATE,
	KIND_PREFIX,
	KIND_FILE,
	KIND_FILE_OR_STDOUT,
	KIND_COLOR,
	KIND_VERB, // any number of words
	KIND_COUNT,
};

struct kind_info {
	const char *name;           // "ADDR:PORT"
	const char *const *choices; // all there are, or NULL
	bool repeat;                // an option with it may be given again and again
};
extern const struct kind_info kinds[KIND_COUNT];

struct option {
	const char *name; // without "--"; NULL ends a list
	enum kind kind;
	const char *help;
};
extern const struct option global_options[];

#define ARGS_MAX 2

struct argument {
	enum kind kind;
	bool optional;
};

struct words;
typedef int (*verb_fn)(struct app *app, const struct words *w); // an exit code

struct verb {
	const char *noun, *action; // no action: the noun alone shows it
	struct argument args[ARGS_MAX];
	unsigned n_args;
	const struct option *options; // NULL: none
	const char *help;             // one line
	const char *more;             // for "poise help VERB", or NULL
	verb_fn run;
};
extern const struct verb verbs[]; // ends without noun

// ---- args.c: a command line against the table ----

struct given {
	const struct option *option;
	const char *value; // NULL for a flag
};

struct words {
	const struct verb *verb;
	const char *args[ARGS_MAX]; // NULL: left out. A service in two words has become one.
	const char *const *rest;    // KIND_VERB: all words
	size_t n_rest;
	struct given *options; // in the order given, global ones too
	size_t n_options;
	// Owned.
	const char **positional;
	size_t n_positional;
	char *joined;
};

// DONE, or USAGE with a line on stderr. Release in both cases.
int words_parse(int argc, const char *const *argv, struct words *w);
void words_release(struct words *w);
// The value of an option, or NULL; for a repeated one, the i-th.
const char *words_option(const struct words *w, const char *name);
const char *words_option_at(const struct words *w, const char *name, size_t i);
bool words_flag(const struct words *w, const char *name);

// The verb that the first of `words` name, and how many of them. NULL: none.
const struct verb *verb_find(const char *const *words, size_t n, size_t *used);
// "--name" or "--name=value": NULL when there is no such option. `value` is set behind "=".
const struct option *option_find(const struct verb *v, const char *word, const char **value);
const struct option *option_named(const struct option *list, const char *name, size_t len);
// A service's protocol, address and port in two words: poise service delete tcp 192.0.2.10:80
bool service_in_two_words(const struct verb *v, const char *const *args, size_t n);

// Prints "poise: ..." and gives USAGE.
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Options' values that are numbers; USAGE and a line when one is not.
int words_number(
    const struct words *w, const char *name, long long min, long long max, json_t *into);

// ---- verbs ----

void verb_synopsis(const struct verb *v, char *buf, size_t size);
int run_help(struct app *app, const struct words *w);
int help_for(struct app *app, const char *const *words, size_t n);
// complete.c: `poise __complete WORD...`: what may stand in place of the last word, one a line.
int complete(struct app *app, const char *const *words, size_t n);

int show_summary(struct app *app, const struct words *w);
int show_services(struct app *app, const struct words *w);
int show_connections(struct app *app, const struct words *w);
int show_ports(struct app *app, const struct words *w);
int show_workers(struct app *app, const struct words *w);
int show_drops(struct app *app, const struct words *w);
int show_neighbours(struct app *app, const struct words *w);
int show_version(struct app *app, const struct words *w);
int show_config(struct app *app, const struct words *w);

int service_add(struct app *app, const struct words *w);
int service_edit(struct app *app, const struct words *w);
int service_delete(struct app *app, const struct words *w);
int server_add(struct app *app, const struct words *w);
int server_edit(struct app *app, const struct words *w);
int server_delete(struct app *app, const struct words *w);
int server_drain(struct app *app, const struct words *w);
int server_ready(struct app *app, const struct words *w);

int config_check(struct app *app, const struct words *w);
int config_reload(struct app *app, const struct words *w);
int config_save(struct app *app, const struct words *w);

// All pages of `services` (of one service, or NULL for all) as one result.
int services_collect(struct app *app, const char *service, json_t **result);
