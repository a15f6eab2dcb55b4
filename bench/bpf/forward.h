/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What `limit` and `naive` have in common: parse a plain IPv4 UDP datagram, and send it where the kernel's FIB says. */
#ifndef BENCH_FORWARD_H
#define BENCH_FORWARD_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

struct packet {
	struct ethhdr *eth;
	struct iphdr *ip;
	struct udphdr *udp;
};

/* False for what the bench never sends: options, fragments, other protocols, a TTL at its end. */
static __always_inline bool parse(struct xdp_md *ctx, struct packet *packet)
{
	void *end = (void *)(long)ctx->data_end;

	packet->eth = (void *)(long)ctx->data;
	packet->ip = (void *)(packet->eth + 1);
	packet->udp = (void *)(packet->ip + 1);
	if ((void *)(packet->udp + 1) > end || packet->eth->h_proto != bpf_htons(ETH_P_IP))
		return false;
	return packet->ip->ihl == 5 && packet->ip->protocol == IPPROTO_UDP && packet->ip->ttl > 1 &&
	       !(packet->ip->frag_off & bpf_htons(0x3fff));
}

/* RFC 1141: the TTL is the high byte of its word. */
static __always_inline void decrement_ttl(struct iphdr *ip)
{
	__u32 check = ip->check;

	check += bpf_htons(0x0100);
	ip->check = (__u16)(check + (check >= 0xffff));
	ip->ttl--;
}

/* XDP_PASS for what has no resolved next hop: the kernel resolves it. */
static __always_inline int forward(struct xdp_md *ctx, struct packet *packet)
{
	struct bpf_fib_lookup fib = {
		.family = AF_INET,
		.tos = packet->ip->tos,
		.l4_protocol = packet->ip->protocol,
		.tot_len = bpf_ntohs(packet->ip->tot_len),
		.ipv4_src = packet->ip->saddr,
		.ipv4_dst = packet->ip->daddr,
		.ifindex = ctx->ingress_ifindex,
	};

	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	decrement_ttl(packet->ip);
	__builtin_memcpy(packet->eth->h_dest, fib.dmac, ETH_ALEN);
	__builtin_memcpy(packet->eth->h_source, fib.smac, ETH_ALEN);
	return bpf_redirect(fib.ifindex, 0);
}

#endif
