/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The answer to a datagram that is longer than its way out of here takes and must not be cut: "too big" with what fits (RFC 1191; RFC 4443, 3.2), in the
 * name of whom it was for, by the neighbour it came from. Without it a sender of full frames into a tunnel would lose them all and never know why.
 */
#ifndef WEIR_TOOBIG_H
#define WEIR_TOOBIG_H

#include "create.h"
#include "rewrite.h"

/* What is quoted of the datagram: its IP header and ports (IPv6: a fragment header too, or eight bytes more). */
#define QUOTED4 (sizeof(struct iphdr) + sizeof(struct udphdr))
#define QUOTED6 (sizeof(struct ipv6hdr) + sizeof(struct fragment_header) + sizeof(struct udphdr))

static __always_inline __u16 sum_words(const void *at, __u32 words, __u64 sum)
{
	const __u16 *word = at;

#pragma unroll
	for (__u32 i = 0; i < words; i++)
		sum += word[i];
	return ~fold(sum);
}

/* Counts the datagram as too big and answers it. `mtu`: the longest that would have fitted, as it came in. */
static __noinline int answer_too_big(struct xdp_md *ctx, struct packet *p, struct rewrite *r, __u32 mtu)
{
	__u32 id = ingress_link(p), l3 = p->l3;
	__u32 before = p->family == 4 ? sizeof(struct iphdr) + sizeof(struct icmp_header) : sizeof(struct ipv6hdr) + sizeof(struct icmp_header);
	__u32 length = before + (p->family == 4 ? QUOTED4 : QUOTED6);
	void *data, *data_end;
	long have;

	drop(r->director, DROP_TOO_BIG, -1);
	if (id == 0 || bpf_xdp_adjust_head(ctx, (int)l3 - (int)before))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	/* The barrier keeps the subtraction one of whole pointers, which is all the verifier takes. */
	have = data_end - data;
	asm volatile("" : "+r"(have));
	if (bpf_xdp_adjust_tail(ctx, (int)length - (int)have))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (p->family == 4) {
		struct iphdr *ip = data;
		struct icmp_header *icmp = data + sizeof(*ip);

		if (data + sizeof(*ip) + sizeof(*icmp) + QUOTED4 > data_end)
			return XDP_DROP;
		*(__u16 *)data = bpf_htons(0x4500);
		ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*icmp) + QUOTED4);
		ip->id = 0;
		ip->frag_off = 0;
		ip->ttl = 64;
		ip->protocol = IPPROTO_ICMP;
		ip->check = 0;
		ip->saddr = p->dst[3];
		ip->daddr = p->src[3];
		ip->check = sum_words(ip, sizeof(*ip) / 2, 0);
		icmp->type = ICMP_UNREACHABLE;
		icmp->code = ICMP_TOO_BIG_CODE;
		icmp->check = 0;
		icmp->rest = bpf_htonl(mtu);
		icmp->check = sum_words(icmp, (sizeof(*icmp) + QUOTED4) / 2, 0);
		return send(ctx, 0, 0, p->hop | id, r->director, bpf_htons(ETH_P_IP));
	} else {
		struct ipv6hdr *ip = data;
		struct icmp_header *icmp = data + sizeof(*ip);
		__u64 pseudo = bpf_htons(sizeof(*icmp) + QUOTED6) + bpf_htons(IPPROTO_ICMP6);

		if (data + sizeof(*ip) + sizeof(*icmp) + QUOTED6 > data_end)
			return XDP_DROP;
		*(__u32 *)data = bpf_htonl(0x60000000);
		ip->payload_len = bpf_htons(sizeof(*icmp) + QUOTED6);
		ip->nexthdr = IPPROTO_ICMP6;
		ip->hop_limit = 64;
		copy_address(ip->saddr.s6_addr32, p->dst);
		copy_address(ip->daddr.s6_addr32, p->src);
#pragma unroll
		for (int i = 0; i < 4; i++)
			pseudo += (__u64)p->src[i] + p->dst[i];
		icmp->type = ICMP6_TOO_BIG;
		icmp->code = 0;
		icmp->check = 0;
		icmp->rest = bpf_htonl(mtu);
		icmp->check = sum_words(icmp, (sizeof(*icmp) + QUOTED6) / 2, pseudo);
		return send(ctx, 0, 0, p->hop | id, r->director, bpf_htons(ETH_P_IPV6));
	}
}

#endif
