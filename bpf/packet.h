/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * What is known of one datagram, and finding it out. Parsers take a cursor, check bounds, advance, and return the next protocol
 * or -1; network byte order stays network byte order.
 */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include "maps.h"

#define IP_DO_NOT_FRAGMENT 0x4000
#define IP_MORE_FRAGMENTS 0x2000
#define IP_OFFSET_MASK 0x1fff
#define IPPROTO_FRAGMENT_HEADER 44
#define IPPROTO_ICMP6 58
#define ICMP_UNREACHABLE 3
#define ICMP_TOO_BIG_CODE 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3

struct vlan_header {
	__be16 tci;
	__be16 next;
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset; /* 13 bits of offset, 2 reserved, 1 more-fragments */
	__be32 id;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 rest;
};

/* Addresses are four words, IPv4 in the last one and zeros before it. */
struct tuple {
	__u32 src[4];
	__u32 dst[4];
	__u16 sport;
	__u16 dport;
	__u32 family; /* 4 or 6 */
};

/* Ticks and microseconds: abi.h. */
struct packet {
	struct tuple;
	__u16 length;  /* UDP payload bytes */
	__u16 fragment; /* 1: the first fragment of several */
	__u32 fragment_id;
	__u32 now;     /* tick */
	__u32 now_us;  /* 1024 ns, never 0 */
	__u32 ifindex; /* it came in by */
	__u32 vlan;    /* TCI as it is on the wire; 0: untagged */
	__u64 hop;     /* the neighbour it came from: MAC << 16, link id still 0 */
	__u16 l3;      /* offset of the IP header */
	__u16 l4;      /* offset of the UDP or ICMP header */
	__u16 present; /* UDP payload bytes that are in this frame: fewer than `length` in a first fragment */
	struct tuple reply; /* of a new session: what its server's answers look like */
};

/* What the datagram becomes. Ports and addresses in network order. */
struct rewrite {
	__u32 src[4];
	__u32 dst[4];
	__u16 sport;
	__u16 dport;
	__u32 mode;     /* enum forwarding_mode */
	__u64 hop;
	__u32 director; /* whom a drop on the way out counts for */
	__u32 server;
};

/*
 * Where a run keeps its datagram: 512 bytes of stack are not enough for that and the slow path. One for datagrams, whose run nothing
 * interrupts that needs it too, and one for `command`, which a datagram may interrupt.
 */
struct pick_state {
	__u32 best;
	__u32 best_load;
	__u32 best_weight;
	__u32 total_weight;
	__u32 count;
	__u32 unequal;
	__s32 left;
	__u32 busiest;
	__u32 busy_load;
	__u32 busy_weight;
};

struct scratch {
	struct pick_state pick;
	struct packet packet;
	struct rewrite rewrite;
	struct tuple carried;
};
enum scratch_of { SCRATCH_OF_DATAGRAM, SCRATCH_OF_COMMAND, SCRATCHES };

COUNTER_MAP(scratches, struct scratch, SCRATCHES);

static __always_inline struct scratch *scratch_of(__u32 whom)
{
	return bpf_map_lookup_elem(&scratches, &whom);
}

/*
 * A length of the frame as something that may be added to a pointer: kernel 6.1 knows no bounds of what a byte swap made, and clang drops the
 * mask that says them where it does.
 */
static __always_inline __u32 length_of(__be16 field)
{
	__u32 length = bpf_ntohs(field);

	asm volatile("" : "+r"(length));
	return length & 0xffff;
}

static __always_inline bool same_address(const __u32 *a, const __u32 *b)
{
	return a[3] == b[3] && a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static __always_inline void copy_address(__u32 *to, const __u32 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

static __always_inline __u64 mac_as_hop(const __u8 *mac)
{
	__u16 high = *(const __u16 *)mac;
	__u32 low = *(const __u32 *)(mac + 2);

	return (__u64)high << 16 | (__u64)low << 32;
}

static __always_inline void hop_to_mac(__u64 hop, __u8 *mac)
{
	*(__u16 *)mac = hop >> 16;
	*(__u32 *)(mac + 2) = hop >> 32;
}

static __always_inline __u32 tick_of(__u64 ns)
{
	return ns >> TICK_SHIFT;
}

/* True once `now` has reached `tick`. */
static __always_inline bool reached(__u32 now, __u32 tick)
{
	return (__s32)(now - tick) >= 0;
}

#endif
