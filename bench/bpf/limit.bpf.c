// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * The subject `limit`: routes and does nothing else. Every XDP load balancer has to do this much for a datagram (parse, next hop, MACs,
 * TTL, redirect), so its rate is what one could reach at best on this machine and these devices.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "forward.h"

SEC("xdp")
int limit(struct xdp_md *ctx)
{
	struct packet packet;

	if (!parse(ctx, &packet))
		return XDP_PASS;
	return forward(ctx, &packet);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
