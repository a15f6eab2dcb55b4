/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Generated from src/engine/xdp/abi/spec.ts; WEIR_UPDATE=1 node --test dist/src/engine/xdp/abi/abi.test.js writes it again (after tsc). */
#ifndef WEIR_ABI_H
#define WEIR_ABI_H

#include <linux/types.h>
#include <stddef.h>

#define ABI_VERSION 1
#define DEFAULT_SESSIONS 1048576
#define MAX_SERVERS 8192
#define MAX_DIRECTORS 1024
#define MAX_POOLS 2048
#define MAX_CANDIDATES 256
#define MAX_LINKS 64
#define TICK_SHIFT 20
#define BUCKET_SLOTS 8
#define ALLOC_PROBES 16
#define FULL_PROBES 144
#define PORT_PROBES 16
#define RESPONSE_FIRST_BITS 13
#define RESPONSE_BUCKETS 24
#define DROP_SLOTS 32
#define SWEEP_BATCH 1024
#define COMMAND_BATCH 256

enum session_state { SESSION_FREE = 0, SESSION_CLAIMED = 1, SESSION_LIVE = 2, SESSION_LINGERING = 3, SESSION_RESTING = 4 };
enum session_kind { KIND_TWO_WAY = 0, KIND_REQUEST_REPLY = 1, KIND_ONE_WAY = 2 };
enum forwarding_mode { MODE_NAT = 0, MODE_GATEWAY = 1, MODE_TUNNEL = 2 };
enum policy { POLICY_NONE = 0, POLICY_KEEP = 1, POLICY_MOVE = 2, POLICY_DROP = 3 };
enum algorithm { ALGORITHM_ROTATION = 0, ALGORITHM_LEAST = 1, ALGORITHM_SHORTEST = 2, ALGORITHM_IDLE_FIRST = 3, ALGORITHM_FIRST = 4, ALGORITHM_SOURCE = 5, ALGORITHM_DEST = 6, ALGORITHM_SRCDST = 7, ALGORITHM_FLOW = 8, ALGORITHM_RANDOM = 9, ALGORITHM_LOCALITY = 10, ALGORITHM_REPLICATION = 11 };
enum command_op { COMMAND_SWEEP = 0, COMMAND_END = 1, COMMAND_PIN = 2 };

enum drop_reason { DROP_NO_SERVER = 0, DROP_SESSION_MAX = 1, DROP_TABLE_FULL = 2, DROP_NO_PORT = 3, DROP_ON_POLICY = 4, DROP_UNEXPECTED_REPLY = 5, DROP_SEND_FULL = 6, DROP_TOO_BIG = 7, DROP_UNREACHABLE = 8, DROP_SEND_ERROR = 9, DROP_RECEIVE_OVERFLOW = 10, DROP_NO_DIRECTOR = 11, DROP_RATE_LIMIT = 12, DROP_FRAGMENT = 13, DROP_TTL = 14, DROP_AMPLIFICATION = 15 };

