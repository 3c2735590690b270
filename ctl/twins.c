// SPDX-License-Identifier: BSD-3-Clause

#include "twins.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BURST        32
#define SEGMENTS_MAX 8
#define NEAR_NS      50000   // between looks while frames flow
#define FAR_NS       1000000 // and when none did for NEAR_LOOKS looks
#define NEAR_LOOKS   1000

struct twins {
	struct ports *ports;
	unsigned n_workers;
	bool stop; // ctl: w
	pthread_t thread;
	struct twin_counters counters[PORTS_MAX];
};

static void write_frame(struct twins *t, unsigned i, struct rte_mbuf *m)
{
	struct iovec iov[SEGMENTS_MAX];
	int n = 0;
	for (struct rte_mbuf *s = m; s && n < SEGMENTS_MAX; s = s->next)
		iov[n++] = (struct iovec){ rte_pktmbuf_mtod(s, void *), s->data_len };
	if (m->nb_segs <= SEGMENTS_MAX && writev(t->ports->list[i].twin_fd, iov, n) >= 0)
		t->counters[i].to_kernel++;
	else
		t->counters[i].kernel_full++;
	rte_pktmbuf_free(m);
}

static unsigned to_kernel(struct twins *t, unsigned i)
{
	unsigned total = 0;
	for (unsigned k = 0; k < t->n_workers; k++) {
		struct rte_mbuf *m[BURST];
		unsigned n = rte_ring_sc_dequeue_burst(
		    t->ports->list[i].punt[k], (void **)m, BURST, NULL);
		for (unsigned j = 0; j < n; j++)
			write_frame(t, i, m[j]);
		total += n;
	}
	return total;
}

static unsigned from_kernel(struct twins *t, unsigned i)
{
	struct port_setup *s = &t->ports->list[i];
	struct twin_counters *c = &t->counters[i];
	unsigned n;
	for (n = 0; n < BURST; n++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(t->ports->pool);
		if (!m) {
			c->workers_full++;
			return n;
		}
		ssize_t got = read(
		    s->twin_fd, rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m));
		if (got <= 0) {
			rte_pktmbuf_free(m);
			return n;
		}
		m->data_len = m->pkt_len = got;
		if (rte_ring_sp_enqueue(s->inject, m) == 0) {
			c->from_kernel++;
		} else {
			c->workers_full++;
			rte_pktmbuf_free(m);
		}
	}
	return n;
}

static unsigned carry(struct twins *t)
{
	unsigned n = 0;
	for (unsigned i = 0; i < t->ports->n; i++)
		n += to_kernel(t, i) + from_kernel(t, i);
	return n;
}

static void *twins_main(void *arg)
{
	struct twins *t = arg;
	struct pollfd fds[PORTS_MAX];
	for (unsigned i = 0; i < t->ports->n; i++)
		fds[i] = (struct pollfd){ .fd = t->ports->list[i].twin_fd, .events = POLLIN };
	prctl(PR_SET_NAME, "poise-twins");
	unsigned empty = 0;
	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		empty = carry(t) ? 0 : empty + 1;
		if (empty) {
			struct timespec wait = { .tv_nsec = empty < NEAR_LOOKS ? NEAR_NS : FAR_NS };
			ppoll(fds, t->ports->n, &wait, NULL);
		}
	}
	while (carry(t) && empty++ < NEAR_LOOKS)
		;
	return NULL;
}

int twins_start(struct ports *p, unsigned n_workers, struct twins **out)
{
	struct twins *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->ports = p;
	t->n_workers = n_workers;
	int ret = pthread_create(&t->thread, NULL, twins_main, t);
	if (ret) {
		free(t);
		return -ret;
	}
	*out = t;
	return 0;
}

void twins_stop(struct twins *t)
{
	if (!t)
		return;
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	pthread_join(t->thread, NULL);
	free(t);
}

const struct twin_counters *twins_counters(const struct twins *t, unsigned port)
{
	return &t->counters[port];
}
