/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The life of a session record: free -> claimed -> live -> lingering or resting -> free. Whoever wins the compare-and-swap of its state
 * does the accounting of that step, be it a datagram, the sweep or a command.
 */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include "index.h"
#include "persist.h"
#include "stats.h"

#define STATE_MASK 0xffu
#define GENERATION 0x100u

/* Why no session could be made: not drop reasons, so negative. */
#define NO_RECORD 0xffffffffu

static __always_inline __u32 state_of(const struct session *s)
{
	return *(volatile const __u32 *)&s->state & STATE_MASK;
}

/* Moves the record on from one state; false when somebody else did. */
static __always_inline bool advance(struct session *s, __u32 word, __u32 to)
{
	return __sync_val_compare_and_swap(&s->state, word, (word & ~STATE_MASK) | to) == word;
}

static __always_inline void session_addresses(const struct session *s, __u32 *client, __u32 *vip, __u32 *source)
{
#pragma unroll
	for (int i = 0; i < 3; i++) {
		client[i] = s->client6_be[i];
		vip[i] = s->vip6_be[i];
		source[i] = s->source6_be[i];
	}
	client[3] = s->client4_be;
	vip[3] = s->vip4_be;
	source[3] = s->source4_be;
}

/* Takes the forward slot of a session out of the index: from now on its client's datagrams find nothing. */
static __always_inline void unlink_forward(const struct globals *g, const struct session *s, __u32 record)
{
	__u32 client[4], vip[4], source[4];
	__u64 hash;

	session_addresses(s, client, vip, source);
	hash = tuple_hash(g->seed, client, vip, s->client_port_be, s->vip_port_be, s->family, s->kind == KIND_REQUEST_REPLY ? s->server + 1 : 0);
	index_remove(g, hash, slot_of(hash, record, DIRECTION_FORWARD));
}

static __always_inline void unlink_reply(const struct globals *g, const struct session *s, const struct server *server, __u32 record)
{
	__u32 client[4], vip[4], source[4], address[4];
	__u64 hash;

	session_addresses(s, client, vip, source);
	copy_address(address, server->addr_be);
	hash = tuple_hash(g->seed, address, source, s->server_port_be, s->source_port_be, s->family, 0);
	index_remove(g, hash, slot_of(hash, record, DIRECTION_REPLY));
}

/* Keeps the client's address bound to its server, for as long as the director says after the session's last datagram. */
__noinline int persist(__u32 record)
{
	struct session *s = session_at(record);
	struct persist_key key = {};
	struct persist value = {};
	struct director *d;
	__u32 client[4], vip[4], source[4];

	if (!s)
		return 0;
	d = director_at(s->director);
	if (!d)
		return 0;
	session_addresses(s, client, vip, source);
	persist_key_of(&key, d, s->director, client, s->family);
	value.server = s->server;
	value.until = s->last + d->persistence_ticks;
	return bpf_map_update_elem(&persists, &key, &value, BPF_ANY) == 0;
}

/*
 * Ends a live session: out of every count, its forward slot gone; its reply tuple stays taken while it lingers and rests.
 * `linger`: replies that are on their way still reach the client. False when it was not live, or somebody else ended it first.
 */
__noinline int session_end(__u32 record, __u32 now, __u32 linger)
{
	struct globals *g = global();
	struct session *s = session_at(record);
	struct server_counters *counters;
	struct server *server;
	struct director *d;
	__u32 word, awaited, rest;

	if (!g || !s)
		return false;
	word = *(volatile __u32 *)&s->state;
	server = server_at(s->server);
	d = director_at(s->director);
	counters = server_counters_at(s->server);
	if ((word & STATE_MASK) != SESSION_LIVE || !server || !d || !counters)
		return false;
	rest = g->rest_ticks;
	if (!advance(s, word, SESSION_CLAIMED))
		return false;
	unlink_forward(g, s, record);
	awaited = __sync_lock_test_and_set(&s->awaited, 0) + __sync_lock_test_and_set(&s->awaited_before, 0);
	__sync_fetch_and_add(&server->live, -1);
	__sync_fetch_and_add(&d->sessions, -1);
	__sync_fetch_and_add(&g->sessions, -1);
	if (s->kind == KIND_REQUEST_REPLY) {
		__sync_fetch_and_add(&server->active, -awaited);
		if (awaited == 0 && s->packets_out > 0)
			rest = g->rest_answered_ticks;
	} else {
		__sync_fetch_and_add(&server->active, -1);
	}
	if (linger) {
		counters->moved++;
	} else if (server->mode == MODE_NAT) {
		if (awaited > 0)
			counters->unanswered += awaited;
		else if (s->packets_out == 0)
			counters->unanswered++;
	}
	if (d->persistence_ticks && !linger && server->policy == POLICY_NONE)
		persist(record);
	s->expires = now + (linger ? g->linger_ticks : rest);
	/* The full word, so that nobody took it for live in between: claimed is nobody's but ours. */
	__sync_lock_test_and_set(&s->state, (word & ~STATE_MASK) | (linger ? SESSION_LINGERING : SESSION_RESTING));
	return true;
}