/* One session. The first cache line is all that IPv4 traffic compares and rewrites; addresses are four words, IPv4 in the last one. */
struct session {
	__u32 state; /* enum session_state in the low byte, a generation above it */
	__u32 client4_be; /* last word of the client address */
	__u32 vip4_be; /* last word of the VIP that was hit */
	__u32 source4_be; /* last word of the address the server sees */
	__u16 client_port_be;
	__u16 vip_port_be;
	__u16 source_port_be;
	__u16 server_port_be;
	__u16 server; /* slot */
	__u16 director; /* slot */
	__u32 expires; /* tick: when a live one is idle, when a lingering one stops, when a resting one is free */
	__u32 last; /* tick of the last datagram either way */
	__u32 request_us; /* when the last unanswered request came, in 1024 ns; 0: none waits */
	__u64 hop; /* way to the client: link id in the low 16 bits, MAC in the other 48 */
	__u32 packets_in;
	__u32 packets_out;
	__u32 awaited; /* request-reply: replies awaited of recent requests */
	__u32 epoch; /* request-reply: tick at which what is awaited turns into awaited_before, and that into unanswered */
	__u64 bytes_in;
	__u64 bytes_out;
	__u32 client6_be[3]; /* first three words; all zero for IPv4 */
	__u32 vip6_be[3];
	__u32 source6_be[3];
	__u32 created; /* tick */
	__u32 awaited_before;
	__u8 family; /* 4 or 6 */
	__u8 kind; /* enum session_kind */
	__u16 pad;
};
_Static_assert(sizeof(struct session) == 128, "struct session");
_Static_assert(offsetof(struct session, state) == 0, "session.state");
_Static_assert(offsetof(struct session, client4_be) == 4, "session.client4_be");
_Static_assert(offsetof(struct session, vip4_be) == 8, "session.vip4_be");
_Static_assert(offsetof(struct session, source4_be) == 12, "session.source4_be");
_Static_assert(offsetof(struct session, client_port_be) == 16, "session.client_port_be");
_Static_assert(offsetof(struct session, vip_port_be) == 18, "session.vip_port_be");
_Static_assert(offsetof(struct session, source_port_be) == 20, "session.source_port_be");
_Static_assert(offsetof(struct session, server_port_be) == 22, "session.server_port_be");
_Static_assert(offsetof(struct session, server) == 24, "session.server");
_Static_assert(offsetof(struct session, director) == 26, "session.director");
_Static_assert(offsetof(struct session, expires) == 28, "session.expires");
_Static_assert(offsetof(struct session, last) == 32, "session.last");
_Static_assert(offsetof(struct session, request_us) == 36, "session.request_us");
_Static_assert(offsetof(struct session, hop) == 40, "session.hop");
_Static_assert(offsetof(struct session, packets_in) == 48, "session.packets_in");
_Static_assert(offsetof(struct session, packets_out) == 52, "session.packets_out");
_Static_assert(offsetof(struct session, awaited) == 56, "session.awaited");
_Static_assert(offsetof(struct session, epoch) == 60, "session.epoch");
_Static_assert(offsetof(struct session, bytes_in) == 64, "session.bytes_in");
_Static_assert(offsetof(struct session, bytes_out) == 72, "session.bytes_out");
_Static_assert(offsetof(struct session, client6_be) == 80, "session.client6_be");
_Static_assert(offsetof(struct session, vip6_be) == 92, "session.vip6_be");
_Static_assert(offsetof(struct session, source6_be) == 104, "session.source6_be");
_Static_assert(offsetof(struct session, created) == 116, "session.created");
_Static_assert(offsetof(struct session, awaited_before) == 120, "session.awaited_before");
_Static_assert(offsetof(struct session, family) == 124, "session.family");
_Static_assert(offsetof(struct session, kind) == 125, "session.kind");
_Static_assert(offsetof(struct session, pad) == 126, "session.pad");

