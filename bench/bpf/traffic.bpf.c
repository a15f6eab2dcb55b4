// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * The bench's traffic, in XDP programs:
 *   generate  run by BPF_PROG_TEST_RUN with live frames; redirects one frame into the clients' veth whenever one is due
 *   reflect   on the servers' veth; answers every datagram for a server, payload intact
 *   receive   on the clients' veth; counts replies and their latency
 * the latter two also as classifiers of tc, for subjects that send by the kernel's stack (FarEnds of bench/traffic/layout.ts):
 *   reflect_skb, receive_skb
 * and two that stand in the place of reflect where a test asks which server has which client:
 *   reflect_home  answers likewise, and counts datagrams that come to another server than their client's first one
 *   absorb_home   takes what comes through a tunnel (IPIP), answers nothing, and counts the same
 * Structs are mirrored in bench/traffic/layout.ts; the assertions below hold the offsets.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* An invocation waits this long for its turn, then gives it up: frames leave when a batch ends, so a batch must end soon. child.ts: WAIT_NS. */
#define WAIT_NS 1000
/* More looks at the clock than fit into WAIT_NS; the verifier wants a bound. */
#define LOOKS 512
/* Replies this long after the end of a run still count: what was under way. */
#define GRACE_NS 10000000ull
#define FIRST_CLIENT_PORT 1024
#define CLIENT_PORTS 64512
/* 8 buckets per power of two: 12.5 % resolution. */
#define BUCKET_BITS 3
#define BUCKETS 320
/* Clients whose server is known, by number. */
#define HOMES (1 << 21)

struct config {
	__u64 duration_ns;
	/* Time between frames in 1/256 ns. */
	__u64 period_fx;
	/* A generator that was kept from running catches up at most this much (1/256 ns) and skips the rest. */
	__u64 catch_up_fx;
	/* Marks the frames of one run, so that a late reply is not counted for the next. */
	__u32 run;
	__u32 first_client;
	__u32 clients;
	/* Addresses in host order, ports too. */
	__u32 client_ip;
	__u32 client_addresses;
	__u32 target_ip;
	__u32 target_port;
	__u32 server_ip;
	__u32 servers;
	__u32 server_port;
	__u32 out_ifindex;
	__u8 source_mac[6];
	__u8 target_mac[6];
	/* So many clients from number kept_first on have every other frame, in turn; 0: none. */
	__u32 kept;
	__u32 kept_first;
};
_Static_assert(sizeof(struct config) == 88, "layout.ts: CONFIG");
_Static_assert(offsetof(struct config, out_ifindex) == 64, "layout.ts: CONFIG");

struct sender {
	__u64 start_ns;
	__u64 next_fx;
	__u64 last_ns;
	__u64 sent;
	__u64 skipped;
	/* Whose turn the first frame was. */
	__u64 turn;
	/* Of `sent`, frames of kept clients. */
	__u64 kept;
};
_Static_assert(sizeof(struct sender) == 56, "layout.ts: SENDER");

struct receiver {
	__u64 replies;
	/* A reply that reached another client than the one that asked. */
	__u64 misdelivered;
	/* Replies to an earlier run, or after the end of this one: what an overloaded subject works off later it did not carry. */
	__u64 late;
	__u64 icmp;
	__u64 other;
	/* Of `replies`, those to kept clients. */
	__u64 kept;
	__u64 buckets[BUCKETS];
};
_Static_assert(sizeof(struct receiver) == 48 + 8 * BUCKETS, "layout.ts: RECEIVER");

struct reflector {
	__u64 reflected;
	__u64 other;
	/* Of `reflected`: the first of their client, and those that came to another server than that. */
	__u64 first;
	__u64 strayed;
	/* Of `reflected`, of kept clients. */
	__u64 kept;
};
_Static_assert(sizeof(struct reflector) == 40, "layout.ts: REFLECTOR");

/* 22 bytes: what is left of a 64-byte frame; the head of a longer one. */
struct payload {
	__u64 sent_ns;
	__u32 run;
	__u32 client;
	__u32 sequence;
	__u16 spare;
} __attribute__((packed));

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct payload payload;
} __attribute__((packed, aligned(2)));
_Static_assert(sizeof(struct frame) == 64, "trial.ts: SMALL_FRAME_BYTES");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sender);
} sender_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct receiver);
} receiver_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reflector);
} reflector_map SEC(".maps");

