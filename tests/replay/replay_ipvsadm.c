// SPDX-License-Identifier: BSD-3-Clause

// ipvsadm's options, and what they are in poise's configuration.

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "ctl/model.h"
#include "replay_ipvsadm.h"

struct request {
	char command; // A E D a e d C Z L, S for --set, 0 for none
	const char *protocol, *service, *server, *scheduler, *persistent, *mask;
	const char *forward, *weight, *upper, *lower, *engine, *flags;
	const char *tunnel, *tunnel_port, *checksum;
	bool one_packet, mark;
	uint32_t set[3];
};

// ---- options ----

static const struct option_name {
	const char *name;
	char code;
} NAMES[] = {
	{ "-A", 'A' },
	{ "-E", 'E' },
	{ "-D", 'D' },
	{ "-C", 'C' },
	{ "-Z", 'Z' },
	{ "-a", 'a' },
	{ "-e", 'e' },
	{ "-d", 'd' },
	{ "--add-service", 'A' },
	{ "--edit-service", 'E' },
	{ "--delete-service", 'D' },
	{ "--clear", 'C' },
	{ "--add-server", 'a' },
	{ "--edit-server", 'e' },
	{ "--delete-server", 'd' },
	{ "-L", 'L' },
	{ "-l", 'L' },
	{ "-Ln", 'L' },
	{ "-Lnc", 'L' },
	{ "-S", 'L' },
	{ "-Sn", 'L' },
	{ "-n", 'n' },
	{ "-c", 'n' },
	{ "--stats", 'n' },
	{ "--rate", 'n' },
	{ "--exact", 'n' },
	{ "--thresholds", 'n' },
	{ "--persistent-conn", 'n' },
	{ "--timeout", 'n' },
	{ "--nosort", 'n' },
	{ "-t", 't' },
	{ "--tcp-service", 't' },
	{ "-u", 'u' },
	{ "--udp-service", 'u' },
	{ "--sctp-service", '4' },
	{ "-f", 'f' },
	{ "--fwmark-service", 'f' },
	{ "-6", 'n' },
	{ "-r", 'r' },
	{ "--real-server", 'r' },
	{ "-s", 's' },
	{ "--scheduler", 's' },
	{ "-m", 'm' },
	{ "-g", 'g' },
	{ "-i", 'i' },
	{ "--masquerading", 'm' },
	{ "--gatewaying", 'g' },
	{ "--ipip", 'i' },
	{ "-w", 'w' },
	{ "--weight", 'w' },
	{ "-p", 'p' },
	{ "--persistent", 'p' },
	{ "-o", 'o' },
	{ "--ops", 'o' },
	{ "-x", 'x' },
	{ "--u-threshold", 'x' },
	{ "-y", 'y' },
	{ "--l-threshold", 'y' },
	{ "-M", 'M' },
	{ "--netmask", 'M' },
	{ "--pe", 'P' },
	{ "-b", 'b' },
	{ "--sched-flags", 'b' },
	{ "--tun-type", '1' },
	{ "--tun-port", '2' },
	{ "--tun-csum", '3' },
	{ "--tun-nocsum", '5' },
	{ "--tun-remcsum", '6' },
	{ "--set", '7' },
};

static bool takes_value(char code)
{
	return strchr("tu4frswxyMPb12", code);
}

static void take_service(struct request *q, const char *protocol, const char *value)
{
	q->protocol = protocol;
	q->service = value;
}

static bool take_command(struct request *q, char code)
{
	if (!strchr("AEDCZaedL", code))
		return false;
	q->command = code;
	return true;
}

