// SPDX-License-Identifier: BSD-3-Clause

#include "memory.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // Linux 5.14
#endif

#define HUGE_PAGE ((size_t)2 << 20)

static size_t round_up(size_t n)
{
	return (n + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

int reserve_new(struct reserve *r, size_t bytes, bool huge)
{
	// Huge pages want their alignment: one more is reserved to have room for it.
	*r = (struct reserve){ .bytes = round_up(bytes), .huge = huge };
	void *p = mmap(NULL, r->bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	uintptr_t start = (uintptr_t)p, aligned = round_up(start);
	if (aligned > start)
		munmap(p, aligned - start);
	if (start + HUGE_PAGE > aligned)
		munmap((void *)(aligned + r->bytes), start + HUGE_PAGE - aligned);
	r->base = (void *)aligned;
	madvise(r->base, r->bytes, MADV_DONTDUMP);
	return 0;
}

static int fault_in(char *from, size_t bytes)
{
	if (madvise(from, bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -ENOMEM;
	for (size_t i = 0; i < bytes; i += 4096) // a kernel before 5.14
		((volatile char *)from)[i] = 0;
	return 0;
}

int reserve_grant(struct reserve *r, size_t bytes)
{
	if (bytes <= r->granted)
		return 0;
	if (bytes > r->bytes)
		return -ENOMEM;
	// Whole huge pages where they are used, else to the next 64 KiB.
	char *from = (char *)r->base + r->granted;
	size_t want = round_up(bytes) - r->granted;
	if (r->huge && r->granted % HUGE_PAGE == 0) {
		void *p = mmap(from, want, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		if (p != MAP_FAILED) {
			r->granted += want;
			return 0;
		}
		// A failed MAP_FIXED may have unmapped the range: put ordinary pages there.
		p = mmap(from, (char *)r->base + r->bytes - from, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return -ENOMEM;
		r->huge = false; // the pool is empty
	}
	if (want >= HUGE_PAGE && bytes - r->granted >= HUGE_PAGE)
		madvise(from, want, MADV_HUGEPAGE);
	else
		want = (bytes - r->granted + 65535) / 65536 * 65536;
	if (r->granted + want > r->bytes)
		want = r->bytes - r->granted;
	int ret = fault_in(from, want);
	if (ret == 0)
		r->granted += want;
	return ret;
}

void reserve_free(struct reserve *r)
{
	if (r->base)
		munmap(r->base, r->bytes);
	*r = (struct reserve){};
}
