/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* From a decision to the frame: the headers of IPv4 and IPv6 patched in place, the outer header of a tunnel, fragments after their first. */
#ifndef WEIR_DELIVER_H
#define WEIR_DELIVER_H

#include "rewrite.h"
#include "toobig.h"

/* Takes one from the time to live, which is the caller's to have checked, and patches the checksum by that and `sum`. */
static __always_inline void age_ip4(struct iphdr *ip, __u64 sum)
{
	/* The low byte of this word is the time to live, on any machine BPF is little-endian on. */
	__u16 *ttl = (__u16 *)&ip->ttl;

	sum += (__u16)~*ttl;
	ip->ttl--;
	sum += *ttl;
	patch(&ip->check, sum);
}

static __always_inline void patch_ip4(struct iphdr *ip, const struct rewrite *r)
{
	__u64 sum = change(ip->saddr, r->src[3]) + change(ip->daddr, r->dst[3]);

	ip->saddr = r->src[3];
	ip->daddr = r->dst[3];
	age_ip4(ip, sum);
}

static __always_inline void patch_udp(struct udphdr *udp, const struct packet *p, const struct rewrite *r, __u8 family)
{
	__u32 before = (__u32)p->sport << 16 | p->dport, after = (__u32)r->sport << 16 | r->dport;
	__u16 check = udp->check;

	udp->source = r->sport;
	udp->dest = r->dport;
	if (check == 0)
		return;
	patch(&check, address_change(p->src, r->src, family) + address_change(p->dst, r->dst, family) + change(before, after));
	udp->check = check ? check : 0xffff;
}

static __always_inline void renumber_ip4(struct iphdr *ip, __u16 id)
{
	__u16 check = ip->check;

	patch(&check, (__u64)(__u16)~ip->id + id);
	ip->id = id;
	ip->check = check;
}

/* IPIP (RFC 2003) and IPv6 in IPv6 (RFC 2473): an outer header in front. */
static __always_inline int tunnel(struct xdp_md *ctx, const struct packet *p, const struct rewrite *r, __u8 family, __u16 inner_length)
{
	struct server *server = server_at(r->server);
	__u32 outer = family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	void *data, *data_end;
	/* The Ethernet header's room is not needed: send() makes a new one. */
	int room = (int)outer - (int)p->l3;

	if (!server)
		return XDP_DROP;
	if (bpf_xdp_adjust_head(ctx, -room))
		return drop(r->director, DROP_SEND_ERROR, -1);
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (family == 4) {
		struct iphdr *ip = data;
		__u64 sum = 0;
		__u16 *word = data;

		if ((void *)(ip + 1) > data_end)
			return XDP_DROP;
		*(__u16 *)data = bpf_htons(0x4500);
		ip->tot_len = bpf_htons(inner_length + sizeof(*ip));
		ip->id = 0;
		ip->frag_off = bpf_htons(0x4000);
		ip->ttl = 64;
		ip->protocol = IPPROTO_IPIP;
		ip->check = 0;
		ip->saddr = server->encap_be[3];
		ip->daddr = r->dst[3];
#pragma unroll
		for (int i = 0; i < 10; i++)
			sum += word[i];
		ip->check = ~fold(sum);
		return send(ctx, 0, 0, r->hop, r->director, bpf_htons(ETH_P_IP));
	} else {
		struct ipv6hdr *ip = data;

		if ((void *)(ip + 1) > data_end)
			return XDP_DROP;
		*(__u32 *)data = bpf_htonl(0x60000000);
		ip->payload_len = bpf_htons(inner_length);
		ip->nexthdr = IPPROTO_IPV6;
		ip->hop_limit = 64;
		copy_address(ip->saddr.s6_addr32, server->encap_be);
		copy_address(ip->daddr.s6_addr32, r->dst);
		return send(ctx, 0, 0, r->hop, r->director, bpf_htons(ETH_P_IPV6));
	}
}

/* What a packet may have at most on its way, 0 for no limit: of a tunnel what its outer header leaves. */
static __always_inline __u32 fits(const struct rewrite *r, __u32 outer)
{
	struct link *link = link_at(r->hop & 0xffff);

	return link && link->mtu ? link->mtu - (r->mode == MODE_TUNNEL ? outer : 0) : 0;
}

static __always_inline bool exceeds(__u32 length, __u32 mtu)
{
	return mtu && length > mtu;
}

static __always_inline int deliver4(struct xdp_md *ctx, struct packet *p, struct rewrite *r, struct iphdr *ip, struct udphdr *udp)
{
	__u32 length = bpf_ntohs(ip->tot_len), mtu = fits(r, sizeof(*ip));

	if (ip->ttl <= 1)
		return drop(r->director, DROP_TTL, -1);
	if (exceeds(length, mtu))
		return (ip->frag_off & bpf_htons(IP_DO_NOT_FRAGMENT)) && ip->ihl == 5 ? answer_too_big(ctx, p, r, mtu) : drop(r->director, DROP_TOO_BIG, -1);
	if (p->fragment) {
		__u32 id = remember_fragment(p, r, false);

		if (r->mode == MODE_NAT)
			renumber_ip4(ip, id);
	}
	if (!complete_checksum(ctx, p, udp, 4))
		return XDP_PASS;
	if (r->mode == MODE_NAT) {
		patch_udp(udp, p, r, 4);
		patch_ip4(ip, r);
	} else {
		age_ip4(ip, 0);
		if (r->mode == MODE_TUNNEL)
			return tunnel(ctx, p, r, 4, length);
	}
	return send(ctx, p->l3, p->vlan, r->hop, r->director, bpf_htons(ETH_P_IP));
}