static bool take(struct request *q, char code, const char *value)
{
	switch (code) {
	case 't':
		take_service(q, "tcp", value);
		break;
	case 'u':
		take_service(q, "udp", value);
		break;
	case '4':
		take_service(q, "sctp", value);
		break;
	case 'f':
		q->mark = true;
		q->service = value;
		break;
	case 'r':
		q->server = value;
		break;
	case 's':
		q->scheduler = value;
		break;
	case 'm':
		q->forward = "nat";
		break;
	case 'g':
		q->forward = "dr";
		break;
	case 'i':
		q->forward = "tun";
		break;
	case 'w':
		q->weight = value;
		break;
	case 'p':
		q->persistent = "300";
		break;
	case 'o':
		q->one_packet = true;
		break;
	case 'x':
		q->upper = value;
		break;
	case 'y':
		q->lower = value;
		break;
	case 'M':
		q->mask = value;
		break;
	case 'P':
		q->engine = value;
		break;
	case 'b':
		q->flags = value;
		break;
	case '1':
		q->tunnel = value;
		break;
	case '2':
		q->tunnel_port = value;
		break;
	case '3':
		q->checksum = "full";
		break;
	case '5':
		q->checksum = NULL;
		break;
	case '6':
		q->checksum = "remote";
		break;
	case 'n':
		break;
	default:
		return take_command(q, code);
	}
	return true;
}

static const struct option_name *option_named(const char *word)
{
	for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		if (!strcmp(NAMES[i].name, word))
			return &NAMES[i];
	return NULL;
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static bool read_request(struct request *q, char **words, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		const struct option_name *o = option_named(words[i]);
		if (!o || (takes_value(o->code) && i + 1 >= n))
			return false;
		if (o->code == '7') {
			q->command = 'S';
			for (unsigned k = 0; k < 3; k++) {
				if (++i >= n || !is_number(words[i]))
					return false;
				q->set[k] = atoi(words[i]);
			}
		} else if (!take(q, o->code, takes_value(o->code) ? words[i + 1] : NULL)) {
			return false;
		} else if (takes_value(o->code)) {
			i++;
		} else if (o->code == 'p' && i + 1 < n && is_number(words[i + 1])) {
			q->persistent = words[++i];
		}
	}
	return q->command != 0;
}

// ---- what it is in poise ----

// False: poise has no such thing, which is counted.
static bool supported(struct director *d, const struct request *q)
{
	enum forward f;
	uint8_t protocol;
	const char *missing = NULL;
	if (q->mark)
		missing = "firewall marks";
	else if (q->protocol && protocol_parse(q->protocol, &protocol) < 0)
		missing = q->protocol;
	else if (q->forward && forward_parse(q->forward, &f) < 0)
		missing = q->forward;
	else if (q->persistent || q->mask || q->engine)
		missing = "persistence";
	else if (q->one_packet)
		missing = "one-packet services";
	else if (q->upper || q->lower)
		missing = "thresholds";
	else if (q->flags)
		missing = "scheduler flags";
	if (missing)
		director_misses(d, missing);
	return !missing;
}

static json_t *service_json(const struct request *q, const struct ip_endpoint *e)
{
	char text[ADDR_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:s, s:i}", "protocol", q->protocol, "address",
	    ip_addr_print(&e->addr, text), "port", e->port);
	if (q->scheduler)
		json_object_set_new(o, "scheduler", json_string(q->scheduler));
	return o;
}

static json_t *tunnel_json(const struct request *q)
{
	json_t *o = json_pack("{s:s}", "type", q->tunnel ? q->tunnel : "ipip");
	if (q->tunnel_port)
		json_object_set_new(o, "port", json_integer(atoi(q->tunnel_port)));
	if (q->checksum)
		json_object_set_new(o, "checksum", json_string(q->checksum));
	return o;
}

static json_t *server_json(const struct request *q, const struct ip_endpoint *e)
{
	char text[ADDR_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:i}", "address", ip_addr_print(&e->addr, text), "weight",
	    q->weight ? atoi(q->weight) : 1);
	json_object_set_new(o, "forward", json_string(q->forward ? q->forward : "dr"));
	if (e->port)
		json_object_set_new(o, "port", json_integer(e->port));
	if (q->forward && !strcmp(q->forward, "tun"))
		json_object_set_new(o, "tunnel", tunnel_json(q));
	return o;
}

static bool refused(struct director *d, struct conf_errors *errors, const char *error)
{
	char text[300];
	if (errors->n)
		snprintf(text, sizeof(text), "%s: %s", errors->list[0].path, errors->list[0].text);
	else
		snprintf(text, sizeof(text), "%s", error);
	conf_errors_clear(errors);
	director_misses(d, text);
	return true;
}

