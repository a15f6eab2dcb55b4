/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* A UDP datagram from its four-tuple to the wire. The order of things: ARCHITECTURE of it all is in src/engine/xdp/README.md. */
#ifndef WEIR_UDP_H
#define WEIR_UDP_H

#include "create.h"
#include "way.h"

/* What a live session on a server that is not in plain use means for its client's datagram. */
enum standing { STANDING_GOOD, STANDING_NEW, STANDING_DROPPED };

static __always_inline enum standing standing_of(const struct session *s, const struct server *server, const struct director *d, __u32 record, const struct packet *p)
{
	__u32 policy = server->policy;

	if (policy == POLICY_NONE) {
		policy = d->down_action;
		/* Moving to where it is would cost a record and a port for every datagram of a server that restarts. */
		if (policy == POLICY_MOVE && !has_elsewhere(s->director, s->server, p->now))
			return STANDING_GOOD;
	} else if (policy == POLICY_KEEP && server->policy_until != 0 && reached(p->now, server->policy_until)) {
		policy = POLICY_MOVE;
	}
	if (policy == POLICY_KEEP)
		return STANDING_GOOD;
	if (policy == POLICY_DROP) {
		drop(s->director, DROP_ON_POLICY, p->length);
		return STANDING_DROPPED;
	}
	session_end(record, p->now, true);
	return STANDING_NEW;
}

/* Fills in where a session's datagram to its server goes, and keeps the session's books. */
static __always_inline void towards_server(struct xdp_md *ctx, struct session *s, const struct server *server, const struct director *d, const struct packet *p, struct rewrite *r, __u8 family)
{
	bool answered = s->kind == KIND_TWO_WAY && (s->packets_out || server->mode != MODE_NAT);
	const struct link *link = link_at(s->hop & 0xffff);

	s->last = p->now;
	s->expires = p->now + (answered ? d->replied_ticks : d->unreplied_ticks);
	s->request_us = p->now_us;
	s->packets_in++;
	/* A first fragment may claim any length: what a reply is held against is what came. */
	s->bytes_in += d->amplification && p->present < p->length ? p->present : p->length;
	/* Answers go back to the neighbour the client's last datagram came from: a router that takes over is followed at once. */
	if (!link || link->ifindex != p->ifindex || ((link->vlan_be ^ p->vlan) & bpf_htons(0xfff)))
		s->hop = p->hop | ingress_link(p);
	else if ((s->hop >> 16) != (p->hop >> 16))
		s->hop = p->hop | (s->hop & 0xffff);
	r->src[3] = s->source4_be;
	r->dst[3] = server->addr_be[3];
	if (family == 6) {
#pragma unroll
		for (int i = 0; i < 3; i++) {
			r->src[i] = s->source6_be[i];
			r->dst[i] = server->addr_be[i];
		}
	}
	r->sport = s->source_port_be;
	r->dport = s->server_port_be;
	r->mode = server->mode;
	r->director = s->director;
	r->server = s->server;
	r->hop = way_to(ctx, server, s->server, p->now);
}

/* A datagram that leaves no session: one-way, or over a limit. The source port stays the client's. */
static __always_inline void towards_server_alone(struct xdp_md *ctx, const struct server *server, __u32 slot, const struct packet *p, struct rewrite *r)
{
	copy_address(r->src, server->source_any ? server->source_be : p->src);
	copy_address(r->dst, server->addr_be);
	r->sport = p->sport;
	r->dport = server->port_be ? server->port_be : p->dport;
	r->mode = server->mode;
	r->director = server->director;
	r->server = slot;
	r->hop = way_to(ctx, server, slot, p->now);
}

/* A reply of a request-reply session: one awaited less. */
static __always_inline void answer_awaited(struct globals *g, struct session *s, struct server *server, const struct packet *p)
{
	if (*(volatile __s32 *)&s->awaited > 0) {
		if ((__s32)__sync_fetch_and_add(&s->awaited, -1) <= 0) {
			__sync_fetch_and_add(&s->awaited, 1);
			return;
		}
	} else if (*(volatile __s32 *)&s->awaited_before > 0) {
		if ((__s32)__sync_fetch_and_add(&s->awaited_before, -1) <= 0) {
			__sync_fetch_and_add(&s->awaited_before, 1);
			return;
		}
	} else {
		return;
	}
	if (state_of(s) != SESSION_LIVE)
		return;
	__sync_fetch_and_add(&server->active, -1);
	if (s->awaited == 0 && s->awaited_before == 0)
		s->expires = p->now + g->answered_idle_ticks;
}

