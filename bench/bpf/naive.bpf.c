// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * The subject `naive`: the NAT one writes first. One LRU hash for both directions, a FIB lookup a packet, no time-outs, no policies, no
 * counters. A sanity peer: a data plane that does all of that may cost more than this, or be cleverer.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "forward.h"

#define MAX_SERVERS 256
#define SESSIONS (1 << 21)
#define FIRST_PORT 1024
#define PORTS 64512
#define PORT_TRIES 16

struct naive_config {
	/* Network order. */
	__u32 vip;
	__u16 port;
	__u16 spare;
	__u32 servers;
	__u32 server_ip[MAX_SERVERS];
	__u16 server_port[MAX_SERVERS];
};
_Static_assert(sizeof(struct naive_config) == 12 + 6 * MAX_SERVERS, "bench/subjects/xdp-programs.ts: naiveConfig");

struct tuple {
	__u32 saddr;
	__u32 daddr;
	__u16 sport;
	__u16 dport;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct naive_config);
} naive_config_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2 * SESSIONS);
	__type(key, struct tuple);
	__type(value, struct tuple);
} session_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turn_map SEC(".maps");

static __always_inline void adjust(__u16 *check, __u32 from, __u32 to)
{
	__u32 sum = (__u16)~*check;

	sum += (__u16)~(from & 0xffff);
	sum += (__u16)~(from >> 16);
	sum += to & 0xffff;
	sum += to >> 16;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*check = ~sum;
}

static __always_inline void rewrite(struct packet *packet, const struct tuple *from, const struct tuple *to)
{
	adjust(&packet->ip->check, from->saddr, to->saddr);
	adjust(&packet->ip->check, from->daddr, to->daddr);
	if (packet->udp->check) {
		adjust(&packet->udp->check, from->saddr, to->saddr);
		adjust(&packet->udp->check, from->daddr, to->daddr);
		adjust(&packet->udp->check, from->sport | (__u32)from->dport << 16, to->sport | (__u32)to->dport << 16);
		if (!packet->udp->check)
			packet->udp->check = 0xffff;
	}
	packet->ip->saddr = to->saddr;
	packet->ip->daddr = to->daddr;
	packet->udp->source = to->sport;
	packet->udp->dest = to->dport;
}

/* Chooses the next server and a port of the VIP towards it; false when every port tried is taken. */
static __always_inline bool begin(const struct naive_config *config, const struct tuple *from, struct tuple *to)
{
	__u32 zero = 0, *turn = bpf_map_lookup_elem(&turn_map, &zero), server;

	if (!turn || !config->servers)
		return false;
	server = (*turn)++ % config->servers;
	if (server >= MAX_SERVERS)
		return false;
	to->saddr = config->vip;
	to->daddr = config->server_ip[server];
	to->dport = config->server_port[server];
	for (int i = 0; i < PORT_TRIES; i++) {
		struct tuple reply, back;

		to->sport = bpf_htons(FIRST_PORT + bpf_get_prandom_u32() % PORTS);
		reply = (struct tuple){ to->daddr, to->saddr, to->dport, to->sport };
		back = (struct tuple){ config->vip, from->saddr, config->port, from->sport };
		if (bpf_map_update_elem(&session_map, &reply, &back, BPF_NOEXIST))
			continue;
		return bpf_map_update_elem(&session_map, from, to, BPF_ANY) == 0;
	}
	return false;
}

SEC("xdp")
int naive(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct naive_config *config = bpf_map_lookup_elem(&naive_config_map, &zero);
	struct packet packet;
	struct tuple from, to, *known;

	if (!config || !parse(ctx, &packet) || packet.ip->daddr != config->vip)
		return XDP_PASS;
	from = (struct tuple){ packet.ip->saddr, packet.ip->daddr, packet.udp->source, packet.udp->dest };
	known = bpf_map_lookup_elem(&session_map, &from);
	if (known) {
		to = *known;
	} else {
		if (packet.udp->dest != config->port)
			return XDP_PASS;
		if (!begin(config, &from, &to))
			return XDP_DROP;
	}
	rewrite(&packet, &from, &to);
	return forward(ctx, &packet);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
