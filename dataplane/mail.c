// SPDX-License-Identifier: BSD-3-Clause

#include "stages.h"

#define MAIL_BURST 32

static void return_mail(struct worker *w, struct mail *m)
{
	// Cannot fail: no more mail is under way than the ring holds.
	rte_ring_sp_enqueue(w->outbox, m);
}

static void queue_long_work(struct worker *w, struct mail *m)
{
	struct mail **end = &w->long_work;
	while (*end)
		end = &(*end)->next;
	m->next = NULL;
	*end = m;
}

unsigned read_mail(struct worker *w)
{
	struct mail *m[MAIL_BURST];
	if (!w->inbox)
		return 0;
	unsigned n = rte_ring_sc_dequeue_burst(w->inbox, (void **)m, MAIL_BURST, NULL);
	for (unsigned i = 0; i < n; i++) {
		if (m[i]->run(w, m[i]) == MAIL_DONE)
			return_mail(w, m[i]);
		else
			queue_long_work(w, m[i]);
	}
	struct mail *slow = w->long_work;
	if (slow) {
		w->long_work = slow->next;
		if (slow->run(w, slow) == MAIL_DONE)
			return_mail(w, slow);
		else
			queue_long_work(w, slow);
		n++;
	}
	return n;
}
