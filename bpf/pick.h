/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The balance algorithms, result for result those of src/balance/picker.ts: persistence, then the pool's algorithm, then the sorry
 * server. Functions are global (not static) so that the verifier looks at each once, whoever calls it.
 */
#ifndef WEIR_PICK_H
#define WEIR_PICK_H

#include "hash.h"
#include "locality.h"
#include "persist.h"

/* Looks at a rotation before any unblocked server will do. */
#define ROTATION_TRIES 4
#define HASH_TRIES 8

__noinline __u32 pick_rotation(__u32 pool_index, __u32 director, __u32 now)
{
	struct pool *pool = pool_at(pool_index);
	__u32 position, weight;

	if (!pool || !pool->head.table_length)
		return NOBODY;
	position = next_position(director);
	for (int tries = 0; tries < ROTATION_TRIES; tries++) {
		__u32 i = table_entry(pool_index, position % pool->head.table_length);

		if (candidate_server(pool, i, now, &weight))
			return i;
		position = next_position(director);
	}
	return pick_spread(pool_index, now, position, 0);
}

__noinline __u32 pick_random(__u32 pool_index, __u32 now)
{
	struct pool *pool = pool_at(pool_index);
	__u32 number = 0, weight;

	if (!pool || !pool->head.table_length)
		return NOBODY;
	for (int tries = 0; tries < ROTATION_TRIES; tries++) {
		__u32 i;

		number = bpf_get_prandom_u32();
		i = table_entry(pool_index, (__u64)number * pool->head.table_length >> 32);
		if (candidate_server(pool, i, now, &weight))
			return i;
	}
	return pick_spread(pool_index, now, mix32(number), 0);
}

/* A hash to a candidate; a blocked one's clients each go to a next choice of their own, always the same. */
__noinline __u32 pick_hash(__u32 pool_index, __u32 hash, __u32 now)
{
	struct pool *pool = pool_at(pool_index);
	__u32 weight;

	if (!pool || !pool->head.table_length)
		return NOBODY;
	for (int tries = 0; tries < HASH_TRIES; tries++) {
		__u32 i = table_entry(pool_index, hash % pool->head.table_length);

		if (i == TABLE_NONE)
			return NOBODY;
		if (candidate_server(pool, i, now, &weight))
			return i;
		hash = mix32(hash + 0x9e3779b9);
	}
	return pick_spread(pool_index, now, hash, 0);
}

/* The first candidate that is not blocked: the control plane sorts them as failover wants. */
__noinline __u32 pick_first(__u32 pool_index, __u32 now)
{
	struct pool *pool = pool_at(pool_index);
	__u32 weight;

	if (!pool)
		return NOBODY;
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		if (i >= pool->head.count)
			break;
		if (candidate_server(pool, i, now, &weight))
			return i;
	}
	return NOBODY;
}

/* True when a new session would not come to this blocked server again: somebody takes sessions that nothing speaks against, or is sorry. */
__noinline __u32 has_elsewhere(__u32 director, __u32 slot, __u32 now)
{
	struct director *d = director_at(director);
	struct pool *pool;
	__u32 weight;

	if (!d)
		return 0;
	if (d->sorry && d->sorry - 1 != slot)
		return 1;
	pool = pool_at(d->pool);
	if (!pool)
		return 0;
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		if (i >= pool->head.count)
			break;
		if (candidate_server(pool, i, now, &weight))
			return 1;
	}
	return 0;
}

/* Returns the server slot persistence holds this client to, or NOBODY. */
static __always_inline __u32 persisted(const struct director *d, __u32 director, const struct packet *p)
{
	struct persist_key key = {};
	struct persist *value;
	struct server *server;

	persist_key_of(&key, d, director, p->src, p->family);
	value = bpf_map_lookup_elem(&persists, &key);
	/* Not `reached`: an entry may lie here until the clock has gone half round. */
	if (!value || value->until - p->now - 1 >= d->persistence_ticks)
		return NOBODY;
	server = server_at(value->server);
	return server && is_usable(server, director, p->now) ? value->server : NOBODY;
}

/* Returns the server slot for one new session, request or one-way datagram, or NOBODY. */
__noinline __u32 choose(struct packet *p, __u32 director)
{
	struct director *d = director_at(director);
	struct pool *pool;
	__u32 slot, index, chosen = NOBODY;

	if (!p || !d)
		return NOBODY;
	if (d->persistence_ticks) {
		slot = persisted(d, director, p);
		if (slot != NOBODY)
			return slot;
	}
	index = d->pool;
	pool = pool_at(index);
	if (!pool)
		return NOBODY;
	if (!d->sorry_in_use) {
		switch (pool->head.algorithm) {
		case ALGORITHM_ROTATION: chosen = pick_rotation(index, director, p->now); break;
		case ALGORITHM_LEAST: chosen = pick_least(index, director, p->now, 0); break;
		case ALGORITHM_SHORTEST: chosen = pick_least(index, director, p->now, 1); break;
		case ALGORITHM_IDLE_FIRST: chosen = pick_idle_first(index, director, p->now); break;
		case ALGORITHM_FIRST: chosen = pick_first(index, p->now); break;
		case ALGORITHM_SOURCE: chosen = pick_hash(index, hash_ip(p->src, p->family), p->now); break;
		case ALGORITHM_DEST: chosen = pick_hash(index, d->dest_hash, p->now); break;
		case ALGORITHM_SRCDST: chosen = pick_hash(index, hash_pair(hash_ip(p->src, p->family), d->dest_hash), p->now); break;
		case ALGORITHM_FLOW: chosen = pick_hash(index, hash_flow(p->src, p->family, p->sport), p->now); break;
		case ALGORITHM_RANDOM: chosen = pick_random(index, p->now); break;
		case ALGORITHM_LOCALITY:
		case ALGORITHM_REPLICATION:
			slot = pick_locality(index, director, p->now, pool->head.algorithm == ALGORITHM_REPLICATION);
			if (slot != NOBODY)
				return slot;
			break;
		}
	}
	if (chosen < MAX_CANDIDATES)
		return pool->candidates[chosen].server;
	if (d->sorry)
		return d->sorry - 1;
	/* Nothing but evidence speaks against all of them: one that restarts quickly must not cost its clients the whole time. */
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		if (i >= pool->head.count)
			break;
		if (pool->candidates[i].weight)
			return pool->candidates[i].server;
	}
	return NOBODY;
}

#endif