static bool add_service(struct director *d, const struct request *q, const struct ip_endpoint *e,
    struct model_service *known)
{
	struct conf_errors errors = {};
	struct conf_service s;
	char error[MODEL_ERROR_MAX] = "";
	json_t *o = service_json(q, e);
	int ret = conf_parse_service(o, known ? &known->conf : NULL, &s, &errors);
	json_decref(o);
	if (ret < 0)
		return refused(d, &errors, "");
	struct model *m = lab_model(d->lab);
	ret = known ? model_service_edit(m, known, &s, error) : model_service_add(m, &s, error);
	conf_service_clear(&s);
	return ret < 0 ? refused(d, &errors, error) : true;
}

static bool add_server(struct director *d, const struct request *q, struct model_service *ms,
    const struct ip_endpoint *e)
{
	struct conf_errors errors = {};
	struct conf_server s;
	char error[MODEL_ERROR_MAX] = "";
	struct ip_endpoint at = *e;
	// ipvsadm takes another port for DR and TUN, and stores the service's.
	if (!q->forward || strcmp(q->forward, "nat") != 0)
		at.port = ms->conf.port;
	json_t *o = server_json(q, &at);
	int ret = conf_parse_server(o, &ms->conf, NULL, &s, &errors);
	json_decref(o);
	if (ret < 0)
		return refused(d, &errors, "");
	struct model *m = lab_model(d->lab);
	struct model_server *known = model_find_server(ms, &s.address, s.port);
	ret = known ? model_server_edit(m, ms, known, &s, error)
	            : model_server_add(m, ms, &s, error);
	return ret < 0 ? refused(d, &errors, error) : true;
}

static bool run_on_server(struct director *d, const struct request *q, struct model_service *ms)
{
	struct ip_endpoint e;
	if (!q->server || ip_endpoint_parse(q->server, &e) < 0)
		return false;
	if (!e.port)
		e.port = ms->conf.port;
	if (q->tunnel_port && d->n_gue_ports < sizeof(d->gue_ports) / sizeof(d->gue_ports[0]))
		d->gue_ports[d->n_gue_ports++] = atoi(q->tunnel_port);
	if (q->command != 'd')
		return add_server(d, q, ms, &e);
	struct model_server *s = model_find_server(ms, &e.addr, e.port);
	if (s)
		model_server_delete(lab_model(d->lab), ms, s);
	return true;
}

static bool run_on_service(struct director *d, const struct request *q)
{
	struct ip_endpoint e;
	uint8_t protocol;
	if (!q->service || !q->protocol || ip_endpoint_parse(q->service, &e) < 0)
		return false;
	d->last_port = e.port;
	protocol_parse(q->protocol, &protocol);
	struct model_service *ms = model_find(lab_model(d->lab), protocol, &e.addr, e.port);
	if (q->command == 'A' || (q->command == 'E' && ms))
		return add_service(d, q, &e, ms);
	if (!ms) // refused by the kernel as well
		return true;
	if (q->command == 'D') {
		model_service_delete(lab_model(d->lab), ms);
		return true;
	}
	return run_on_server(d, q, ms);
}

static bool clear(struct director *d)
{
	const struct model_service *ms;
	while ((ms = TAILQ_FIRST(model_services(lab_model(d->lab)))))
		model_service_delete(lab_model(d->lab), (struct model_service *)ms);
	return true;
}

bool ipvsadm_run(struct director *d, char **words, unsigned n)
{
	struct request q = {};
	if (!read_request(&q, words, n))
		return false;
	switch (q.command) {
	case 'L':
	case 'Z':
		return true;
	case 'C':
		return clear(d);
	case 'S':
		model_settings(lab_model(d->lab),
		    &(struct conf_timeouts){ q.set[0] ?: model_timeouts(lab_model(d->lab))->tcp_s,
		        q.set[1] ?: model_timeouts(lab_model(d->lab))->tcp_fin_s,
		        q.set[2] ?: model_timeouts(lab_model(d->lab))->udp_s },
		    200000, 1000);
		return true;
	}
	return supported(d, &q) ? run_on_service(d, &q) : true;
}
