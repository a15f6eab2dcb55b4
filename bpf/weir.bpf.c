// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * weir's data plane: one program for every interface in play. A frame that is not ours goes to the kernel untouched.
 *
 *   frame -> parse -> index (one line) -> session record -> server entry -> patched in place -> out of the link of its next hop
 *                      `-> no session: director (longest prefix) -> choose -> new session, or none (one-way)
 *   ICMP errors are translated by the header they carry; fragments follow their first.
 *
 * What is where: maps.h the maps, packet.h a datagram, index.h and session.h sessions, candidates.h, least.h, locality.h, persist.h and pick.h algorithms,
 * create.h new sessions, udp.h decisions, rewrite.h and deliver.h headers, toobig.h what does not fit, way.h next hops, icmp.h errors of others,
 * command.h what the control plane asks for.
 * abi.h is generated from src/engine/xdp/abi/spec.ts.
 */
#include "udp.h"
#include "deliver.h"
#include "icmp.h"
#include "command.h"

static __always_inline void stamp(struct xdp_md *ctx, struct packet *p)
{
	__u64 ns = bpf_ktime_get_ns();

	p->now = tick_of(ns);
	p->now_us = ns >> 10;
	if (p->now_us == 0)
		p->now_us = 1;
	p->ifindex = ctx->ingress_ifindex;
}

static __noinline int handle4(struct xdp_md *ctx, struct scratch *scratch)
{
	struct packet *p = &scratch->packet;
	struct rewrite *r = &scratch->rewrite;
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + (p->l3 & 31);
	struct udphdr *udp;
	__u32 header, total;
	__u16 offset;
	int verdict;

	if ((void *)(ip + 1) > data_end || ip->version != 4 || ip->ihl < 5)
		return XDP_PASS;
	if (ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_ICMP)
		return XDP_PASS;
	p->family = 4;
	p->src[0] = p->src[1] = p->src[2] = 0;
	p->dst[0] = p->dst[1] = p->dst[2] = 0;
	p->src[3] = ip->saddr;
	p->dst[3] = ip->daddr;
	header = ip->ihl * 4;
	total = length_of(ip->tot_len);
	/* What is not all there, or (below) too short for what it says to be, is the kernel's to judge. */
	if ((void *)ip + total > data_end || total < header)
		return XDP_PASS;
	p->l4 = p->l3 + header;
	offset = bpf_ntohs(ip->frag_off);
	stamp(ctx, p);
	if (ip->protocol == IPPROTO_ICMP)
		return (offset & (IP_MORE_FRAGMENTS | IP_OFFSET_MASK)) || total < header + CARRIER4 ? XDP_PASS : icmp4(ctx, scratch);
	if (offset & (IP_MORE_FRAGMENTS | IP_OFFSET_MASK)) {
		p->fragment_id = ip->id;
		if (offset & IP_OFFSET_MASK)
			return later_fragment4(ctx, p, r, ip);
		p->fragment = 1;
	}
	udp = (void *)ip + header;
	if ((void *)(udp + 1) > data_end || total < header + sizeof(*udp))
		return XDP_PASS;
	p->length = bpf_ntohs(udp->len) - sizeof(*udp);
	p->present = total - header - sizeof(*udp);
	if (bpf_ntohs(udp->len) < sizeof(*udp) || (!p->fragment && total < header + bpf_ntohs(udp->len)))
		return XDP_PASS;
	p->sport = udp->source;
	p->dport = udp->dest;
	verdict = decide(ctx, p, r, 4);
	return verdict == XDP_TX ? deliver4(ctx, p, r, ip, udp) : verdict;
}

static __noinline int handle6(struct xdp_md *ctx, struct scratch *scratch)
{
	struct packet *p = &scratch->packet;
	struct rewrite *r = &scratch->rewrite;
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + (p->l3 & 31);
	struct fragment_header *fragment = NULL;
	struct udphdr *udp;
	__u32 length;
	__u8 next;
	int verdict;

	if ((void *)(ip + 1) > data_end || ip->version != 6)
		return XDP_PASS;
	next = ip->nexthdr;
	if (next != IPPROTO_UDP && next != IPPROTO_ICMP6 && next != IPPROTO_FRAGMENT_HEADER)
		return XDP_PASS;
	length = length_of(ip->payload_len);
	if ((void *)(ip + 1) + length > data_end || length < (next == IPPROTO_UDP ? sizeof(*udp) : next == IPPROTO_ICMP6 ? CARRIER6 : sizeof(*fragment)))
		return XDP_PASS;
	p->family = 6;
	copy_address(p->src, ip->saddr.s6_addr32);
	copy_address(p->dst, ip->daddr.s6_addr32);
	p->l4 = p->l3 + sizeof(*ip);
	stamp(ctx, p);
	if (next == IPPROTO_ICMP6)
		return icmp6(ctx, scratch);
	udp = (void *)(ip + 1);
	if (next == IPPROTO_FRAGMENT_HEADER) {
		fragment = (void *)(ip + 1);
		if ((void *)(fragment + 1) > data_end || fragment->next != IPPROTO_UDP)
			return XDP_PASS;
		p->fragment_id = fragment->id;
		if (fragment->offset & bpf_htons(0xfff8))
			return later_fragment6(ctx, p, r, ip, fragment);
		if (length < sizeof(*fragment) + sizeof(*udp))
			return XDP_PASS;
		p->fragment = 1;
		p->l4 += sizeof(*fragment);
		udp = (void *)(fragment + 1);
	}
	if ((void *)(udp + 1) > data_end)
		return XDP_PASS;
	p->length = bpf_ntohs(udp->len) - sizeof(*udp);
	p->present = length - (fragment ? sizeof(*fragment) : 0) - sizeof(*udp);
	if (bpf_ntohs(udp->len) < sizeof(*udp) || (!p->fragment && length < bpf_ntohs(udp->len)))
		return XDP_PASS;
	p->sport = udp->source;
	p->dport = udp->dest;
	verdict = decide(ctx, p, r, 6);
	return verdict == XDP_TX ? deliver6(ctx, p, r, ip, fragment, udp) : verdict;
}

SEC("xdp")
int weir(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct scratch *scratch = scratch_of(SCRATCH_OF_DATAGRAM);
	struct ethhdr *eth = data;
	struct packet *p;
	__u16 protocol;

	if (!scratch || (void *)(eth + 1) > data_end)
		return XDP_PASS;
	p = &scratch->packet;
	p->fragment = 0;
	p->vlan = 0;
	p->hop = mac_as_hop(eth->h_source);
	protocol = eth->h_proto;
	p->l3 = sizeof(*eth);
	if (protocol == bpf_htons(ETH_P_8021Q)) {
		struct vlan_header *tag = (void *)(eth + 1);

		if ((void *)(tag + 1) > data_end)
			return XDP_PASS;
		p->vlan = tag->tci;
		protocol = tag->next;
		p->l3 += sizeof(*tag);
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return handle4(ctx, scratch);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return handle6(ctx, scratch);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
