/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Murmur3 over words as src/balance/hash.ts has it (same seeds, same vectors), and the session index's own hash. */
#ifndef WEIR_HASH_H
#define WEIR_HASH_H

#include "packet.h"

#define IP_SEED 0x77656972
#define FLOW_SEED 0x666c6f77
#define PAIR_SEED 0x70616972

static __always_inline __u32 rotate_left(__u32 value, int bits)
{
	return value << bits | value >> (32 - bits);
}

static __always_inline __u32 mix32(__u32 h)
{
	h = (h ^ h >> 16) * 0x85ebca6b;
	h = (h ^ h >> 13) * 0xc2b2ae35;
	return h ^ h >> 16;
}

static __always_inline __u32 mix_word(__u32 h, __u32 word)
{
	h ^= rotate_left(word * 0xcc9e2d51, 15) * 0x1b873593;
	return rotate_left(h, 13) * 5 + 0xe6546b64;
}

static __always_inline __u32 mix_address(__u32 h, const __u32 *address, __u8 family)
{
	if (family == 6) {
		h = mix_word(h, bpf_ntohl(address[0]));
		h = mix_word(h, bpf_ntohl(address[1]));
		h = mix_word(h, bpf_ntohl(address[2]));
	}
	return mix_word(h, bpf_ntohl(address[3]));
}

static __always_inline __u32 hash_ip(const __u32 *address, __u8 family)
{
	return mix32(mix_address(IP_SEED, address, family) ^ (family == 6 ? 16 : 4));
}

static __always_inline __u32 hash_flow(const __u32 *address, __u8 family, __u16 port_be)
{
	return mix32(mix_word(mix_address(FLOW_SEED, address, family), bpf_ntohs(port_be)) ^ (family == 6 ? 20 : 8));
}

static __always_inline __u32 hash_pair(__u32 first, __u32 second)
{
	return mix32(mix_word(mix_word(PAIR_SEED, first), second) ^ 8);
}

/*
 * The index's hash: 64 bits of a tuple, cheap because every datagram pays it, seeded at load because clients choose their addresses.
 * `extra` tells apart sessions of one tuple (request-reply: server + 1).
 */
static __always_inline __u64 tuple_hash(__u32 seed, const __u32 *src, const __u32 *dst, __u16 sport, __u16 dport, __u8 family, __u32 extra)
{
	__u64 h = ((__u64)src[3] << 32 | dst[3]) ^ ((__u64)seed << 32 | seed);

	if (family == 6) {
		h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
		h ^= (__u64)src[0] << 32 | dst[0];
		h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
		h ^= (__u64)src[1] << 32 | dst[1];
		h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ull;
		h ^= (__u64)src[2] << 32 | dst[2];
	}
	h *= 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	h ^= (__u64)sport << 48 | (__u64)dport << 32 | extra;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 29;
}

#endif
