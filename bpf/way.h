/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* The next hop to a server: the kernel's own routes and neighbours, looked up once in a while and kept in the server's entry. */
#ifndef WEIR_WAY_H
#define WEIR_WAY_H

#include "rewrite.h"

/* More than a way is ever kept, in ticks: 69 s. Not `reached`: a server that nobody asked for a month must not get its way of then. */
#define HOP_TICKS_MAX (1u << 16)

/* Returns the way to the server as in struct session's `hop`, 0 when the kernel has none: no route, no neighbour yet, forwarding off. */
__noinline __u64 find_way(struct xdp_md *ctx, __u32 slot, __u32 now)
{
	struct globals *g = global();
	struct server *server = server_at(slot);
	struct bpf_fib_lookup fib = {};
	__u64 hop = 0;
	__u32 *id;
	int result;

	if (!g || !server)
		return 0;
	fib.ifindex = ctx->ingress_ifindex;
	fib.l4_protocol = IPPROTO_UDP;
	if (server->family == 4) {
		fib.family = AF_INET;
		fib.ipv4_dst = server->addr_be[3];
		fib.ipv4_src = server->source_be[3];
	} else {
		fib.family = AF_INET6;
		copy_address(fib.ipv6_dst, server->addr_be);
		copy_address(fib.ipv6_src, server->source_be);
	}
	result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (result == BPF_FIB_LKUP_RET_SUCCESS) {
		id = bpf_map_lookup_elem(&link_ids, &fib.ifindex);
		if (id)
			hop = mac_as_hop(fib.dmac) | (*id & 0xffff);
	}
	server->hop = hop;
	/* One that is not resolved yet is asked for again soon: the neighbour may answer any moment. */
	server->hop_tick = now + (hop ? g->hop_ticks : 1);
	return hop;
}

static __always_inline __u64 way_to(struct xdp_md *ctx, const struct server *server, __u32 slot, __u32 now)
{
	__u64 hop = *(volatile const __u64 *)&server->hop;

	if (hop != 0 && server->hop_tick - now - 1 < HOP_TICKS_MAX)
		return hop;
	return find_way(ctx, slot, now);
}

#endif
