/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Whom persistence takes for one client: a network of the length that the director says. */
#ifndef WEIR_PERSIST_H
#define WEIR_PERSIST_H

#include "maps.h"

/* The key of a client of this director. `addr_be`: four words, IPv4 in the last one, the others 0. */
static __always_inline void persist_key_of(struct persist_key *key, const struct director *d, __u32 director, const __u32 *addr_be, __u8 family)
{
	__u8 bits = family == 6 ? d->prefix6 : d->prefix4;

	key->director = director;
	copy_address(key->addr_be, addr_be);
	if (family == 6) {
#pragma unroll
		for (int i = 0; i < 4; i++) {
			int left = bits - 32 * i;

			if (left <= 0)
				key->addr_be[i] = 0;
			else if (left < 32)
				key->addr_be[i] &= bpf_htonl(0xffffffffu << (32 - left));
		}
	} else if (bits < 32) {
		key->addr_be[3] &= bits == 0 ? 0 : bpf_htonl(0xffffffffu << (32 - bits));
	}
}

#endif
