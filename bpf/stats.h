/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Counting: per CPU, so without atomics. */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

#include "packet.h"

/* The row of drop_stats for what belongs to no director. */
#define NO_DIRECTOR MAX_DIRECTORS

static __always_inline struct server_counters *server_counters_at(__u32 slot)
{
	return bpf_map_lookup_elem(&server_stats, &slot);
}

static __always_inline struct drop_counters *drop_counters_at(__u32 director)
{
	return bpf_map_lookup_elem(&drop_stats, &director);
}

/* Counts a dropped datagram; `length` payload bytes count as come in from a client, -1 as come from elsewhere. Returns XDP_DROP. */
static __always_inline int drop(__u32 director, __u32 reason, int length)
{
	struct drop_counters *counters = drop_counters_at(director);

	if (counters && reason < DROP_SLOTS) {
		counters->drops[reason]++;
		if (length >= 0) {
			counters->packets++;
			counters->bytes += length;
		}
	}
	return XDP_DROP;
}

/* Position of the highest set bit, 0 for 0 and 1. */
static __always_inline __u32 log2_of(__u32 value)
{
	__u32 log = 0;

	if (value >> 16) { value >>= 16; log += 16; }
	if (value >> 8) { value >>= 8; log += 8; }
	if (value >> 4) { value >>= 4; log += 4; }
	if (value >> 2) { value >>= 2; log += 2; }
	return log + (value >> 1 & 1);
}

/* Bucket of a time in 1024 ns, as responseBucket() of src/engine/response-times.ts has it for nanoseconds. */
static __always_inline __u32 response_bucket(__u32 us)
{
	__u32 log, bucket;

	if (us == 0)
		return 0;
	log = log2_of(us) + 10 + 1;
	bucket = log > RESPONSE_FIRST_BITS ? log - RESPONSE_FIRST_BITS : 0;
	return bucket < RESPONSE_BUCKETS ? bucket : RESPONSE_BUCKETS - 1;
}

#endif