/* Fills in where a server's reply goes: XDP_TX. XDP_DROP: it is nobody's any more, or more than its session may carry. */
static __always_inline int towards_client(struct globals *g, struct session *s, struct packet *p, struct rewrite *r, __u8 family)
{
	struct server *server = server_at(s->server);
	struct server_counters *counters = server_counters_at(s->server);
	struct director *d = director_at(s->director);
	__u32 state = state_of(s), asked = s->request_us, factor;
	bool carried;

	if (!server || !counters || !d || (state != SESSION_LIVE && state != SESSION_LINGERING) || reached(p->now, s->expires))
		return drop(NO_DIRECTOR, DROP_UNEXPECTED_REPLY, -1);
	/* The server has answered either way: it is not to be judged silent for what is dropped here. */
	counters->packets_out++;
	counters->bytes_out += p->length;
	if (asked != 0) {
		__u32 bucket = response_bucket(p->now_us - asked);

		s->request_us = 0;
		if (bucket < RESPONSE_BUCKETS)
			counters->responses[bucket]++;
	}
	factor = *(volatile __u32 *)&d->amplification;
	carried = factor == 0 || s->bytes_out + p->length <= s->bytes_in * factor;
	if (carried) {
		s->packets_out++;
		s->bytes_out += p->length;
	}
	if (state == SESSION_LIVE) {
		if (s->kind == KIND_REQUEST_REPLY) {
			answer_awaited(g, s, server, p);
		} else if (carried) {
			s->last = p->now;
			s->expires = p->now + d->replied_ticks;
		}
	}
	if (!carried) {
		/* Without source NAT the kernel would route the fragments after this one to the client. */
		if (p->fragment)
			remember_fragment(p, r, true);
		return drop(s->director, DROP_AMPLIFICATION, -1);
	}
	r->src[3] = s->vip4_be;
	r->dst[3] = s->client4_be;
	if (family == 6) {
#pragma unroll
		for (int i = 0; i < 3; i++) {
			r->src[i] = s->vip6_be[i];
			r->dst[i] = s->client6_be[i];
		}
	}
	r->sport = s->vip_port_be;
	r->dport = s->client_port_be;
	r->mode = MODE_NAT;
	r->director = s->director;
	r->server = s->server;
	r->hop = s->hop;
	return XDP_TX;
}

/* Decides about a datagram. Returns XDP_TX for "send it as `r` says", else the verdict. */
static __always_inline int decide(struct xdp_md *ctx, struct packet *p, struct rewrite *r, __u8 family)
{
	struct globals *g = global();
	enum direction direction = DIRECTION_FORWARD;
	struct server_counters *counters;
	struct director *d;
	struct session *s;
	struct server *server;
	__u32 record = 0, slot;
	__u64 outcome;

	if (!g)
		return XDP_PASS;
	s = index_find(g, (const struct tuple *)p, tuple_hash(g->seed, p->src, p->dst, p->sport, p->dport, family, 0), family, &direction, &record);
	if (s && direction == DIRECTION_REPLY)
		return towards_client(g, s, p, r, family);
	if (s && state_of(s) == SESSION_LIVE) {
		server = server_at(s->server);
		d = director_at(s->director);
		if (!server || !d)
			return XDP_PASS;
		if (reached(p->now, s->expires)) {
			session_end(record, p->now, false);
		} else if (server->policy != POLICY_NONE || is_blocked(server, p->now)) {
			switch (standing_of(s, server, d, record, p)) {
			case STANDING_GOOD: goto forward;
			case STANDING_DROPPED: return XDP_DROP;
			case STANDING_NEW: break;
			}
		} else {
			goto forward;
		}
	}
	outcome = new_flow(p);
	switch (outcome >> 32) {
	case OUTCOME_PASS:
		return XDP_PASS;
	case OUTCOME_STATELESS:
		slot = outcome;
		server = server_at(slot);
		counters = server_counters_at(slot);
		if (!server || !counters)
			return XDP_DROP;
		counters->packets_in++;
		counters->bytes_in += p->length;
		towards_server_alone(ctx, server, slot, p, r);
		return XDP_TX;
	case OUTCOME_SESSION:
		record = outcome;
		s = session_at(record);
		if (!s)
			return XDP_DROP;
		server = server_at(s->server);
		d = director_at(s->director);
		if (!server || !d)
			return XDP_DROP;
		if (s->kind == KIND_REQUEST_REPLY) {
			__sync_fetch_and_add(&s->awaited, d->replies);
			__sync_fetch_and_add(&server->active, d->replies);
		}
		goto forward;
	default:
		return XDP_DROP;
	}

forward:
	counters = server_counters_at(s->server);
	if (!counters)
		return XDP_DROP;
	counters->packets_in++;
	counters->bytes_in += p->length;
	towards_server(ctx, s, server, d, p, r, family);
	return XDP_TX;
}

#endif
