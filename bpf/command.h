/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What the control plane asks for, run by BPF_PROG_TEST_RUN: the sweep, ending sessions, moving them. No table is ever copied out. */
#ifndef WEIR_COMMAND_H
#define WEIR_COMMAND_H

#include "create.h"

#define SWEPT_LIVE 1
#define SWEPT_ENDED 2
#define SWEPT_FREED 4

/* Requests unanswered for a whole epoch are given up: leastconn must not count the lost for ever. */
static __always_inline void turn_epoch(struct session *s, struct server *server, const struct director *d, __u32 now)
{
	struct server_counters *counters = server_counters_at(s->server);
	__u32 lost;

	if (!counters || !reached(now, s->epoch))
		return;
	lost = __sync_lock_test_and_set(&s->awaited_before, 0);
	if (lost) {
		counters->unanswered += lost;
		__sync_fetch_and_add(&server->active, -lost);
	}
	__sync_fetch_and_add(&s->awaited_before, __sync_lock_test_and_set(&s->awaited, 0));
	s->epoch = now + d->unreplied_ticks;
}

/* Looks at one record; returns SWEPT_ bits. */
__noinline __u32 sweep_one(__u32 record, __u32 now)
{
	struct globals *g = global();
	struct session *s = session_at(record);
	struct server *server;
	struct director *d;
	__u32 policy;
	int aged;

	if (!g || !s)
		return 0;
	if (state_of(s) == SESSION_FREE)
		return 0;
	aged = session_age(g, s, record, now, false);
	if (aged == 1)
		return SWEPT_ENDED;
	if (aged == 2)
		return SWEPT_FREED;
	if (state_of(s) != SESSION_LIVE)
		return 0;
	server = server_at(s->server);
	d = director_at(s->director);
	if (!server || !d)
		return SWEPT_LIVE;
	policy = server->policy;
	if (policy == POLICY_MOVE || (policy == POLICY_KEEP && server->policy_until != 0 && reached(now, server->policy_until)))
		return session_end(record, now, true) ? SWEPT_ENDED : 0;
	/* Not for a server that takes nobody new: its client may be at home elsewhere by now. */
	if (d->persistence_ticks && policy == POLICY_NONE)
		persist(record);
	if (s->kind == KIND_REQUEST_REPLY)
		turn_epoch(s, server, d, now);
	return SWEPT_LIVE;
}

/* Moves one live session to another server, with a source port of its own there; 1 when it is there. */
__noinline __u32 pin_one(__u32 record, __u32 slot, __u32 now)
{
	struct session *s = session_at(record), *moved;
	struct scratch *scratch = scratch_of(SCRATCH_OF_COMMAND);
	struct packet *p;
	__u64 made, hop;
	__u32 director;

	if (!scratch || !s || state_of(s) != SESSION_LIVE)
		return 0;
	p = &scratch->packet;
	if (s->server == slot)
		return 1;
	p->family = s->family;
	p->src[0] = s->client6_be[0];
	p->src[1] = s->client6_be[1];
	p->src[2] = s->client6_be[2];
	p->src[3] = s->client4_be;
	p->dst[0] = s->vip6_be[0];
	p->dst[1] = s->vip6_be[1];
	p->dst[2] = s->vip6_be[2];
	p->dst[3] = s->vip4_be;
	p->sport = s->client_port_be;
	p->dport = s->vip_port_be;
	p->now = now;
	p->ifindex = p->vlan = 0;
	director = s->director;
	hop = s->hop;
	if (!session_end(record, now, true))
		return 0;
	made = session_new(p, director, slot);
	if (made >> 32 != OUTCOME_SESSION)
		return 0;
	moved = session_at((__u32)made);
	if (moved)
		moved->hop = hop;
	return 1;
}

SEC("syscall")
int command(void *unused)
{
	__u32 zero = 0;
	struct command *c = bpf_map_lookup_elem(&commands, &zero);
	__u32 now = tick_of(bpf_ktime_get_ns());
	__u32 done = 0, freed = 0, live = 0;

	if (!c)
		return 0;
	if (c->op == COMMAND_SWEEP) {
		for (__u32 i = 0; i < SWEEP_BATCH; i++) {
			__u32 seen;

			if (i >= c->count)
				break;
			seen = sweep_one(c->first + i, now);
			if (seen & SWEPT_LIVE)
				live++;
			if (seen & SWEPT_ENDED)
				done++;
			if (seen & SWEPT_FREED)
				freed++;
		}
	} else {
		for (__u32 i = 0; i < COMMAND_BATCH; i++) {
			if (i >= c->count)
				break;
			done += c->op == COMMAND_END ? session_end(c->records[i], now, c->linger) : pin_one(c->records[i], c->server, now);
		}
	}
	c->done = done;
	c->freed = freed;
	c->live = live;
	return 0;
}

#endif
