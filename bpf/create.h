/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* New sessions: a record, a source port whose reply tuple nobody has, two slots in the index. */
#ifndef WEIR_CREATE_H
#define WEIR_CREATE_H

#include "pick.h"
#include "session.h"

/* What became of a datagram without a session: the kind in the high half, a record, slot or drop reason in the low one. */
enum outcome { OUTCOME_SESSION, OUTCOME_STATELESS, OUTCOME_PASS, OUTCOME_DROPPED };
#define OUTCOME(kind, value) ((__u64)(kind) << 32 | (__u32)(value))

#define NOT_TAKEN 0xffffffffu

/* Returns another record whose reply tuple is that of `p`, or NOT_TAKEN. */
__noinline __u32 reply_taken(struct tuple *p, __u64 hash, __u32 own)
{
	struct globals *g = global();
	__u32 tag = (__u32)(hash >> 32) & SLOT_TAG;

	if (!p || !g)
		return NOT_TAKEN;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 2 * BUCKET_SLOTS; i++) {
		struct bucket *bucket = i < BUCKET_SLOTS ? first_bucket(g, hash) : second_bucket(g, hash);
		struct session *other;
		__u64 slot;
		__u32 record;

		if (!bucket)
			return NOT_TAKEN;
		slot = *(volatile __u64 *)&bucket->slot[i & (BUCKET_SLOTS - 1)];
		if ((__u32)(slot >> 32) != (tag | SLOT_REPLY) || slot == 0)
			continue;
		record = (__u32)slot - 1;
		if (record == own)
			continue;
		other = session_at(record);
		if (other && matches_reply(other, p, p->family))
			return record;
	}
	return NOT_TAKEN;
}

/* Frees a resting record of this session's own client, VIP and server: what that server still sends is for the very same. False: it is another's. */
static __always_inline bool take_over(__u32 other, const struct session *s)
{
	struct session *old = session_at(other);
	__u32 word;

	if (!old)
		return false;
	word = *(volatile __u32 *)&old->state;
	if ((word & STATE_MASK) != SESSION_RESTING || old->server != s->server || old->client_port_be != s->client_port_be || old->vip_port_be != s->vip_port_be ||
	    old->client4_be != s->client4_be || old->vip4_be != s->vip4_be)
		return false;
#pragma unroll
	for (int i = 0; i < 3; i++)
		if (old->client6_be[i] != s->client6_be[i] || old->vip6_be[i] != s->vip6_be[i])
			return false;
	if (!advance(old, word, SESSION_CLAIMED))
		return false;
	session_release(other);
	__sync_lock_test_and_set(&old->state, (word & ~STATE_MASK) | SESSION_FREE);
	return true;
}

/*
 * Gives the session a source port towards its server and its slot for replies. Two CPUs that choose the same port at once both see the
 * other's slot, and whoever sees one gives way: a port is never two sessions', at worst both try the next. False when no port tried was free.
 */
__noinline int claim_source(struct packet *p, __u32 record, __u32 slot)
{
	struct globals *g = global();
	struct session *s = session_at(record);
	struct server *server = server_at(slot);
	struct tuple *reply;
	__u32 range, first, tries = 0, turn = 0;

	if (!p || !g || !s || !server)
		return 0;
	reply = &p->reply;
	first = server->port_first;
	range = server->port_last >= first ? server->port_last - first + 1 : 1;
	copy_address(reply->src, server->addr_be);
	reply->sport = s->server_port_be;
	reply->family = s->family;
	for (tries = 0; tries < PORT_PROBES; tries++) {
		__u64 hash, mine;
		__u32 other;

		if (server->source_any == 0 && tries == 0) {
			/* No source NAT: the client's own port, where nobody has it. */
			s->source_port_be = s->client_port_be;
		} else {
			/*
			 * In turn, so that a port rests as long as it can. After a second collision in a wide range on from anywhere: what is taken
			 * lies in one block where another director has the same server, or this one had it before.
			 */
			if (tries < 2 || range <= 4 * PORT_PROBES)
				turn = __sync_fetch_and_add(&server->port_next, 1);
			else
				turn = tries == 2 ? bpf_get_prandom_u32() : turn + 1;
			s->source_port_be = bpf_htons(first + turn % range);
			if (server->source_count > 1)
				s->source4_be = bpf_htonl(bpf_ntohl(server->source_be[3]) + turn / range % server->source_count);
		}
		if (s->source_port_be == 0)
			continue;
		reply->dst[0] = s->source6_be[0];
		reply->dst[1] = s->source6_be[1];
		reply->dst[2] = s->source6_be[2];
		reply->dst[3] = s->source4_be;
		reply->dport = s->source_port_be;
		hash = tuple_hash(g->seed, reply->src, reply->dst, reply->sport, reply->dport, reply->family, 0);
		other = reply_taken(reply, hash, record);
		if (other != NOT_TAKEN && (server->source_any || tries || !take_over(other, s)))
			continue;
		mine = slot_of(hash, record, DIRECTION_REPLY);
		if (!index_insert(g, hash, mine))
			continue;
		if (reply_taken(reply, hash, record) == NOT_TAKEN)
			return 1;
		index_remove(g, hash, mine);
	}
	s->source_port_be = 0;
	return 0;
}