/* Frees a record that has rested; the caller has claimed it. */
__noinline int session_release(__u32 record)
{
	struct globals *g = global();
	struct session *s = session_at(record);
	struct server *server;

	if (!g || !s)
		return 0;
	server = server_at(s->server);
	if (!server)
		return 0;
	if (s->source_port_be)
		unlink_reply(g, s, server, record);
	__sync_fetch_and_add(&server->refs, -1);
	__sync_fetch_and_add(&g->records, -1);
	return 1;
}

/*
 * Takes one step with a record whose time has come: live ends, lingering rests, resting is freed. Returns 1 for ended, 2 for freed
 * (the record is then claimed by the caller when `claim`), 0 for nothing to do.
 */
static __always_inline int session_age(struct globals *g, struct session *s, __u32 record, __u32 now, bool claim)
{
	__u32 word = *(volatile __u32 *)&s->state;

	if (!reached(now, s->expires))
		return 0;
	switch (word & STATE_MASK) {
	case SESSION_LIVE:
		return session_end(record, now, false) ? 1 : 0;
	case SESSION_LINGERING:
		if (!advance(s, word, SESSION_CLAIMED))
			return 0;
		s->expires = now + g->rest_ticks;
		__sync_lock_test_and_set(&s->state, (word & ~STATE_MASK) | SESSION_RESTING);
		return 0;
	case SESSION_RESTING:
		if (!advance(s, word, SESSION_CLAIMED))
			return 0;
		session_release(record);
		if (!claim)
			__sync_lock_test_and_set(&s->state, (word & ~STATE_MASK) | SESSION_FREE);
		return 2;
	}
	return 0;
}

/*
 * Returns a claimed record, or NO_RECORD when none of those looked at is free. Records are tried in turn below `limit`, which doubles
 * with need: few sessions stay close together in memory. A table nine tenths full refuses one in four million. Expired ones on the way are aged, so a table nobody sweeps does not fill up.
 * Sessions that were made together may last together and fill a stretch of any length, so a table that cannot grow is looked at in nine places: jumps of
 * five eighths come to each eighth of it, and a stretch of less than seven refuses nobody.
 */
__noinline __u32 session_claim(__u32 now)
{
	struct globals *g = global();
	__u32 record, limit;

	if (!g)
		return NO_RECORD;
	for (int i = 0; i < FULL_PROBES; i++) {
		struct session *s;
		__u32 word;

		limit = g->limit;
		if (i == ALLOC_PROBES && limit < g->capacity) {
			/* Whoever doubles it first; the others try there too. */
			if (__sync_val_compare_and_swap(&g->limit, limit, limit * 2) == limit)
				g->cursor = limit;
			limit = g->limit;
		} else if (i != 0 && i % ALLOC_PROBES == 0) {
			__sync_fetch_and_add(&g->cursor, limit / 2 + limit / 8);
		}
		record = __sync_fetch_and_add(&g->cursor, 1) & (limit - 1);
		s = session_at(record);
		if (!s)
			return NO_RECORD;
		word = *(volatile __u32 *)&s->state;
		if ((word & STATE_MASK) == SESSION_FREE) {
			if (advance(s, word, SESSION_CLAIMED))
				return record;
			continue;
		}
		if (session_age(g, s, record, now, true) == 2)
			return record;
	}
	return NO_RECORD;
}

/* Gives a claimed record back that never became live. */
static __always_inline void session_unclaim(struct session *s)
{
	__u32 word = *(volatile __u32 *)&s->state;

	__sync_lock_test_and_set(&s->state, (word & ~STATE_MASK) + GENERATION);
}

#endif
