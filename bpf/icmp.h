/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * ICMP errors about datagrams we forwarded (RFC 792, RFC 4443, translation as RFC 5508 asks of NATs): found by the header they carry.
 * From a server's side "unreachable" is evidence against the server and ends here: its clients are sent elsewhere, there is nothing they could
 * do about it. Everything else (too big, time exceeded, errors from a client's side) is translated and passed on.
 */
#ifndef WEIR_ICMP_H
#define WEIR_ICMP_H

#include "deliver.h"
#include "udp.h"

/* The least that an error must hold, from its own header on: itself, an IP header, ports. */
#define CARRIER4 (sizeof(struct icmp_header) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define CARRIER6 (sizeof(struct icmp_header) + sizeof(struct ipv6hdr) + sizeof(struct udphdr))

/* Notes that a server refused, at once for all CPUs; the control plane reads the count. */
static __always_inline void take_evidence(struct globals *g, struct server *server, __u32 now)
{
	__u32 until = now + g->block_ticks;

	server->blocked_until = until ? until : 1;
	__sync_fetch_and_add(&server->icmp_errors, 1);
}

/*
 * Evidence about a datagram that left no session (one-way, or over a limit): against the server it was sent to, by its endpoint. The error goes
 * on to the kernel: it may be about what this host itself sent there, a health check.
 */
static __noinline int evidence_alone(struct tuple *inner, __u32 now)
{
	struct server_key key = {};
	struct globals *g = global();
	struct server *server;
	__u32 *slot;

	if (!g)
		return XDP_PASS;
	copy_address(key.addr_be, inner->dst);
	key.port_be = inner->dport;
	key.family = inner->family;
	slot = bpf_map_lookup_elem(&server_ids, &key);
	if (!slot) {
		key.port_be = 0;
		slot = bpf_map_lookup_elem(&server_ids, &key);
	}
	server = slot ? server_at(*slot) : NULL;
	if (server)
		take_evidence(g, server, now);
	return XDP_PASS;
}

/*
 * Finds the session of the datagram that an error carries: `inner` is as the error has it. Fills `r` with what the carried header becomes (src, dst,
 * ports) and `hop`; XDP_TX to go on, else the verdict. `evidence`: it says that the destination cannot be reached.
 */
static __always_inline int trace(struct xdp_md *ctx, struct tuple *inner, __u32 now, bool evidence, struct rewrite *r, __u8 family, bool *from_server)
{
	struct globals *g = global();
	enum direction direction = DIRECTION_FORWARD;
	struct tuple back = {};
	struct server *server;
	struct session *s;
	__u32 record = 0;

	if (!g)
		return XDP_PASS;
	copy_address(back.src, inner->dst);
	copy_address(back.dst, inner->src);
	back.sport = inner->dport;
	back.dport = inner->sport;
	back.family = family;
	s = index_find(g, &back, tuple_hash(g->seed, back.src, back.dst, back.sport, back.dport, family, 0), family, &direction, &record);
	if (!s)
		return evidence ? evidence_alone(inner, now) : XDP_PASS;
	server = server_at(s->server);
	if (!server)
		return XDP_PASS;
	*from_server = direction == DIRECTION_REPLY;
	r->director = s->director;
	r->server = s->server;
	if (*from_server) {
		if (evidence) {
			take_evidence(g, server, now);
			return XDP_DROP;
		}
		r->src[3] = s->client4_be;
		r->dst[3] = s->vip4_be;
		if (family == 6) {
#pragma unroll
			for (int i = 0; i < 3; i++) {
				r->src[i] = s->client6_be[i];
				r->dst[i] = s->vip6_be[i];
			}
		}
		r->sport = s->client_port_be;
		r->dport = s->vip_port_be;
		r->hop = s->hop;
	} else {
		copy_address(r->src, server->addr_be);
		r->dst[3] = s->source4_be;
		if (family == 6) {
#pragma unroll
			for (int i = 0; i < 3; i++)
				r->dst[i] = s->source6_be[i];
		}
		r->sport = s->server_port_be;
		r->dport = s->source_port_be;
		r->hop = way_to(ctx, server, s->server, now);
	}
	return XDP_TX;
}

static __noinline void count_translated(__u32 director, __u32 slot)
{
	struct drop_counters *counters = drop_counters_at(director);
	struct server_counters *of_server = server_counters_at(slot);

	if (counters)
		counters->icmp_translated++;
	if (of_server)
		of_server->icmp++;
}

static __noinline int icmp4(struct xdp_md *ctx, struct scratch *scratch)
{
	struct packet *p = &scratch->packet;
	struct rewrite *r = &scratch->rewrite;
	struct tuple *inner = &scratch->carried;
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + (p->l3 & 31), *carried;
	struct icmp_header *icmp;
	struct udphdr *udp;
	bool from_server = false, evidence;
	__u32 source, destination;
	__u64 sum = 0;
	__u16 check, before;
	int verdict;

	if ((void *)(ip + 1) > data_end || ip->ihl != 5)
		return XDP_PASS;
	icmp = (void *)(ip + 1);
	carried = (void *)(icmp + 1);
	if ((void *)(carried + 1) > data_end || (icmp->type != ICMP_UNREACHABLE && icmp->type != ICMP_TIME_EXCEEDED))
		return XDP_PASS;
	if (carried->version != 4 || carried->ihl != 5 || carried->protocol != IPPROTO_UDP || (carried->frag_off & bpf_htons(IP_OFFSET_MASK)))
		return XDP_PASS;
	udp = (void *)(carried + 1);
	if ((void *)(udp + 1) > data_end)
		return XDP_PASS;
	inner->family = 4;
	inner->src[0] = inner->src[1] = inner->src[2] = 0;
	inner->dst[0] = inner->dst[1] = inner->dst[2] = 0;
	inner->src[3] = carried->saddr;
	inner->dst[3] = carried->daddr;
	inner->sport = udp->source;
	inner->dport = udp->dest;
	evidence = icmp->type == ICMP_UNREACHABLE && icmp->code != ICMP_TOO_BIG_CODE;
	/* The error comes to whom the carried datagram was from; anything else is forged or not understood. */
	if (p->dst[3] != carried->saddr)
		return XDP_PASS;
	verdict = trace(ctx, inner, p->now, evidence, r, 4, &from_server);
	if (verdict != XDP_TX)
		return verdict;
	if (ip->ttl <= 1)
		return drop(r->director, DROP_TTL, -1);
	/* Outside: to whom the carried datagram is now from; from the router that says so, unless it is the other end itself, which goes by the name its peer knows. */
	destination = r->src[3];
	source = p->src[3] == carried->daddr ? r->dst[3] : p->src[3];
	/* Inside: addresses, header checksum, ports, UDP checksum, each change also a change of what the ICMP checksum covers. */
	sum = change(carried->saddr, r->src[3]) + change(carried->daddr, r->dst[3]);
	before = carried->check;
	check = before;
	patch(&check, sum);
	carried->check = check;
	sum += (__u64)(__u16)~before + check;
	carried->saddr = r->src[3];
	carried->daddr = r->dst[3];
	{
		__u64 ports = change((__u32)inner->sport << 16 | inner->dport, (__u32)r->sport << 16 | r->dport);
		__u16 old = udp->check;

		udp->source = r->sport;
		udp->dest = r->dport;
		sum += ports;
		if (old) {
			check = old;
			patch(&check, ports + change(inner->src[3], r->src[3]) + change(inner->dst[3], r->dst[3]));
			if (check == 0)
				check = 0xffff;
			udp->check = check;
			sum += (__u64)(__u16)~old + check;
		}
	}
	check = icmp->check;
	patch(&check, sum);
	icmp->check = check;
	r->src[3] = source;
	r->dst[3] = destination;
	patch_ip4(ip, r);
	count_translated(r->director, r->server);
	return send(ctx, p->l3, p->vlan, r->hop, r->director, bpf_htons(ETH_P_IP));
}

static __noinline int icmp6(struct xdp_md *ctx, struct scratch *scratch)
{
	struct packet *p = &scratch->packet;
	struct rewrite *r = &scratch->rewrite;
	struct tuple *inner = &scratch->carried;
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + (p->l3 & 31), *carried;
	struct icmp_header *icmp;
	struct udphdr *udp;
	bool from_server = false;
	__u32 source[4], destination[4];
	__u64 sum, ports;
	__u16 check, old;
	int verdict;

	if ((void *)(ip + 1) > data_end)
		return XDP_PASS;
	icmp = (void *)(ip + 1);
	carried = (void *)(icmp + 1);
	if ((void *)(carried + 1) > data_end || icmp->type < ICMP6_UNREACHABLE || icmp->type > ICMP6_TIME_EXCEEDED)
		return XDP_PASS;
	if (carried->version != 6 || carried->nexthdr != IPPROTO_UDP)
		return XDP_PASS;
	udp = (void *)(carried + 1);
	if ((void *)(udp + 1) > data_end)
		return XDP_PASS;
	inner->family = 6;
	copy_address(inner->src, carried->saddr.s6_addr32);
	copy_address(inner->dst, carried->daddr.s6_addr32);
	inner->sport = udp->source;
	inner->dport = udp->dest;
	if (!same_address(p->dst, inner->src))
		return XDP_PASS;
	verdict = trace(ctx, inner, p->now, icmp->type == ICMP6_UNREACHABLE, r, 6, &from_server);
	if (verdict != XDP_TX)
		return verdict;
	if (ip->hop_limit <= 1)
		return drop(r->director, DROP_TTL, -1);
	copy_address(destination, r->src);
	if (same_address(p->src, inner->dst))
		copy_address(source, r->dst);
	else
		copy_address(source, p->src);
	ports = change((__u32)inner->sport << 16 | inner->dport, (__u32)r->sport << 16 | r->dport);
	sum = address_change(inner->src, r->src, 6) + address_change(inner->dst, r->dst, 6);
	old = udp->check;
	udp->source = r->sport;
	udp->dest = r->dport;
	check = old;
	patch(&check, sum + ports);
	if (check == 0)
		check = 0xffff;
	udp->check = check;
	sum += ports + (__u64)(__u16)~old + check;
	copy_address(carried->saddr.s6_addr32, r->src);
	copy_address(carried->daddr.s6_addr32, r->dst);
	/* RFC 4443 2.3: the checksum covers the outer addresses too. */
	sum += address_change(p->src, source, 6) + address_change(p->dst, destination, 6);
	check = icmp->check;
	patch(&check, sum);
	icmp->check = check;
	copy_address(ip->saddr.s6_addr32, source);
	copy_address(ip->daddr.s6_addr32, destination);
	ip->hop_limit--;
	count_translated(r->director, r->server);
	return send(ctx, p->l3, p->vlan, r->hop, r->director, bpf_htons(ETH_P_IPV6));
}

#endif