/* The id of the link the datagram came in by; 0: none that we know. */
static __always_inline __u32 ingress_link(const struct packet *p)
{
	struct vlan_key key = { .ifindex = p->ifindex, .vlan = bpf_ntohs(p->vlan) & 0xfff };
	__u32 *id = key.vlan == 0 ? bpf_map_lookup_elem(&link_ids, &key.ifindex) : bpf_map_lookup_elem(&vlan_links, &key);

	return id ? *id & 0xffff : 0;
}

/* Fills a claimed record from the datagram; what the server sees comes with claim_source. */
static __always_inline void fill_session(struct session *s, const struct packet *p, const struct director *d, const struct server *server, __u32 director, __u32 slot)
{
	s->client4_be = p->src[3];
	s->vip4_be = p->dst[3];
	s->client_port_be = p->sport;
	s->vip_port_be = p->dport;
	s->source4_be = server->source_any ? server->source_be[3] : p->src[3];
#pragma unroll
	for (int i = 0; i < 3; i++) {
		s->client6_be[i] = p->src[i];
		s->vip6_be[i] = p->dst[i];
		s->source6_be[i] = server->source_any ? server->source_be[i] : p->src[i];
	}
	s->source_port_be = 0;
	s->server_port_be = server->port_be ? server->port_be : p->dport;
	s->server = slot;
	s->director = director;
	s->last = s->created = p->now;
	s->expires = p->now + (d->mode == MODE_NAT ? d->unreplied_ticks : d->replied_ticks);
	s->request_us = 0;
	s->packets_in = s->packets_out = 0;
	s->bytes_in = s->bytes_out = 0;
	s->awaited = s->awaited_before = 0;
	s->epoch = p->now + d->unreplied_ticks;
	s->family = p->family;
	s->kind = d->kind;
	s->hop = p->hop | ingress_link(p);
}

/* Makes a session of the datagram's client with this server. Returns its record, or a drop reason behind OUTCOME_DROPPED (not counted yet). */
__noinline __u64 session_new(struct packet *p, __u32 director, __u32 slot)
{
	struct globals *g = global();
	struct director *d = director_at(director);
	struct server *server = server_at(slot);
	struct server_counters *counters = server_counters_at(slot);
	struct session *s;
	__u32 record, word, reason = DROP_TABLE_FULL;
	__u64 hash;

	if (!p || !g || !d || !server || !counters)
		return OUTCOME(OUTCOME_DROPPED, DROP_NO_SERVER);
	if (__sync_fetch_and_add(&d->sessions, 1) >= d->max) {
		reason = DROP_SESSION_MAX;
		goto uncount;
	}
	record = session_claim(p->now);
	s = session_at(record);
	if (record == NO_RECORD || !s)
		goto uncount;
	fill_session(s, p, d, server, director, slot);
	if (server->mode == MODE_NAT && !claim_source(p, record, slot)) {
		reason = DROP_NO_PORT;
		goto unclaim;
	}
	hash = tuple_hash(g->seed, p->src, p->dst, p->sport, p->dport, p->family, d->kind == KIND_REQUEST_REPLY ? slot + 1 : 0);
	if (!index_insert(g, hash, slot_of(hash, record, DIRECTION_FORWARD))) {
		if (s->source_port_be)
			unlink_reply(g, s, server, record);
		goto unclaim;
	}
	__sync_fetch_and_add(&server->refs, 1);
	__sync_fetch_and_add(&server->live, 1);
	if (d->kind == KIND_TWO_WAY)
		__sync_fetch_and_add(&server->active, 1);
	__sync_fetch_and_add(&g->sessions, 1);
	__sync_fetch_and_add(&g->records, 1);
	counters->created++;
	if (d->persistence_ticks)
		persist(record);
	word = *(volatile __u32 *)&s->state;
	__sync_lock_test_and_set(&s->state, ((word & ~STATE_MASK) + GENERATION) | SESSION_LIVE);
	return OUTCOME(OUTCOME_SESSION, record);

unclaim:
	session_unclaim(s);
uncount:
	__sync_fetch_and_add(&d->sessions, -1);
	return OUTCOME(OUTCOME_DROPPED, reason);
}

#define TICKS_A_SECOND 954 /* 10^9 / 2^20 */

/* True when one more new session keeps to the rate of its source and to that of its director; both count in whole seconds since boot. */
static __always_inline bool within_rates(struct director *d, const struct packet *p, __u32 director)
{
	__u32 second = p->now / TICKS_A_SECOND;

	if (d->source_rate) {
		struct source_key key = { .director = director };
		struct source fresh = { .second = second, .count = 1 }, *seen;

		copy_address(key.addr_be, p->src);
		if (p->family == 6)
			key.addr_be[2] = key.addr_be[3] = 0;
		seen = bpf_map_lookup_elem(&sources, &key);
		if (!seen) {
			bpf_map_update_elem(&sources, &key, &fresh, BPF_ANY);
		} else if (seen->second != second) {
			seen->second = second;
			seen->count = 1;
		} else if (__sync_fetch_and_add(&seen->count, 1) >= d->source_rate) {
			return false;
		}
	}
	if (d->rate) {
		if (d->rate_second != second) {
			d->rate_second = second;
			d->rate_count = 0;
		}
		if (__sync_fetch_and_add(&d->rate_count, 1) >= d->rate)
			return false;
	}
	return true;
}

