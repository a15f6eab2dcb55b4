/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* IPVS lblc and lblcr: a VIP's server, or set of servers, until it is overloaded; result for result src/balance/locality.ts. */
#ifndef WEIR_LOCALITY_H
#define WEIR_LOCALITY_H

#include "least.h"

/* IPVS sysctl_lblcr_expiration, 24 h, in ticks. */
#define REPLICATION_SHRINK_TICKS 82397461u
#define LOCALITY_MEMBERS 16

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

#endif