/* Server + 1 of each client; 0: not seen yet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HOMES);
	__type(key, __u32);
	__type(value, __u32);
} homes SEC(".maps");

static __always_inline __u32 client_ip(const struct config *config, __u32 client)
{
	return config->client_ip + client % config->client_addresses;
}

static __always_inline __u16 client_port(const struct config *config, __u32 client)
{
	return FIRST_CLIENT_PORT + client / config->client_addresses % CLIENT_PORTS;
}

static __always_inline __u16 ip_checksum(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Waits until the next frame is due; false when this turn ends without one. */
static __always_inline bool wait_for_turn(const struct config *config, struct sender *sender, __u64 *now_ns)
{
	__u64 now = bpf_ktime_get_ns(), entered = now;

	if (sender->start_ns == 0)
		sender->start_ns = now;
	for (int i = 0; i < LOOKS; i++) {
		__u64 elapsed = now - sender->start_ns;
		__u64 elapsed_fx = elapsed << 8;

		if (elapsed >= config->duration_ns)
			return false;
		if (elapsed_fx >= sender->next_fx) {
			if (elapsed_fx - sender->next_fx > config->catch_up_fx) {
				sender->next_fx = elapsed_fx;
				sender->skipped++;
			}
			sender->next_fx += config->period_fx;
			*now_ns = now;
			return true;
		}
		if (now - entered >= WAIT_NS)
			return false;
		now = bpf_ktime_get_ns();
	}
	return false;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u32 zero = 0, client;
	struct config *config = bpf_map_lookup_elem(&config_map, &zero);
	struct sender *sender = bpf_map_lookup_elem(&sender_map, &zero);
	/* What lies behind the payload stays as it is: nobody reads it, there is no checksum. */
	__u32 length = ctx->data_end - ctx->data;
	__u64 now_ns = 0;

	if (!config || !sender || (void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	if (!config->clients || !config->client_addresses)
		return XDP_DROP;
	if (!wait_for_turn(config, sender, &now_ns))
		return XDP_DROP;

	/* Every byte, every time: the page comes back as the receiver left it. */
	if (config->kept && (sender->sent & 1)) {
		client = config->kept_first + (__u32)(sender->kept % config->kept);
		sender->kept++;
	} else {
		client = config->first_client + (__u32)((sender->turn + sender->sent - sender->kept) % config->clients);
	}
	__builtin_memcpy(frame->eth.h_dest, config->target_mac, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, config->source_mac, ETH_ALEN);
	frame->eth.h_proto = bpf_htons(ETH_P_IP);
	frame->ip.ihl = 5;
	frame->ip.version = 4;
	frame->ip.tos = 0;
	frame->ip.tot_len = bpf_htons(length - sizeof(struct ethhdr));
	frame->ip.id = 0;
	frame->ip.frag_off = bpf_htons(0x4000);
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_UDP;
	frame->ip.check = 0;
	frame->ip.saddr = bpf_htonl(client_ip(config, client));
	frame->ip.daddr = bpf_htonl(config->target_ip);
	frame->ip.check = ip_checksum(&frame->ip);
	frame->udp.source = bpf_htons(client_port(config, client));
	frame->udp.dest = bpf_htons(config->target_port);
	frame->udp.len = bpf_htons(length - sizeof(struct ethhdr) - sizeof(struct iphdr));
	/* None: a network card would have verified it. */
	frame->udp.check = 0;
	frame->payload.sent_ns = now_ns;
	frame->payload.run = config->run;
	frame->payload.client = client;
	frame->payload.sequence = sender->sent;
	frame->payload.spare = 0;
	sender->sent++;
	sender->last_ns = now_ns;
	return bpf_redirect(config->out_ifindex, 0);
}

static __always_inline bool is_kept(const struct config *config, __u32 client)
{
	return client - config->kept_first < config->kept;
}

/* Remembers a client's first server, and counts what goes elsewhere. */
static __always_inline void look_home(const struct config *config, struct reflector *reflector, __u32 client, __u32 server)
{
	__u32 *home = bpf_map_lookup_elem(&homes, &client);

	if (is_kept(config, client))
		reflector->kept++;
	if (!home || *home == server + 1)
		return;
	if (*home == 0) {
		*home = server + 1;
		reflector->first++;
	} else {
		reflector->strayed++;
	}
}

/* Turns a datagram for a server into its answer; false for any other frame, which is left alone. */
static __always_inline bool answer(struct frame *frame, void *end, bool look)
{
	__u32 zero = 0, address;
	__u16 port;
	__u8 mac[ETH_ALEN];
	struct config *config = bpf_map_lookup_elem(&config_map, &zero);
	struct reflector *reflector = bpf_map_lookup_elem(&reflector_map, &zero);

	if (!config || !reflector)
		return false;
	if ((void *)(frame + 1) > end || frame->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    frame->ip.ihl != 5 || frame->ip.protocol != IPPROTO_UDP || frame->udp.dest != bpf_htons(config->server_port) ||
	    bpf_ntohl(frame->ip.daddr) - config->server_ip >= config->servers) {
		reflector->other++;
		return false;
	}
	__builtin_memcpy(mac, frame->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_dest, frame->eth.h_source, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, mac, ETH_ALEN);
	address = frame->ip.daddr;
	frame->ip.daddr = frame->ip.saddr;
	frame->ip.saddr = address;
	port = frame->udp.dest;
	frame->udp.dest = frame->udp.source;
	frame->udp.source = port;
	/* veth left it to a device that does not exist: half a checksum. */
	frame->udp.check = 0;
	reflector->reflected++;
	if (look)
		look_home(config, reflector, frame->payload.client, bpf_ntohl(address) - config->server_ip);
	return true;
}

static __always_inline int answer_xdp(struct xdp_md *ctx, bool look)
{
	if (!answer((void *)(long)ctx->data, (void *)(long)ctx->data_end, look))
		return XDP_PASS;
	/* Not XDP_TX: that needs a program at the other end too. */
	return bpf_redirect(ctx->ingress_ifindex, 0);
}

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	return answer_xdp(ctx, false);
}

SEC("tc")
int reflect_skb(struct __sk_buff *skb)
{
	if (!answer((void *)(long)skb->data, (void *)(long)skb->data_end, false))
		return TC_ACT_OK;
	return bpf_redirect(skb->ifindex, 0);
}

SEC("xdp")
int reflect_home(struct xdp_md *ctx)
{
	return answer_xdp(ctx, true);
}

SEC("xdp")
int absorb_home(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *outer = (void *)(eth + 1), *inner = outer + 1;
	struct udphdr *udp = (void *)(inner + 1);
	struct payload *payload = (void *)(udp + 1);
	__u32 zero = 0;
	struct config *config = bpf_map_lookup_elem(&config_map, &zero);
	struct reflector *reflector = bpf_map_lookup_elem(&reflector_map, &zero);

	if (!config || !reflector)
		return XDP_PASS;
	if ((void *)(payload + 1) > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETH_P_IP) || outer->protocol != IPPROTO_IPIP ||
	    bpf_ntohl(outer->daddr) - config->server_ip >= config->servers || inner->daddr != bpf_htonl(config->target_ip)) {
		reflector->other++;
		return XDP_PASS;
	}
	reflector->reflected++;
	look_home(config, reflector, payload->client, bpf_ntohl(outer->daddr) - config->server_ip);
	return XDP_DROP;
}