/* One server of one director. The first cache line is read for every datagram. */
struct server {
	__u32 addr_be[4]; /* IPv4 in the last word */
	__u16 port_be; /* 0: the port the client used */
	__u8 family;
	__u8 mode; /* enum forwarding_mode */
	__u16 director;
	__u16 weight;
	__u32 policy; /* enum policy */
	__u32 policy_until; /* keep: tick at which it becomes move; 0: never */
	__u32 blocked_until; /* tick until which ICMP evidence keeps new sessions away; 0: none */
	__u32 hop_tick; /* when `hop` has to be looked up again */
	__u64 hop; /* way to the server, as in session; 0: not resolved */
	__u32 source_any; /* 1: servers see `source`, 0: the client */
	__u32 source_count; /* addresses of the pool */
	__u32 pad_line[2];
	__u32 active; /* what leastconn compares */
	__u32 live; /* live sessions */
	__u32 refs; /* records that name it; the slot may be used again at 0 */
	__u32 icmp_errors;
	__u32 source_be[4]; /* first address of the source pool */
	__u16 port_first; /* source ports, host order */
	__u16 port_last;
	__u32 port_next; /* rotor */
	__u32 encap_be[4]; /* tunnel: outer source */
	__u32 pad[2];
};
_Static_assert(sizeof(struct server) == 128, "struct server");
_Static_assert(offsetof(struct server, addr_be) == 0, "server.addr_be");
_Static_assert(offsetof(struct server, port_be) == 16, "server.port_be");
_Static_assert(offsetof(struct server, family) == 18, "server.family");
_Static_assert(offsetof(struct server, mode) == 19, "server.mode");
_Static_assert(offsetof(struct server, director) == 20, "server.director");
_Static_assert(offsetof(struct server, weight) == 22, "server.weight");
_Static_assert(offsetof(struct server, policy) == 24, "server.policy");
_Static_assert(offsetof(struct server, policy_until) == 28, "server.policy_until");
_Static_assert(offsetof(struct server, blocked_until) == 32, "server.blocked_until");
_Static_assert(offsetof(struct server, hop_tick) == 36, "server.hop_tick");
_Static_assert(offsetof(struct server, hop) == 40, "server.hop");
_Static_assert(offsetof(struct server, source_any) == 48, "server.source_any");
_Static_assert(offsetof(struct server, source_count) == 52, "server.source_count");
_Static_assert(offsetof(struct server, pad_line) == 56, "server.pad_line");
_Static_assert(offsetof(struct server, active) == 64, "server.active");
_Static_assert(offsetof(struct server, live) == 68, "server.live");
_Static_assert(offsetof(struct server, refs) == 72, "server.refs");
_Static_assert(offsetof(struct server, icmp_errors) == 76, "server.icmp_errors");
_Static_assert(offsetof(struct server, source_be) == 80, "server.source_be");
_Static_assert(offsetof(struct server, port_first) == 96, "server.port_first");
_Static_assert(offsetof(struct server, port_last) == 98, "server.port_last");
_Static_assert(offsetof(struct server, port_next) == 100, "server.port_next");
_Static_assert(offsetof(struct server, encap_be) == 104, "server.encap_be");
_Static_assert(offsetof(struct server, pad) == 120, "server.pad");

/* What a director says of its sessions; the second cache line counts. */
struct director {
	__u8 kind; /* enum session_kind */
	__u8 mode; /* enum forwarding_mode */
	__u8 down_action; /* enum policy: what ICMP evidence does to live sessions */
	__u8 sorry_in_use;
	__u32 pool; /* index of its pool */
	__u32 unreplied_ticks;
	__u32 replied_ticks;
	__u32 max; /* live sessions; 0xffffffff: no bound */
	__u32 replies; /* request-reply: replies a request brings */
	__u32 persistence_ticks; /* 0: none */
	__u8 prefix4;
	__u8 prefix6;
	__u16 pad8;
	__u32 dest_hash; /* hashIp of the VIP */
	__u32 sorry; /* slot + 1; 0: none */
	__u32 source_rate; /* new sessions a second of one source address; 0: no bound */
	__u32 rate; /* new sessions a second of all; 0: no bound */
	__u32 amplification; /* bytes a session carries to its client for each of its client's; 0: no bound */
	__u32 pad[3];
	__u32 sessions; /* live */
	__u32 position; /* of the rotation */
	__u32 rate_second; /* the second that rate_count counts in */
	__u32 rate_count;
	__u32 pad2[12];
};
_Static_assert(sizeof(struct director) == 128, "struct director");
_Static_assert(offsetof(struct director, kind) == 0, "director.kind");
_Static_assert(offsetof(struct director, mode) == 1, "director.mode");
_Static_assert(offsetof(struct director, down_action) == 2, "director.down_action");
_Static_assert(offsetof(struct director, sorry_in_use) == 3, "director.sorry_in_use");
_Static_assert(offsetof(struct director, pool) == 4, "director.pool");
_Static_assert(offsetof(struct director, unreplied_ticks) == 8, "director.unreplied_ticks");
_Static_assert(offsetof(struct director, replied_ticks) == 12, "director.replied_ticks");
_Static_assert(offsetof(struct director, max) == 16, "director.max");
_Static_assert(offsetof(struct director, replies) == 20, "director.replies");
_Static_assert(offsetof(struct director, persistence_ticks) == 24, "director.persistence_ticks");
_Static_assert(offsetof(struct director, prefix4) == 28, "director.prefix4");
_Static_assert(offsetof(struct director, prefix6) == 29, "director.prefix6");
_Static_assert(offsetof(struct director, pad8) == 30, "director.pad8");
_Static_assert(offsetof(struct director, dest_hash) == 32, "director.dest_hash");
_Static_assert(offsetof(struct director, sorry) == 36, "director.sorry");
_Static_assert(offsetof(struct director, source_rate) == 40, "director.source_rate");
_Static_assert(offsetof(struct director, rate) == 44, "director.rate");
_Static_assert(offsetof(struct director, amplification) == 48, "director.amplification");
_Static_assert(offsetof(struct director, pad) == 52, "director.pad");
_Static_assert(offsetof(struct director, sessions) == 64, "director.sessions");
_Static_assert(offsetof(struct director, position) == 68, "director.position");
_Static_assert(offsetof(struct director, rate_second) == 72, "director.rate_second");
_Static_assert(offsetof(struct director, rate_count) == 76, "director.rate_count");
_Static_assert(offsetof(struct director, pad2) == 80, "director.pad2");