static __always_inline int deliver6(struct xdp_md *ctx, struct packet *p, struct rewrite *r, struct ipv6hdr *ip, struct fragment_header *fragment, struct udphdr *udp)
{
	__u32 length = bpf_ntohs(ip->payload_len), mtu = fits(r, sizeof(*ip));

	if (ip->hop_limit <= 1)
		return drop(r->director, DROP_TTL, -1);
	if (exceeds(length + sizeof(*ip), mtu))
		return answer_too_big(ctx, p, r, mtu);
	if (p->fragment && fragment) {
		__u32 id = remember_fragment(p, r, false);

		if (r->mode == MODE_NAT)
			fragment->id = id;
	}
	if (!complete_checksum(ctx, p, udp, 6))
		return XDP_PASS;
	ip->hop_limit--;
	if (r->mode == MODE_NAT) {
		patch_udp(udp, p, r, 6);
		copy_address(ip->saddr.s6_addr32, r->src);
		copy_address(ip->daddr.s6_addr32, r->dst);
	} else if (r->mode == MODE_TUNNEL) {
		return tunnel(ctx, p, r, 6, length + sizeof(*ip));
	}
	return send(ctx, p->l3, p->vlan, r->hop, r->director, bpf_htons(ETH_P_IPV6));
}

/* How long hosts wait for the rest of a datagram, in ticks: 31 s; and what the clocks of two CPUs may differ by. */
#define FRAGMENT_TICKS (30u << 10)
#define FRAGMENT_SKEW 2

/* A fragment after the first: where that went, or nowhere. One that overtook its first cannot be served, and is counted. */
static __always_inline int deliver_later_fragment(struct xdp_md *ctx, struct packet *p, struct rewrite *r, __u32 *new_id)
{
	struct fragment_key key = {};
	struct fragment *first;
	struct drop_counters *counters;

	copy_address(key.src_be, p->src);
	copy_address(key.dst_be, p->dst);
	key.id_be = p->fragment_id;
	key.protocol = IPPROTO_UDP;
	first = bpf_map_lookup_elem(&fragments, &key);
	/* Identifications come round again: what is older is another datagram's. */
	if (!first || p->now - first->tick + FRAGMENT_SKEW > FRAGMENT_TICKS) {
		struct vip_key vip = { .prefix_bits = 144 };

		vip.addr_be[2] = p->family == 4 ? bpf_htonl(0xffff) : p->dst[2];
		vip.addr_be[0] = p->dst[0];
		vip.addr_be[1] = p->dst[1];
		vip.addr_be[3] = p->dst[3];
		vip.prefix_bits = 128;
		/* It may be for a service of this host on the same address, so the kernel gets it; on a VIP it is counted as lost. */
		if (bpf_map_lookup_elem(&vips, &vip))
			drop(NO_DIRECTOR, DROP_FRAGMENT, -1);
		return XDP_PASS;
	}
	if (first->dropped)
		return XDP_DROP;
	copy_address(r->src, first->src_be);
	copy_address(r->dst, first->dst_be);
	r->hop = first->hop;
	r->mode = first->mode;
	r->director = first->director;
	r->server = first->server;
	*new_id = first->new_id;
	counters = drop_counters_at(NO_DIRECTOR);
	if (counters)
		counters->fragments++;
	return XDP_TX;
}

static __always_inline int later_fragment4(struct xdp_md *ctx, struct packet *p, struct rewrite *r, struct iphdr *ip)
{
	__u32 id = 0;
	int verdict = deliver_later_fragment(ctx, p, r, &id);

	if (verdict != XDP_TX)
		return verdict;
	if (ip->ttl <= 1)
		return drop(r->director, DROP_TTL, -1);
	if (exceeds(bpf_ntohs(ip->tot_len), fits(r, sizeof(*ip))))
		return drop(r->director, DROP_TOO_BIG, -1);
	if (r->mode == MODE_NAT) {
		renumber_ip4(ip, id);
		patch_ip4(ip, r);
	} else {
		age_ip4(ip, 0);
		if (r->mode == MODE_TUNNEL)
			return tunnel(ctx, p, r, 4, bpf_ntohs(ip->tot_len));
	}
	return send(ctx, p->l3, p->vlan, r->hop, r->director, bpf_htons(ETH_P_IP));
}

static __always_inline int later_fragment6(struct xdp_md *ctx, struct packet *p, struct rewrite *r, struct ipv6hdr *ip, struct fragment_header *fragment)
{
	__u32 id = 0;
	int verdict = deliver_later_fragment(ctx, p, r, &id);

	if (verdict != XDP_TX)
		return verdict;
	if (ip->hop_limit <= 1)
		return drop(r->director, DROP_TTL, -1);
	if (exceeds(bpf_ntohs(ip->payload_len) + sizeof(*ip), fits(r, sizeof(*ip))))
		return drop(r->director, DROP_TOO_BIG, -1);
	ip->hop_limit--;
	if (r->mode == MODE_TUNNEL)
		return tunnel(ctx, p, r, 6, bpf_ntohs(ip->payload_len) + sizeof(*ip));
	if (r->mode == MODE_NAT) {
		fragment->id = id;
		copy_address(ip->saddr.s6_addr32, r->src);
		copy_address(ip->daddr.s6_addr32, r->dst);
	}
	return send(ctx, p->l3, p->vlan, r->hop, r->director, bpf_htons(ETH_P_IPV6));
}

#endif
