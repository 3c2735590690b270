// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Mail: how the control thread asks a worker to do something.
//
// Workers and the control thread share no mutable state. What a worker knows of services, servers,
// hops and timeouts is its own, and changes only between two bursts, by a piece of mail taken from
// its inbox ring in the order it was sent. Memory travels with the mail: the control thread
// allocates, the worker puts it to use, and what it replaces goes back in the same piece
// through the outbox ring, where the control thread frees it. So nothing on the data
// path allocates, frees, locks or counts references, and nobody waits for a grace period.
//
// Both rings have one producer and one consumer. The control thread never has more mail under
// way than a ring holds, so that a worker never waits.

#include <stdbool.h>

struct worker;

enum mail_result {
	MAIL_DONE,
	MAIL_AGAIN, // a slice of long work: run once more in the next loop, behind later mail
};

struct mail {
	// worker: carries it out.
	enum mail_result (*run)(struct worker *w, struct mail *m);
	// ctl: the mail is back; frees it and what it brings along. May be NULL: nothing to do.
	void (*back)(struct mail *m);
	struct mail *next; // worker: the queue of long work
	unsigned worker;   // ctl: whom it was sent to
};