/* One server that takes new sessions. */
struct candidate {
	__u16 server; /* slot */
	__u16 weight; /* 0..256 */
};
_Static_assert(sizeof(struct candidate) == 4, "struct candidate");
_Static_assert(offsetof(struct candidate, server) == 0, "candidate.server");
_Static_assert(offsetof(struct candidate, weight) == 2, "candidate.weight");

/* Head of a pool; MAX_CANDIDATES candidates follow. A pool is never changed while a director names it. */
struct pool_header {
	__u32 algorithm; /* enum algorithm */
	__u32 count;
	__u32 table_length; /* entries of its table (rotation or hash); 0: no table */
	__u32 pad;
};
_Static_assert(sizeof(struct pool_header) == 16, "struct pool_header");
_Static_assert(offsetof(struct pool_header, algorithm) == 0, "pool_header.algorithm");
_Static_assert(offsetof(struct pool_header, count) == 4, "pool_header.count");
_Static_assert(offsetof(struct pool_header, table_length) == 8, "pool_header.table_length");
_Static_assert(offsetof(struct pool_header, pad) == 12, "pool_header.pad");

/* An interface datagrams leave by. */
struct link {
	__u32 ifindex; /* of the device that sends: of a VLAN its parent; 0: unused */
	__u32 own_ifindex; /* as routes name it */
	__u8 mac[6];
	__u16 vlan_be; /* TCI; 0: untagged */
	__u32 mtu;
	__u32 pad[3];
};
_Static_assert(sizeof(struct link) == 32, "struct link");
_Static_assert(offsetof(struct link, ifindex) == 0, "link.ifindex");
_Static_assert(offsetof(struct link, own_ifindex) == 4, "link.own_ifindex");
_Static_assert(offsetof(struct link, mac) == 8, "link.mac");
_Static_assert(offsetof(struct link, vlan_be) == 14, "link.vlan_be");
_Static_assert(offsetof(struct link, mtu) == 16, "link.mtu");
_Static_assert(offsetof(struct link, pad) == 20, "link.pad");

