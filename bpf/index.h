/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/*
 * The session index: from the four-tuple of a datagram, in either direction, to its record. Our own, and not a BPF hash map, because
 * it costs one cache line where that costs a bucket and an element (docs/adr/0023): every bucket is a line of eight slots, a tuple may
 * live in one of two buckets, and a slot is one word, so that it is taken and given back by compare-and-swap.
 *
 * A slot may name a record that was freed and taken anew between the look at the slot and the look at the record. Records rest for at
 * least a second before they are taken again and a program runs for microseconds, so what was compared is what is used.
 */
#ifndef WEIR_INDEX_H
#define WEIR_INDEX_H

#include "hash.h"

#define SLOT_REPLY 0x80000000u
#define SLOT_TAG 0x7fffffffu

enum direction { DIRECTION_FORWARD, DIRECTION_REPLY };

static __always_inline __u64 slot_of(__u64 hash, __u32 record, enum direction direction)
{
	__u32 high = ((__u32)(hash >> 32) & SLOT_TAG) | (direction == DIRECTION_REPLY ? SLOT_REPLY : 0);

	return (__u64)high << 32 | (record + 1);
}

static __always_inline struct bucket *first_bucket(const struct globals *g, __u64 hash)
{
	__u32 at = (__u32)hash & g->bucket_mask;

	return bpf_map_lookup_elem(&session_index, &at);
}

static __always_inline struct bucket *second_bucket(const struct globals *g, __u64 hash)
{
	__u32 at = ((__u32)hash ^ (((__u32)(hash >> 32) & SLOT_TAG) * 0x5bd1e995 | 1)) & g->bucket_mask;

	return bpf_map_lookup_elem(&session_index, &at);
}

/* True when the datagram is one of this session's clients' to its VIP. */
static __always_inline bool matches_forward(const struct session *s, const struct tuple *p, __u8 family)
{
	if (s->client4_be != p->src[3] || s->vip4_be != p->dst[3] || s->client_port_be != p->sport || s->vip_port_be != p->dport || s->family != family)
		return false;
	if (family == 4)
		return true;
	return s->client6_be[0] == p->src[0] && s->client6_be[1] == p->src[1] && s->client6_be[2] == p->src[2] &&
	       s->vip6_be[0] == p->dst[0] && s->vip6_be[1] == p->dst[1] && s->vip6_be[2] == p->dst[2];
}

/* True when the datagram is an answer of the session's server to the address and port it saw. */
static __always_inline bool matches_reply(const struct session *s, const struct tuple *p, __u8 family)
{
	const struct server *server;

	if (s->source4_be != p->dst[3] || s->source_port_be != p->dport || s->server_port_be != p->sport || s->family != family)
		return false;
	server = server_at(s->server);
	if (!server || server->addr_be[3] != p->src[3])
		return false;
	if (family == 4)
		return true;
	return s->source6_be[0] == p->dst[0] && s->source6_be[1] == p->dst[1] && s->source6_be[2] == p->dst[2] &&
	       server->addr_be[0] == p->src[0] && server->addr_be[1] == p->src[1] && server->addr_be[2] == p->src[2];
}

static __always_inline struct session *bucket_find(const struct bucket *bucket, const struct tuple *p, __u64 hash, __u8 family, enum direction *direction, __u32 *record)
{
	__u32 tag = (__u32)(hash >> 32) & SLOT_TAG;

#pragma clang loop unroll(disable)
	for (int i = 0; i < BUCKET_SLOTS; i++) {
		__u64 slot = bucket->slot[i];
		__u32 high = slot >> 32;
		struct session *s;

		if ((high & SLOT_TAG) != tag || slot == 0)
			continue;
		*record = (__u32)slot - 1;
		s = session_at(*record);
		if (!s)
			continue;
		if (high & SLOT_REPLY) {
			if (matches_reply(s, p, family)) {
				*direction = DIRECTION_REPLY;
				return s;
			}
		} else if (matches_forward(s, p, family)) {
			*direction = DIRECTION_FORWARD;
			return s;
		}
	}
	return NULL;
}

/* Returns the session of the datagram and which way it goes, or NULL. */
static __always_inline struct session *index_find(const struct globals *g, const struct tuple *p, __u64 hash, __u8 family, enum direction *direction, __u32 *record)
{
	struct bucket *bucket = first_bucket(g, hash);
	struct session *s;

	if (!bucket)
		return NULL;
	s = bucket_find(bucket, p, hash, family, direction, record);
	if (s)
		return s;
	bucket = second_bucket(g, hash);
	return bucket ? bucket_find(bucket, p, hash, family, direction, record) : NULL;
}

static __always_inline bool bucket_replace(struct bucket *bucket, __u64 from, __u64 to)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < BUCKET_SLOTS; i++)
		if (bucket->slot[i] == from && __sync_val_compare_and_swap(&bucket->slot[i], from, to) == from)
			return true;
	return false;
}

/*
 * Puts a slot into one of its two buckets; false when both are full. The first, because one line is then enough to find it, until that
 * is nearly full (they fill from the front): buckets that others depend on are left some room, and no pair fills up long before the table does.
 */
static __always_inline bool index_insert(const struct globals *g, __u64 hash, __u64 slot)
{
	struct bucket *bucket = first_bucket(g, hash);

	if (!bucket)
		return false;
	if (bucket->slot[BUCKET_SLOTS - 2] == 0 && bucket_replace(bucket, 0, slot))
		return true;
	bucket = second_bucket(g, hash);
	if (bucket && bucket_replace(bucket, 0, slot))
		return true;
	bucket = first_bucket(g, hash);
	return bucket && bucket_replace(bucket, 0, slot);
}

/* Takes a slot out again; false when it was not there. */
static __always_inline bool index_remove(const struct globals *g, __u64 hash, __u64 slot)
{
	struct bucket *bucket = first_bucket(g, hash);

	if (!bucket)
		return false;
	if (bucket_replace(bucket, slot, 0))
		return true;
	bucket = second_bucket(g, hash);
	return bucket && bucket_replace(bucket, slot, 0);
}

#endif