static __always_inline __u32 log2_of(__u64 value)
{
	__u32 log = 0;

	if (value >> 32) { value >>= 32; log += 32; }
	if (value >> 16) { value >>= 16; log += 16; }
	if (value >> 8) { value >>= 8; log += 8; }
	if (value >> 4) { value >>= 4; log += 4; }
	if (value >> 2) { value >>= 2; log += 2; }
	if (value >> 1) log += 1;
	return log;
}

/* bench/traffic/histogram.ts is the inverse. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 log, bucket;

	if (ns < (1 << BUCKET_BITS))
		return ns;
	log = log2_of(ns);
	bucket = ((log - BUCKET_BITS + 1) << BUCKET_BITS) + ((ns >> (log - BUCKET_BITS)) & ((1 << BUCKET_BITS) - 1));
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* Counts a reply; false for a frame that is nothing of ours. */
static __always_inline bool count(struct frame *frame, void *end)
{
	__u32 zero = 0, client;
	__u64 bucket;
	struct config *config = bpf_map_lookup_elem(&config_map, &zero);
	struct sender *sender = bpf_map_lookup_elem(&sender_map, &zero);
	struct receiver *receiver = bpf_map_lookup_elem(&receiver_map, &zero);
	__u64 now;

	if (!config || !sender || !receiver || !config->client_addresses)
		return false;
	if ((void *)(&frame->ip + 1) > end || frame->eth.h_proto != bpf_htons(ETH_P_IP))
		return false;
	if (frame->ip.protocol == IPPROTO_ICMP) {
		receiver->icmp++;
		return true;
	}
	if ((void *)(frame + 1) > end || frame->ip.ihl != 5 || frame->ip.protocol != IPPROTO_UDP ||
	    frame->ip.saddr != bpf_htonl(config->target_ip) || frame->udp.source != bpf_htons(config->target_port)) {
		receiver->other++;
		return true;
	}
	now = bpf_ktime_get_ns();
	if (frame->payload.run != config->run || now - sender->start_ns > config->duration_ns + GRACE_NS) {
		receiver->late++;
		return true;
	}
	client = frame->payload.client;
	if (frame->ip.daddr != bpf_htonl(client_ip(config, client)) || frame->udp.dest != bpf_htons(client_port(config, client))) {
		receiver->misdelivered++;
		return true;
	}
	receiver->replies++;
	if (is_kept(config, client))
		receiver->kept++;
	bucket = bucket_of(now - frame->payload.sent_ns);
	/* The comparison is of this register: Linux 6.1 does not know that another, which it was made from, is as small. */
	barrier_var(bucket);
	if (bucket < BUCKETS)
		receiver->buckets[bucket]++;
	return true;
}

SEC("xdp")
int receive(struct xdp_md *ctx)
{
	return count((void *)(long)ctx->data, (void *)(long)ctx->data_end) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int receive_skb(struct __sk_buff *skb)
{
	return count((void *)(long)skb->data, (void *)(long)skb->data_end) ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