/* Of the whole engine; one line that is configured, two that count. */
struct globals {
	__u32 linger_ticks;
	__u32 rest_ticks; /* after silence */
	__u32 rest_answered_ticks; /* after a request that was answered in full */
	__u32 answered_idle_ticks; /* how long a request-reply session stays after its last answer */
	__u32 block_ticks; /* how long ICMP evidence holds */
	__u32 hop_ticks; /* how long a looked-up next hop is used */
	__u32 pad_line;
	__u32 seed; /* of the index hash, random */
	__u32 bucket_mask; /* buckets of the index - 1 */
	__u32 capacity; /* records */
	__u32 pad[6];
	__u32 cursor; /* next record to try */
	__u32 limit; /* records in use: a power of two, grows with need */
	__u32 sessions; /* live */
	__u32 records; /* not free */
	__u32 fragment_id;
	__u32 pad2[11];
	__u32 persistence_entries;
	__u32 pad3[15];
};
_Static_assert(sizeof(struct globals) == 192, "struct globals");
_Static_assert(offsetof(struct globals, linger_ticks) == 0, "globals.linger_ticks");
_Static_assert(offsetof(struct globals, rest_ticks) == 4, "globals.rest_ticks");
_Static_assert(offsetof(struct globals, rest_answered_ticks) == 8, "globals.rest_answered_ticks");
_Static_assert(offsetof(struct globals, answered_idle_ticks) == 12, "globals.answered_idle_ticks");
_Static_assert(offsetof(struct globals, block_ticks) == 16, "globals.block_ticks");
_Static_assert(offsetof(struct globals, hop_ticks) == 20, "globals.hop_ticks");
_Static_assert(offsetof(struct globals, pad_line) == 24, "globals.pad_line");
_Static_assert(offsetof(struct globals, seed) == 28, "globals.seed");
_Static_assert(offsetof(struct globals, bucket_mask) == 32, "globals.bucket_mask");
_Static_assert(offsetof(struct globals, capacity) == 36, "globals.capacity");
_Static_assert(offsetof(struct globals, pad) == 40, "globals.pad");
_Static_assert(offsetof(struct globals, cursor) == 64, "globals.cursor");
_Static_assert(offsetof(struct globals, limit) == 68, "globals.limit");
_Static_assert(offsetof(struct globals, sessions) == 72, "globals.sessions");
_Static_assert(offsetof(struct globals, records) == 76, "globals.records");
_Static_assert(offsetof(struct globals, fragment_id) == 80, "globals.fragment_id");
_Static_assert(offsetof(struct globals, pad2) == 84, "globals.pad2");
_Static_assert(offsetof(struct globals, persistence_entries) == 128, "globals.persistence_entries");
_Static_assert(offsetof(struct globals, pad3) == 132, "globals.pad3");

/* Per CPU. Bytes are UDP payload bytes. */
struct server_counters {
	__u64 packets_in;
	__u64 bytes_in;
	__u64 packets_out;
	__u64 bytes_out;
	__u64 created;
	__u64 moved;
	__u64 unanswered;
	__u64 icmp; /* ICMP errors passed on */
	__u64 responses[24];
};
_Static_assert(sizeof(struct server_counters) == 256, "struct server_counters");
_Static_assert(offsetof(struct server_counters, packets_in) == 0, "server_counters.packets_in");
_Static_assert(offsetof(struct server_counters, bytes_in) == 8, "server_counters.bytes_in");
_Static_assert(offsetof(struct server_counters, packets_out) == 16, "server_counters.packets_out");
_Static_assert(offsetof(struct server_counters, bytes_out) == 24, "server_counters.bytes_out");
_Static_assert(offsetof(struct server_counters, created) == 32, "server_counters.created");
_Static_assert(offsetof(struct server_counters, moved) == 40, "server_counters.moved");
_Static_assert(offsetof(struct server_counters, unanswered) == 48, "server_counters.unanswered");
_Static_assert(offsetof(struct server_counters, icmp) == 56, "server_counters.icmp");
_Static_assert(offsetof(struct server_counters, responses) == 64, "server_counters.responses");

