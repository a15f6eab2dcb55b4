/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Who may be chosen: the candidates of a pool, its table, evidence against servers, and what a walk over candidates keeps. */
#ifndef WEIR_CANDIDATES_H
#define WEIR_CANDIDATES_H

#include "maps.h"

#define NOBODY 0xffffffffu
#define TABLE_NONE 0xffff

static __always_inline struct pool *pool_at(__u32 index)
{
	return bpf_map_lookup_elem(&pools, &index);
}

/* Longer than evidence ever holds, in ticks: 73 minutes. A time beyond that is none, but one that the clock has gone half round since. */
#define BLOCK_TICKS_MAX (1u << 22)

/* True while ICMP evidence speaks against the server. What is over is wiped out, so that it does not come round again. */
static __always_inline bool is_blocked(struct server *server, __u32 now)
{
	__u32 until = *(volatile const __u32 *)&server->blocked_until;

	if (until == 0)
		return false;
	if (until - now - 1 < BLOCK_TICKS_MAX)
		return true;
	__sync_val_compare_and_swap(&server->blocked_until, until, 0);
	return false;
}

/* True when the server of this director takes new sessions now. */
static __always_inline bool is_usable(struct server *server, __u32 director, __u32 now)
{
	return server->director == director && server->policy == POLICY_NONE && server->weight != 0 && !is_blocked(server, now);
}

/* Entry `at` of the pool's table, or TABLE_NONE. */
static __always_inline __u32 table_entry(__u32 pool, __u32 at)
{
	void *table = bpf_map_lookup_elem(&tables, &pool);
	struct table_chunk *chunk;
	__u32 key = at / TABLE_CHUNK;

	if (!table)
		return TABLE_NONE;
	chunk = bpf_map_lookup_elem(table, &key);
	return chunk ? chunk->entry[at & (TABLE_CHUNK - 1)] : TABLE_NONE;
}

/* Candidate i as a server that may be chosen, or NULL when its weight is 0 or it is blocked. */
static __always_inline struct server *candidate_server(const struct pool *pool, __u32 i, __u32 now, __u32 *weight)
{
	struct server *server;

	if (i >= MAX_CANDIDATES)
		return NULL;
	*weight = pool->candidates[i].weight;
	if (*weight == 0)
		return NULL;
	server = server_at(pool->candidates[i].server);
	return server && !is_blocked(server, now) ? server : NULL;
}

static __always_inline __u32 next_position(__u32 director)
{
	struct director *d = director_at(director);

	return d ? __sync_fetch_and_add(&d->position, 1) : 0;
}

/*
 * What a walk over the candidates has found so far lies in memory, not in registers: the verifier then forgets between two candidates what
 * it knew of the last, and looks at each of them once instead of at every way there.
 */
static __always_inline struct pick_state *fresh_pick(void)
{
	struct scratch *scratch = scratch_of(SCRATCH_OF_DATAGRAM);

	if (!scratch)
		return NULL;
	scratch->pick = (struct pick_state){ .best = NOBODY };
	return &scratch->pick;
}

#endif