/* True when traffic to this server needs no session for its replies: they do not come back through here. */
static __always_inline bool stateless_works(const struct server *server)
{
	return server->mode != MODE_NAT;
}

/*
 * Which server takes the datagrams of a flow that can have no session: the same for all of them. The one chosen, where the choice goes by
 * what a flow keeps (maglev and the hashes, failover); else by the flow's hash.
 */
static __always_inline __u32 flow_slot(const struct packet *p, const struct director *d, __u32 chosen)
{
	struct pool *pool = pool_at(d->pool);
	__u32 i;

	if (!pool || (pool->head.algorithm >= ALGORITHM_FIRST && pool->head.algorithm <= ALGORITHM_FLOW))
		return chosen;
	i = pick_spread(d->pool, p->now, hash_flow(p->src, p->family, p->sport), 0);
	return i < MAX_CANDIDATES ? pool->candidates[i].server : chosen;
}

/* The outstanding request of a client at this server (request-reply), or NO_RECORD. */
__noinline __u32 find_request(struct packet *p, __u32 slot)
{
	struct globals *g = global();
	__u64 hash;
	__u32 tag;

	if (!p || !g)
		return NO_RECORD;
	hash = tuple_hash(g->seed, p->src, p->dst, p->sport, p->dport, p->family, slot + 1);
	tag = (__u32)(hash >> 32) & SLOT_TAG;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 2 * BUCKET_SLOTS; i++) {
		struct bucket *bucket = i < BUCKET_SLOTS ? first_bucket(g, hash) : second_bucket(g, hash);
		struct session *s;
		__u64 found;
		__u32 record;

		if (!bucket)
			return NO_RECORD;
		found = *(volatile __u64 *)&bucket->slot[i & (BUCKET_SLOTS - 1)];
		if ((__u32)(found >> 32) != tag || found == 0)
			continue;
		record = (__u32)found - 1;
		s = session_at(record);
		if (s && s->server == slot && matches_forward(s, (const struct tuple *)p, p->family))
			return record;
	}
	return NO_RECORD;
}

/* Which director a datagram belongs to, or NOBODY. */
static __always_inline __u32 director_of(const struct packet *p)
{
	struct vip_key key = { .prefix_bits = 144, .port_be = p->dport };
	__u32 *found;

	if (p->family == 4) {
		key.addr_be[2] = bpf_htonl(0xffff);
		key.addr_be[3] = p->dst[3];
	} else {
		copy_address(key.addr_be, p->dst);
	}
	found = bpf_map_lookup_elem(&vips, &key);
	return found ? *found : NOBODY;
}

/* What to do with a client's datagram that has no session: the slow path, once a session (request-reply and one-way: once a datagram). */
__noinline __u64 new_flow(struct packet *p)
{
	struct director *d;
	struct server *server;
	struct session *s;
	__u32 director, slot, record;
	__u64 made;

	if (!p)
		return OUTCOME(OUTCOME_PASS, 0);
	director = director_of(p);
	d = director_at(director);
	if (!d)
		return OUTCOME(OUTCOME_PASS, 0);
	slot = choose(p, director);
	server = server_at(slot);
	if (!server) {
		drop(director, DROP_NO_SERVER, p->length);
		return OUTCOME(OUTCOME_DROPPED, DROP_NO_SERVER);
	}
	if (d->kind == KIND_ONE_WAY)
		return OUTCOME(OUTCOME_STATELESS, slot);
	if (d->kind == KIND_REQUEST_REPLY) {
		record = find_request(p, slot);
		s = session_at(record);
		if (record != NO_RECORD && s && state_of(s) == SESSION_LIVE) {
			if (!reached(p->now, s->expires))
				return OUTCOME(OUTCOME_SESSION, record);
			session_end(record, p->now, false);
		}
	}
	if (!within_rates(d, p, director)) {
		struct drop_counters *counters = drop_counters_at(director);

		if (counters)
			counters->limited++;
		made = OUTCOME(OUTCOME_DROPPED, DROP_RATE_LIMIT);
	} else {
		made = session_new(p, director, slot);
	}
	if (made >> 32 != OUTCOME_DROPPED)
		return made;
	if (stateless_works(server) && (__u32)made != DROP_SESSION_MAX) {
		struct drop_counters *counters = drop_counters_at(director);

		if (counters)
			counters->stateless++;
		return OUTCOME(OUTCOME_STATELESS, flow_slot(p, d, slot));
	}
	drop(director, (__u32)made, p->length);
	return made;
}

#endif