/* Per CPU and director slot; the row MAX_DIRECTORS is of no director. */
struct drop_counters {
	__u64 drops[32]; /* by drop reason */
	__u64 bytes; /* payload bytes of what was dropped on its way in */
	__u64 packets; /* datagrams dropped on their way in */
	__u64 stateless; /* datagrams forwarded without a session because of a limit */
	__u64 limited; /* new sessions over a rate */
	__u64 icmp_translated;
	__u64 fragments; /* later fragments that followed their first */
	__u64 passed; /* frames left to the kernel */
	__u64 pad;
};
_Static_assert(sizeof(struct drop_counters) == 320, "struct drop_counters");
_Static_assert(offsetof(struct drop_counters, drops) == 0, "drop_counters.drops");
_Static_assert(offsetof(struct drop_counters, bytes) == 256, "drop_counters.bytes");
_Static_assert(offsetof(struct drop_counters, packets) == 264, "drop_counters.packets");
_Static_assert(offsetof(struct drop_counters, stateless) == 272, "drop_counters.stateless");
_Static_assert(offsetof(struct drop_counters, limited) == 280, "drop_counters.limited");
_Static_assert(offsetof(struct drop_counters, icmp_translated) == 288, "drop_counters.icmp_translated");
_Static_assert(offsetof(struct drop_counters, fragments) == 296, "drop_counters.fragments");
_Static_assert(offsetof(struct drop_counters, passed) == 304, "drop_counters.passed");
_Static_assert(offsetof(struct drop_counters, pad) == 312, "drop_counters.pad");

/* Longest prefix of address (IPv4 as ::ffff:a.b.c.d) and port, so that ranges are a few entries. */
struct vip_key {
	__u32 prefix_bits; /* 128: all ports, 144: one */
	__u32 addr_be[4];
	__u16 port_be;
	__u16 pad;
};
_Static_assert(sizeof(struct vip_key) == 24, "struct vip_key");
_Static_assert(offsetof(struct vip_key, prefix_bits) == 0, "vip_key.prefix_bits");
_Static_assert(offsetof(struct vip_key, addr_be) == 4, "vip_key.addr_be");
_Static_assert(offsetof(struct vip_key, port_be) == 20, "vip_key.port_be");
_Static_assert(offsetof(struct vip_key, pad) == 22, "vip_key.pad");

/* RFC 791, 815; RFC 8200 4.5. */
struct fragment_key {
	__u32 src_be[4];
	__u32 dst_be[4];
	__u32 id_be;
	__u32 protocol;
};
_Static_assert(sizeof(struct fragment_key) == 40, "struct fragment_key");
_Static_assert(offsetof(struct fragment_key, src_be) == 0, "fragment_key.src_be");
_Static_assert(offsetof(struct fragment_key, dst_be) == 16, "fragment_key.dst_be");
_Static_assert(offsetof(struct fragment_key, id_be) == 32, "fragment_key.id_be");
_Static_assert(offsetof(struct fragment_key, protocol) == 36, "fragment_key.protocol");

/* What the first fragment found out, for those after it. */
struct fragment {
	__u32 src_be[4]; /* new addresses */
	__u32 dst_be[4];
	__u64 hop;
	__u32 new_id; /* sources share an address, so identifications are renumbered */
	__u32 tick;
	__u16 director;
	__u8 mode;
	__u8 dropped; /* 1: so are those after it */
	__u32 server;
	__u32 pad[2];
};
_Static_assert(sizeof(struct fragment) == 64, "struct fragment");
_Static_assert(offsetof(struct fragment, src_be) == 0, "fragment.src_be");
_Static_assert(offsetof(struct fragment, dst_be) == 16, "fragment.dst_be");
_Static_assert(offsetof(struct fragment, hop) == 32, "fragment.hop");
_Static_assert(offsetof(struct fragment, new_id) == 40, "fragment.new_id");
_Static_assert(offsetof(struct fragment, tick) == 44, "fragment.tick");
_Static_assert(offsetof(struct fragment, director) == 48, "fragment.director");
_Static_assert(offsetof(struct fragment, mode) == 50, "fragment.mode");
_Static_assert(offsetof(struct fragment, dropped) == 51, "fragment.dropped");
_Static_assert(offsetof(struct fragment, server) == 52, "fragment.server");
_Static_assert(offsetof(struct fragment, pad) == 56, "fragment.pad");

