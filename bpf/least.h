/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Algorithms that walk over all candidates: shares by weight (src/balance/spread.ts), the least loaded, the idle first. */
#ifndef WEIR_LEAST_H
#define WEIR_LEAST_H

#include "candidates.h"

/* spreadPoint() of src/balance/spread.ts. */
static __always_inline __u32 spread_point(__u32 position, __u32 total, __u32 step)
{
	if (step)
		return position % (total / step) * step;
	return (__u64)(position * 0x9e3779b1u) * total >> 32;
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

#endif
