/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * Turning a datagram into the one that leaves: addresses, ports, checksums (RFC 1624, incremental), time to live, the way out.
 */
#ifndef WEIR_REWRITE_H
#define WEIR_REWRITE_H

#include "stats.h"

#define AF_INET 2
#define AF_INET6 10
/* Words of a datagram that are summed when its checksum has to be made anew: 4096 bytes. */
#define SUM_WORDS 1024

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* What replacing one word by another adds to the sum behind a checksum. */
static __always_inline __u64 change(__u32 from, __u32 to)
{
	return (__u64)(__u32)~from + to;
}

static __always_inline void patch(__u16 *check, __u64 difference)
{
	*check = ~fold((__u16)~*check + difference);
}

static __always_inline __u64 address_change(const __u32 *from, const __u32 *to, __u8 family)
{
	__u64 sum = change(from[3], to[3]);

	if (family == 6)
		sum += change(from[0], to[0]) + change(from[1], to[1]) + change(from[2], to[2]);
	return sum;
}

static __always_inline __u64 pseudo_header(const __u32 *src, const __u32 *dst, __u8 family, __u16 length_be)
{
	__u64 sum = (__u64)src[3] + dst[3] + bpf_htons(IPPROTO_UDP) + length_be;

	if (family == 6)
		sum += (__u64)src[0] + src[1] + src[2] + dst[0] + dst[1] + dst[2];
	return sum;
}

/* Returns the sum of `length` bytes of the frame from `at`, 0x10000 when it is not all there. */
__noinline __u32 sum_bytes(struct xdp_md *ctx, __u32 at, __u32 length)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u64 sum = 0;

	if (at > 256 || length > SUM_WORDS * 4)
		return 0x10000;
	for (__u32 i = 0; i < SUM_WORDS; i++) {
		__u32 *word = data + at + 4 * i;

		if (4 * i + 4 > length)
			break;
		if ((void *)(word + 1) > data_end)
			return 0x10000;
		sum += *word;
	}
	/* What is left of a word, as if zeros followed. */
	for (__u32 i = 0; i < 3; i++) {
		__u32 left = (length & ~3u) + i;
		__u8 *byte = data + at + (left & 0x1fff);

		if (left >= length)
			break;
		if ((void *)(byte + 1) > data_end)
			return 0x10000;
		sum += (__u32)*byte << (8 * i);
	}
	return fold(sum);
}

/*
 * Sees to the UDP checksum before anything is rewritten. A checksum that is just the pseudo header's sum was left to a device that does not
 * exist (veth, containers on this host: CHECKSUM_PARTIAL), and IPv6 allows no zero (RFC 8200, 8.1): both are made whole. What is whole stays
 * as it is, right or wrong: the end it is for shall judge.
 */
static __always_inline bool complete_checksum(struct xdp_md *ctx, const struct packet *p, struct udphdr *udp, __u8 family)
{
	__u16 pseudo;
	__u32 sum;

	if (p->fragment)
		return true;
	pseudo = fold(pseudo_header(p->src, p->dst, family, udp->len));
	if (udp->check == 0) {
		if (family == 4)
			return true;
	} else if (udp->check != pseudo) {
		return true;
	}
	sum = sum_bytes(ctx, p->l4, sizeof(struct udphdr) + p->length);
	if (sum > 0xffff)
		return false;
	/* As if the field were zero: a frame that is passed after all must be as it came. */
	udp->check = ~fold((__u64)sum + (__u16)~udp->check + pseudo);
	if (udp->check == 0)
		udp->check = 0xffff;
	return true;
}

/* Remembers what became of a first fragment, for those after it; returns the identification they all get. `dropped`: they go nowhere either. */
__noinline __u32 remember_fragment(struct packet *p, struct rewrite *r, __u32 dropped)
{
	struct fragment_key key = {};
	struct fragment value = {};
	struct globals *g = global();

	if (!g || !p || !r)
		return 0;
	copy_address(key.src_be, p->src);
	copy_address(key.dst_be, p->dst);
	key.id_be = p->fragment_id;
	key.protocol = IPPROTO_UDP;
	copy_address(value.src_be, r->src);
	copy_address(value.dst_be, r->dst);
	value.hop = r->hop;
	value.mode = r->mode;
	value.director = r->director;
	value.server = r->server;
	value.dropped = dropped;
	value.tick = p->now;
	value.new_id = __sync_fetch_and_add(&g->fragment_id, 1);
	if (p->family == 4)
		value.new_id &= 0xffff;
	bpf_map_update_elem(&fragments, &key, &value, BPF_ANY);
	return value.new_id;
}

/*
 * Puts an Ethernet header in front of the IP header at `l3` for the way `hop` and sends the frame. `l3` is where the IP header lies now,
 * `vlan` the tag it has now. Counts a frame it cannot send.
 */
static __always_inline int send(struct xdp_md *ctx, __u32 l3, __u32 vlan, __u64 hop, __u32 director, __u16 protocol_be)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u32 id = hop & 0xffff;
	struct link *link = link_at(id);
	struct ethhdr *eth;
	int grow;

	if (hop == 0 || !link || link->ifindex == 0)
		return drop(director, DROP_UNREACHABLE, -1);
	grow = (link->vlan_be ? (int)sizeof(struct vlan_header) : 0) + (int)sizeof(struct ethhdr) - (int)l3;
	if (grow != 0) {
		if (bpf_xdp_adjust_head(ctx, -grow))
			return drop(director, DROP_SEND_ERROR, -1);
		data = (void *)(long)ctx->data;
		data_end = (void *)(long)ctx->data_end;
	}
	eth = data;
	if ((void *)(eth + 1) > data_end)
		return drop(director, DROP_SEND_ERROR, -1);
	hop_to_mac(hop, eth->h_dest);
	__builtin_memcpy(eth->h_source, link->mac, ETH_ALEN);
	if (link->vlan_be || vlan) {
		struct vlan_header *tag = (void *)(eth + 1);

		if (link->vlan_be) {
			if ((void *)(tag + 1) > data_end)
				return drop(director, DROP_SEND_ERROR, -1);
			eth->h_proto = bpf_htons(ETH_P_8021Q);
			tag->tci = link->vlan_be;
			tag->next = protocol_be;
		} else {
			eth->h_proto = protocol_be;
		}
	} else if (grow != 0) {
		eth->h_proto = protocol_be;
	}
	return bpf_redirect_map(&ports, id, 0);
}

#endif