/* Masked client address. */
struct persist_key {
	__u32 addr_be[4];
	__u32 director;
};
_Static_assert(sizeof(struct persist_key) == 20, "struct persist_key");
_Static_assert(offsetof(struct persist_key, addr_be) == 0, "persist_key.addr_be");
_Static_assert(offsetof(struct persist_key, director) == 16, "persist_key.director");

struct persist {
	__u32 server; /* slot */
	__u32 until; /* tick */
};
_Static_assert(sizeof(struct persist) == 8, "struct persist");
_Static_assert(offsetof(struct persist, server) == 0, "persist.server");
_Static_assert(offsetof(struct persist, until) == 4, "persist.until");

/* A source address (IPv6: its /64) and a director. */
struct source_key {
	__u32 addr_be[4];
	__u32 director;
};
_Static_assert(sizeof(struct source_key) == 20, "struct source_key");
_Static_assert(offsetof(struct source_key, addr_be) == 0, "source_key.addr_be");
_Static_assert(offsetof(struct source_key, director) == 16, "source_key.director");

/* New sessions in the second that runs. */
struct source {
	__u32 second;
	__u32 count;
};
_Static_assert(sizeof(struct source) == 8, "struct source");
_Static_assert(offsetof(struct source, second) == 0, "source.second");
_Static_assert(offsetof(struct source, count) == 4, "source.count");

/* An endpoint of a server: whom ICMP errors about datagrams without a session speak against. */
struct server_key {
	__u32 addr_be[4];
	__u16 port_be; /* 0: any */
	__u16 family; /* 4 or 6 */
};
_Static_assert(sizeof(struct server_key) == 20, "struct server_key");
_Static_assert(offsetof(struct server_key, addr_be) == 0, "server_key.addr_be");
_Static_assert(offsetof(struct server_key, port_be) == 16, "server_key.port_be");
_Static_assert(offsetof(struct server_key, family) == 18, "server_key.family");

struct locality_key {
	__u32 dest_hash;
	__u32 director;
};
_Static_assert(sizeof(struct locality_key) == 8, "struct locality_key");
_Static_assert(offsetof(struct locality_key, dest_hash) == 0, "locality_key.dest_hash");
_Static_assert(offsetof(struct locality_key, director) == 4, "locality_key.director");

/* Servers that a destination keeps. */
struct locality {
	__u16 members[16]; /* slot + 1; 0: none */
	__u32 changed; /* tick */
	__u32 pad;
};
_Static_assert(sizeof(struct locality) == 40, "struct locality");
_Static_assert(offsetof(struct locality, members) == 0, "locality.members");
_Static_assert(offsetof(struct locality, changed) == 32, "locality.changed");
_Static_assert(offsetof(struct locality, pad) == 36, "locality.pad");

/* What the control plane asks of the program `command`, by BPF_PROG_TEST_RUN. */
struct command {
	__u32 op; /* enum command_op */
	__u32 first; /* sweep: first record */
	__u32 count; /* sweep: records; end, pin: entries of `records` */
	__u32 server; /* pin: slot */
	__u32 done; /* answer: records ended, moved or pinned */
	__u32 freed; /* answer */
	__u32 live; /* answer of sweep */
	__u32 linger; /* end: 1 lets late replies through */
	__u32 records[256];
};
_Static_assert(sizeof(struct command) == 1056, "struct command");
_Static_assert(offsetof(struct command, op) == 0, "command.op");
_Static_assert(offsetof(struct command, first) == 4, "command.first");
_Static_assert(offsetof(struct command, count) == 8, "command.count");
_Static_assert(offsetof(struct command, server) == 12, "command.server");
_Static_assert(offsetof(struct command, done) == 16, "command.done");
_Static_assert(offsetof(struct command, freed) == 20, "command.freed");
_Static_assert(offsetof(struct command, live) == 24, "command.live");
_Static_assert(offsetof(struct command, linger) == 28, "command.linger");
_Static_assert(offsetof(struct command, records) == 32, "command.records");

#endif
