/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The balance algorithms, result for result those of src/balance/picker.ts: persistence, then the pool's algorithm, then the sorry
 * server. Functions are global (not static) so that the verifier looks at each once, whoever calls it.
 */
#ifndef WEIR_PICK_H
#define WEIR_PICK_H

#include "hash.h"

#define NOBODY 0xffffffffu
#define TABLE_NONE 0xffff
/* Looks at a rotation before any unblocked server will do. */
#define ROTATION_TRIES 4
#define HASH_TRIES 8
/* IPVS sysctl_lblcr_expiration, 24 h, in ticks. */
#define REPLICATION_SHRINK_TICKS 82397461u
#define LOCALITY_MEMBERS 16

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

/* spreadPoint() of src/balance/spread.ts. */
static __always_inline __u32 spread_point(__u32 position, __u32 total, __u32 step)
{
	if (step)
		return position % (total / step) * step;
	return (__u64)(position * 0x9e3779b1u) * total >> 32;
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

/* spread() of src/balance/spread.ts over the candidates that are not blocked (and idle, when asked for). Returns a candidate or NOBODY. */
__noinline __u32 pick_spread(__u32 pool_index, __u32 now, __u32 position, __u32 idle_only)
{
	struct pool *pool = pool_at(pool_index);
	struct pick_state *found = fresh_pick();
	__u32 weight = 0;

	if (!pool || !found)
		return NOBODY;
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		struct server *server;

		if (i >= pool->head.count)
			break;
		server = candidate_server(pool, i, now, &weight);
		if (!server || (idle_only && server->active != 0))
			continue;
		if (found->count == 0) {
			found->best = i;
			found->best_weight = weight;
		} else if (weight != found->best_weight) {
			found->unequal = 1;
		}
		found->total_weight += weight;
		found->count++;
	}
	if (found->count <= 1 || !found->best_weight)
		return found->best;
	found->left = spread_point(position, found->total_weight, found->unequal ? 0 : found->best_weight);
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		struct server *server;

		if (i >= pool->head.count)
			break;
		server = candidate_server(pool, i, now, &weight);
		if (!server || (idle_only && server->active != 0))
			continue;
		found->left -= weight;
		if (found->left < 0)
			return i;
	}
	return found->best;
}

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

/* The least (active + extra) / weight by cross multiplication; equals take turns by weight. */
__noinline __u32 pick_least(__u32 pool_index, __u32 director, __u32 now, __u32 extra)
{
	struct pool *pool = pool_at(pool_index);
	struct pick_state *found = fresh_pick();
	__u32 weight = 0;

	if (!pool || !found)
		return NOBODY;
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		struct server *server;
		__u64 mine, least;
		__u32 load;

		if (i >= pool->head.count)
			break;
		server = candidate_server(pool, i, now, &weight);
		if (!server)
			continue;
		load = server->active + extra;
		mine = (__u64)load * found->best_weight;
		least = (__u64)found->best_load * weight;
		if (found->best == NOBODY || mine < least) {
			found->best = i;
			found->best_load = load;
			found->best_weight = found->total_weight = weight;
			found->count = found->unequal = 0;
		} else if (mine == least) {
			found->count++;
			found->total_weight += weight;
			found->unequal |= weight ^ found->best_weight;
		}
	}
	if (found->count == 0 || !found->best_weight)
		return found->best;
	found->left = spread_point(next_position(director), found->total_weight, found->unequal ? 0 : found->best_weight);
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		struct server *server;

		if (i >= pool->head.count)
			break;
		server = candidate_server(pool, i, now, &weight);
		if (!server || (__u64)(server->active + extra) * found->best_weight != (__u64)found->best_load * weight)
			continue;
		found->left -= weight;
		if (found->left < 0)
			return i;
	}
	/* Another CPU changed a count between the two passes. */
	return found->best;
}

__noinline __u32 pick_idle_first(__u32 pool_index, __u32 director, __u32 now)
{
	struct pool *pool = pool_at(pool_index);
	struct pick_state *found = fresh_pick();
	__u32 weight = 0, idle;

	if (!pool || !found)
		return NOBODY;
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		struct server *server;

		if (i >= pool->head.count)
			break;
		server = candidate_server(pool, i, now, &weight);
		if (server && server->active == 0)
			found->count++;
	}
	idle = found->count;
	if (idle == 0)
		return pick_least(pool_index, director, now, 1);
	return pick_spread(pool_index, now, idle == 1 ? 0 : next_position(director), 1);
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

