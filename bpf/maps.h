/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* The maps. Which side writes what: src/engine/xdp/README.md. Entries marked (sized) are set by the loader. */
#ifndef WEIR_MAPS_H
#define WEIR_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

/* One cache line of the session index: tag and direction in the high half of a slot, record + 1 in the low one, 0 empty. */
struct bucket {
	__u64 slot[BUCKET_SLOTS];
};
_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

struct pool {
	struct pool_header head;
	struct candidate candidates[MAX_CANDIDATES];
};

/* 32 entries of a rotation or hash table: an array element takes eight bytes at least, so a table of single entries would be four times its size. */
#define TABLE_CHUNK 32
struct table_chunk {
	__u16 entry[TABLE_CHUNK];
};

struct vlan_key {
	__u32 ifindex;
	__u32 vlan;
};

#define ARRAY_MAP(name_, value_, entries_, flags_)        \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_ARRAY);         \
		__uint(max_entries, entries_);            \
		__uint(map_flags, flags_);                \
		__type(key, __u32);                       \
		__type(value, value_);                    \
	} name_ SEC(".maps")

#define COUNTER_MAP(name_, value_, entries_)              \
	struct {                                          \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);  \
		__uint(max_entries, entries_);            \
		__type(key, __u32);                       \
		__type(value, value_);                    \
	} name_ SEC(".maps")

#define HASH_MAP(name_, type_, key_, value_, entries_)    \
	struct {                                          \
		__uint(type, type_);                      \
		__uint(max_entries, entries_);            \
		__type(key, key_);                        \
		__type(value, value_);                    \
	} name_ SEC(".maps")

ARRAY_MAP(sessions, struct session, DEFAULT_SESSIONS, BPF_F_MMAPABLE);           /* (sized) */
ARRAY_MAP(session_index, struct bucket, DEFAULT_SESSIONS / 2, BPF_F_MMAPABLE);   /* (sized) */
ARRAY_MAP(servers, struct server, MAX_SERVERS, BPF_F_MMAPABLE);
ARRAY_MAP(directors, struct director, MAX_DIRECTORS, BPF_F_MMAPABLE);
ARRAY_MAP(pools, struct pool, MAX_POOLS, BPF_F_MMAPABLE);
ARRAY_MAP(links, struct link, MAX_LINKS, BPF_F_MMAPABLE);
ARRAY_MAP(globals, struct globals, 1, BPF_F_MMAPABLE);

/* What the program `command` is to do; a context's fields cannot be indexed, a map's can. */
ARRAY_MAP(commands, struct command, 1, BPF_F_MMAPABLE);

COUNTER_MAP(server_stats, struct server_counters, MAX_SERVERS);
COUNTER_MAP(drop_stats, struct drop_counters, MAX_DIRECTORS + 1);

HASH_MAP(link_ids, BPF_MAP_TYPE_HASH, __u32, __u32, 2 * MAX_LINKS);
HASH_MAP(vlan_links, BPF_MAP_TYPE_HASH, struct vlan_key, __u32, MAX_LINKS);
HASH_MAP(server_ids, BPF_MAP_TYPE_HASH, struct server_key, __u32, 2 * MAX_SERVERS);
HASH_MAP(fragments, BPF_MAP_TYPE_LRU_HASH, struct fragment_key, struct fragment, 16384);
HASH_MAP(persists, BPF_MAP_TYPE_LRU_HASH, struct persist_key, struct persist, 65536);
HASH_MAP(sources, BPF_MAP_TYPE_LRU_HASH, struct source_key, struct source, 65536);
HASH_MAP(localities, BPF_MAP_TYPE_LRU_HASH, struct locality_key, struct locality, 4096);

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct vip_key);
	__type(value, __u32);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, MAX_LINKS);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	/* Sizes, not types: clang leaves the types of an inner map without their members. */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct table_chunk));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_POOLS);
	__type(key, __u32);
	__array(values, struct table);
} tables SEC(".maps");

/* Returns the element, or NULL; for array maps an inlined bounds check. */
static __always_inline struct session *session_at(__u32 record)
{
	return bpf_map_lookup_elem(&sessions, &record);
}

static __always_inline struct server *server_at(__u32 slot)
{
	return bpf_map_lookup_elem(&servers, &slot);
}

static __always_inline struct director *director_at(__u32 slot)
{
	return bpf_map_lookup_elem(&directors, &slot);
}

static __always_inline struct link *link_at(__u32 id)
{
	return bpf_map_lookup_elem(&links, &id);
}

static __always_inline struct globals *global(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&globals, &zero);
}

#endif
