// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * Times another XDP program with BPF_PROG_TEST_RUN. A test run with `repeat` gives every pass the same buffer and puts nothing back: a
 * program that rewrites its packet sees its own output from the second pass on. So each pass starts here: this writes the header of the
 * next flow over the buffer, then jumps into the program under test. `empty` in its place costs the copy and the jump alone.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Ethernet, IPv4 without options, UDP. */
#define HEADER_LEN 42
#define MAX_FLOWS (1 << 17)

struct header {
	__u8 bytes[HEADER_LEN];
	__u8 spare[6];
};
_Static_assert(sizeof(struct header) == 48, "bench/program/flows.ts: STRIDE");

struct turn {
	__u32 next;
	__u32 flows;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_FLOWS);
	__type(key, __u32);
	__type(value, struct header);
} header_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn);
} turn_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} program_map SEC(".maps");

SEC("xdp")
int carousel(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	__u32 zero = 0;
	struct turn *turn = bpf_map_lookup_elem(&turn_map, &zero);
	struct header *header;

	if (!turn || data + HEADER_LEN > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	header = bpf_map_lookup_elem(&header_map, &turn->next);
	if (!header)
		return XDP_ABORTED;
	turn->next = turn->next + 1 < turn->flows ? turn->next + 1 : 0;
	__builtin_memcpy(data, header->bytes, HEADER_LEN);
	bpf_tail_call(ctx, &program_map, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