/* Overloaded as in IPVS: more sessions than weight while some other has fewer than half its weight. */
__noinline __u32 is_overloaded(__u32 slot, __u32 pool_index, __u32 now)
{
	struct server *server = server_at(slot);
	struct pool *pool = pool_at(pool_index);
	__u32 weight = 0;

	if (!server || !pool || server->active <= server->weight)
		return 0;
	for (__u32 i = 0; i < MAX_CANDIDATES; i++) {
		struct server *other;

		if (i >= pool->head.count)
			break;
		other = candidate_server(pool, i, now, &weight);
		if (other && other->active * 2 < weight)
			return 1;
	}
	return 0;
}

/* Returns the least loaded usable member's slot, or NOBODY; lets a set that did not change for a day lose its busiest member. */
static __always_inline __u32 locality_member(struct locality *kept, __u32 director, __u32 now, __u32 replication)
{
	struct pick_state *found = fresh_pick();
	__u32 busiest;

	if (!found)
		return NOBODY;
	for (int i = 0; i < LOCALITY_MEMBERS; i++) {
		__u32 slot = kept->members[i];
		struct server *server;

		if (slot == 0)
			continue;
		found->count++;
		server = server_at(slot - 1);
		if (!server)
			continue;
		if (found->busy_weight == 0 || (__u64)server->active * found->busy_weight > (__u64)found->busy_load * server->weight) {
			found->busiest = i;
			found->busy_load = server->active;
			found->busy_weight = server->weight;
		}
		if (!is_usable(server, director, now))
			continue;
		if (found->best == NOBODY || (__u64)server->active * found->best_weight < (__u64)found->best_load * server->weight) {
			found->best = slot - 1;
			found->best_load = server->active;
			found->best_weight = server->weight;
		}
	}
	busiest = found->busiest;
	if (replication && found->count > 1 && now - kept->changed > REPLICATION_SHRINK_TICKS && busiest < LOCALITY_MEMBERS) {
		kept->members[busiest] = 0;
		kept->changed = now;
	}
	return found->best;
}

static __always_inline void join_set(struct locality *kept, __u32 slot, __u32 now)
{
	__u32 room = LOCALITY_MEMBERS;

	for (__u32 i = 0; i < LOCALITY_MEMBERS; i++) {
		if (kept->members[i] == slot + 1)
			return;
		if (kept->members[i] == 0)
			room = i;
	}
	if (room < LOCALITY_MEMBERS) {
		kept->members[room] = slot + 1;
		kept->changed = now;
	}
}

/*
 * IPVS lblc and lblcr, as src/balance/locality.ts: the destination's server, or the least loaded of its servers, until that is overloaded.
 * Returns a server slot, unlike the others. A set holds LOCALITY_MEMBERS servers at most.
 */
__noinline __u32 pick_locality(__u32 pool_index, __u32 director, __u32 now, __u32 replication)
{
	struct pool *pool = pool_at(pool_index);
	struct director *d = director_at(director);
	struct locality_key key = {};
	struct locality *kept, fresh = {};
	__u32 slot, chosen;

	if (!pool || !d)
		return NOBODY;
	key.director = director;
	key.dest_hash = d->dest_hash;
	kept = bpf_map_lookup_elem(&localities, &key);
	if (kept) {
		slot = locality_member(kept, director, now, replication);
		if (slot != NOBODY && !is_overloaded(slot, pool_index, now))
			return slot;
	}
	chosen = pick_least(pool_index, director, now, 0);
	if (chosen >= MAX_CANDIDATES)
		return NOBODY;
	slot = pool->candidates[chosen].server;
	if (kept && replication) {
		join_set(kept, slot, now);
		return slot;
	}
	fresh.members[0] = slot + 1;
	fresh.changed = now;
	bpf_map_update_elem(&localities, &key, &fresh, BPF_ANY);
	return slot;
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
	struct persist_key key = { .director = director };
	struct persist *value;
	struct server *server;
	__u8 bits = p->family == 6 ? d->prefix6 : d->prefix4;

	copy_address(key.addr_be, p->src);
	if (p->family == 6) {
#pragma unroll
		for (int i = 0; i < 4; i++) {
			int left = bits - 32 * i;

			if (left <= 0)
				key.addr_be[i] = 0;
			else if (left < 32)
				key.addr_be[i] &= bpf_htonl(0xffffffffu << (32 - left));
		}
	} else if (bits < 32) {
		key.addr_be[3] &= bits == 0 ? 0 : bpf_htonl(0xffffffffu << (32 - bits));
	}
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
