// SPDX-License-Identifier: BSD-3-Clause

// The configuration file: saving it, and large ones.

#include "conf_rig.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

// ---- saving ----

static const char every_key[] =
    "{ \"ports\": [ { \"name\": \"wan0\", \"device\": \"linux:eth1\", \"driver\": \"af_packet\","
    "    \"queues\": 2, \"mtu\": 1400, \"promiscuous\": true,"
    "    \"addresses\": [ \"192.0.2.2/24\", \"2001:db8::2/64\" ] },"
    "    { \"name\": \"lan0\", \"device\": \"0000:3b:00.0\" } ],"
    "  \"workers\": [ 2, 3 ], \"idle\": \"poll\","
    "  \"memory\": { \"hugepages\": false, \"megabytes\": 128 },"
    "  \"control\": { \"socket\": \"/tmp/s\" }, \"connections\": { \"max\": 4096 },"
    "  \"timeouts\": { \"tcp_s\": 1, \"tcp_fin_s\": 2, \"udp_s\": 3 },"
    "  \"limits\": { \"punt_packets_per_s\": 100, \"icmp_per_s\": 0 },"
    "  \"routes\": [ { \"to\": \"default\", \"via\": \"192.0.2.1\" },"
    "    { \"to\": \"2001:db8:1::/48\", \"via\": \"2001:db8::1\" } ],"
    "  \"services\": [ { \"name\": \"web\", \"protocol\": \"tcp\", \"address\": \"192.0.2.10\","
    "    \"port\": 80, \"scheduler\": \"wrr\", \"announce\": false,"
    "    \"servers\": [ { \"address\": \"192.0.2.11\", \"weight\": 3 } ] },"
    "    { \"protocol\": \"udp\", \"address\": \"2001:db8::10\", \"port\": 53 } ] }";

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void save_and_load(void **state)
{
	struct conf_errors errors = {};
	struct stat before, after;
	struct conf *c = parse(every_key, &errors), *again;
	assert_non_null(c);
	unlink(file);
	assert_int_equal(conf_save(c, file), 0);
	assert_int_equal(mode_of(file), 0640);
	json_t *wanted = json(every_key), *saved = json_load_file(file, 0, NULL);
	assert_true(json_equal(wanted, saved));
	json_decref(saved);

	assert_int_equal(chmod(file, 0604), 0);
	assert_int_equal(stat(file, &before), 0);
	FILE *old = fopen(file, "r");
	again = conf_load(file, &errors);
	assert_non_null(again);
	again->n_services = 0;
	assert_int_equal(conf_save(again, file), 0);
	assert_int_equal(mode_of(file), 0604);
	// A new file took the place of the old one, which whoever reads it still has whole.
	assert_int_equal(stat(file, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
	saved = json_loadf(old, 0, NULL);
	assert_true(json_equal(wanted, saved));
	json_decref(saved);
	saved = json_load_file(file, 0, NULL);
	assert_false(json_equal(wanted, saved));
	json_decref(saved);
	json_decref(wanted);
	fclose(old);
	again->n_services = 2;
	conf_free(again);
	conf_free(c);
}

static void save_that_fails(void **state)
{
	struct conf_errors errors = {};
	struct conf *c = parse(every_key, &errors);
	char path[5000];
	assert_int_equal(conf_save(c, "/nonexistent/poise.json"), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(conf_save(c, path), -ENAMETOOLONG);
	// A directory stays as it is, and nothing is left beside it (remove_dir() would fail).
	unlink(file);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(conf_save(c, file), -EISDIR);
	assert_int_equal(rmdir(file), 0);
	conf_free(c);
}

// ---- large files ----

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

#define PORTS "{ \"ports\": [ { \"name\": \"a\", \"device\": \"linux:b\" } ],\n"

static void many_services(void **state)
{
	struct conf_errors errors = {};
	FILE *f = fopen(file, "w");
	fputs(PORTS "\"services\": [", f);
	for (unsigned i = 0; i < 100000; i++) {
		fprintf(f,
		    "%s{ \"protocol\": \"tcp\", \"address\": \"10.%u.%u.%u\", \"port\": 80,\n"
		    "\"servers\": [",
		    i ? "," : "", i >> 16, i >> 8 & 255, i & 255);
		for (unsigned k = 0; k < 10; k++)
			fprintf(f, "%s{ \"address\": \"10.9.9.%u\" }", k ? "," : "", k);
		fputs("] }", f);
	}
	fputs("] }", f);
	assert_int_equal(fclose(f), 0);
	double start = now_s();
	struct conf *c = conf_load(file, &errors);
	double took = now_s() - start;
	print_message("100000 services with 10 servers each: %.2f s\n", took);
	assert_non_null(c);
	assert_int_equal(c->n_services, 100000);
	assert_int_equal(c->services[99999].n_servers, 10);
	conf_free(c);
#ifndef __SANITIZE_ADDRESS__
	assert_true(took < 5);
#endif
}

static void many_errors(void **state)
{
	struct conf_errors errors = {};
	FILE *f = fopen(file, "w");
	fputs(PORTS "\"services\": [ 0", f);
	for (unsigned i = 1; i < 50000; i++)
		fputs(", { \"protocol\": \"tcp\" }", f);
	fputs("]", f);
	for (unsigned i = 0; i < 50000; i++)
		fprintf(f, ",\n\"key%u\": %u", i, i);
	fputs("}", f);
	assert_int_equal(fclose(f), 0);
	double start = now_s();
	assert_null(conf_load(file, &errors));
	double took = now_s() - start;
	print_message("%zu errors: %.2f s\n", errors.n, took);
	// Enough is enough, and it is said.
	assert_true(errors.n > 10000 && errors.n < 50000);
	size_t said = 0;
	for (size_t i = 0; i < errors.n; i++)
		said += strcmp(errors.list[i].text, "too many errors, the rest is not read") == 0;
	assert_int_equal(said, 2);
	conf_errors_clear(&errors);
#ifndef __SANITIZE_ADDRESS__
	assert_true(took < 5);
#endif
}

// All of them equal: duplicates are found in less than quadratic time.
static void many_duplicates(void **state)
{
	struct conf_errors errors = {};
	json_t *root = json(PORTS "\"services\": [] }"), *list = json_object_get(root, "services");
	json_t *service = json(
	    "{ \"protocol\": \"udp\", \"address\": \"10.0.0.1\", \"port\": 53 }");
	for (unsigned i = 0; i < 100000; i++)
		json_array_append(list, service);
	double start = now_s();
	assert_null(conf_parse(root, &errors));
	double took = now_s() - start;
	print_message("100000 services of which 99999 are duplicates: %.2f s\n", took);
	assert_int_equal(errors.n, 2 * 99999); // by key and by name
	assert_string_equal(errors.list[99998].path, "services[99999]");
	assert_string_equal(
	    errors.list[99998].text, "udp 10.0.0.1:53 is there already, as services[0]");
	conf_errors_clear(&errors);
	json_decref(service);
	json_decref(root);
#ifndef __SANITIZE_ADDRESS__
	assert_true(took < 5);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(save_and_load),
		cmocka_unit_test(save_that_fails),
		cmocka_unit_test(many_services),
		cmocka_unit_test(many_errors),
		cmocka_unit_test(many_duplicates),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
