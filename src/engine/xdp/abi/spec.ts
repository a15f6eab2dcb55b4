/**
 * What the BPF programs and the control plane share, said once: limits, states and structs. header.ts writes bpf/abi.h from it (a test
 * holds the committed file to that), codec.ts reads and writes the same bytes. A change here is a change of the pinned maps: raise ABI_VERSION.
 *
 * Names end in `_be` where a field holds network byte order; everything else is the host's (little-endian machines only).
 * Times are ticks of 2^20 ns (1.05 ms) of CLOCK_MONOTONIC in 32 bits: compared by signed difference, they wrap after 52 days.
 */
import { DROP_REASONS } from '../../drops.ts';
import { FIRST_BITS, RESPONSE_BUCKETS } from '../../response-times.ts';

export const ABI_VERSION = 1;

/** Limits and numbers, written to the header as `#define NAME value`. */
export const CONSTANTS = {
  ABI_VERSION,
  /** Sessions unless the engine is told otherwise; a power of two. */
  DEFAULT_SESSIONS: 1 << 20,
  MAX_SERVERS: 8192,
  MAX_DIRECTORS: 1024,
  MAX_POOLS: 2048,
  MAX_CANDIDATES: 256,
  MAX_LINKS: 64,
  TICK_SHIFT: 20,
  /** Slots of one index bucket: a cache line. */
  BUCKET_SLOTS: 8,
  /** Records a new session looks at in a row, before the table grows or it goes on elsewhere in one that cannot, and all in all before that counts as full. */
  ALLOC_PROBES: 16,
  FULL_PROBES: 144,
  /** Source ports a new session tries. */
  PORT_PROBES: 16,
  RESPONSE_FIRST_BITS: FIRST_BITS,
  RESPONSE_BUCKETS,
  DROP_SLOTS: 32,
  /** Records one run of the sweep looks at. */
  SWEEP_BATCH: 1024,
  COMMAND_BATCH: 256,
} as const;

/** Enumerations: written as `enum name { NAME_WORD = n }`. */
export const ENUMS = {
  /**
   * Of a session record. claimed: somebody is filling it. live. lingering: moved away, replies of the old server still reach the client.
   * resting: ended; its reply tuple stays taken, so that a late reply meets nobody.
   */
  session_state: ['free', 'claimed', 'live', 'lingering', 'resting'],
  session_kind: ['two_way', 'request_reply', 'one_way'],
  forwarding_mode: ['nat', 'gateway', 'tunnel'],
  /** What becomes of sessions on a server. */
  policy: ['none', 'keep', 'move', 'drop'],
  algorithm: ['rotation', 'least', 'shortest', 'idle_first', 'first', 'source', 'dest', 'srcdst', 'flow', 'random', 'locality', 'replication'],
  command_op: ['sweep', 'end', 'pin'],
} as const;

/** Drop reasons by name, from src/engine/drops.ts. */
export const DROPS: readonly { readonly name: string; readonly id: number }[] = DROP_REASONS.map(({ name, id }) => ({ name, id }));

export type Scalar = 'u8' | 'u16' | 'u32' | 'u64';
export interface Field {
  readonly name: string;
  readonly type: Scalar;
  /** Elements of an array; absent: one value. */
  readonly count?: number;
  readonly about?: string;
}
export interface StructSpec {
  readonly name: string;
  readonly size: number;
  readonly about: string;
  readonly fields: readonly Field[];
}

const f = (name: string, type: Scalar, about?: string, count?: number): Field => ({ name, type, ...(about === undefined ? {} : { about }), ...(count === undefined ? {} : { count }) });

export const SESSION: StructSpec = {
  name: 'session', size: 128,
  about: 'One session. The first cache line is all that IPv4 traffic compares and rewrites; addresses are four words, IPv4 in the last one.',
  fields: [
    f('state', 'u32', 'enum session_state in the low byte, a generation above it'),
    f('client4_be', 'u32', 'last word of the client address'),
    f('vip4_be', 'u32', 'last word of the VIP that was hit'),
    f('source4_be', 'u32', 'last word of the address the server sees'),
    f('client_port_be', 'u16'), f('vip_port_be', 'u16'), f('source_port_be', 'u16'), f('server_port_be', 'u16'),
    f('server', 'u16', 'slot'), f('director', 'u16', 'slot'),
    f('expires', 'u32', 'tick: when a live one is idle, when a lingering one stops, when a resting one is free'),
    f('last', 'u32', 'tick of the last datagram either way'),
    f('request_us', 'u32', 'when the last unanswered request came, in 1024 ns; 0: none waits'),
    f('hop', 'u64', 'way to the client: link id in the low 16 bits, MAC in the other 48'),
    f('packets_in', 'u32'), f('packets_out', 'u32'),
    f('awaited', 'u32', 'request-reply: replies awaited of recent requests'),
    f('epoch', 'u32', 'request-reply: tick at which what is awaited turns into awaited_before, and that into unanswered'),
    f('bytes_in', 'u64'), f('bytes_out', 'u64'),
    f('client6_be', 'u32', 'first three words; all zero for IPv4', 3), f('vip6_be', 'u32', undefined, 3), f('source6_be', 'u32', undefined, 3),
    f('created', 'u32', 'tick'),
    f('awaited_before', 'u32'),
    f('family', 'u8', '4 or 6'), f('kind', 'u8', 'enum session_kind'), f('pad', 'u16'),
  ],
};

export const SERVER: StructSpec = {
  name: 'server', size: 128,
  about: 'One server of one director. The first cache line is read for every datagram.',
  fields: [
    f('addr_be', 'u32', 'IPv4 in the last word', 4),
    f('port_be', 'u16', '0: the port the client used'), f('family', 'u8'), f('mode', 'u8', 'enum forwarding_mode'),
    f('director', 'u16'), f('weight', 'u16'),
    f('policy', 'u32', 'enum policy'), f('policy_until', 'u32', 'keep: tick at which it becomes move; 0: never'),
    f('blocked_until', 'u32', 'tick until which ICMP evidence keeps new sessions away; 0: none'),
    f('hop_tick', 'u32', 'when `hop` has to be looked up again'),
    f('hop', 'u64', 'way to the server, as in session; 0: not resolved'),
    f('source_any', 'u32', '1: servers see `source`, 0: the client'),
    f('source_count', 'u32', 'addresses of the pool'),
    f('pad_line', 'u32', undefined, 2),
    f('active', 'u32', 'what leastconn compares'), f('live', 'u32', 'live sessions'),
    f('refs', 'u32', 'records that name it; the slot may be used again at 0'), f('icmp_errors', 'u32'),
    f('source_be', 'u32', 'first address of the source pool', 4),
    f('port_first', 'u16', 'source ports, host order'), f('port_last', 'u16'),
    f('port_next', 'u32', 'rotor'),
    f('encap_be', 'u32', 'tunnel: outer source', 4),
    f('pad', 'u32', undefined, 2),
  ],
};

export const DIRECTOR: StructSpec = {
  name: 'director', size: 128,
  about: 'What a director says of its sessions; the second cache line counts.',
  fields: [
    f('kind', 'u8', 'enum session_kind'), f('mode', 'u8', 'enum forwarding_mode'), f('down_action', 'u8', 'enum policy: what ICMP evidence does to live sessions'), f('sorry_in_use', 'u8'),
    f('pool', 'u32', 'index of its pool'),
    f('unreplied_ticks', 'u32'), f('replied_ticks', 'u32'),
    f('max', 'u32', 'live sessions; 0xffffffff: no bound'),
    f('replies', 'u32', 'request-reply: replies a request brings'),
    f('persistence_ticks', 'u32', '0: none'), f('prefix4', 'u8'), f('prefix6', 'u8'), f('pad8', 'u16'),
    f('dest_hash', 'u32', 'hashIp of the VIP'),
    f('sorry', 'u32', 'slot + 1; 0: none'),
    f('source_rate', 'u32', 'new sessions a second of one source address; 0: no bound'), f('rate', 'u32', 'new sessions a second of all; 0: no bound'),
    f('amplification', 'u32', 'bytes a session carries to its client for each of its client\'s; 0: no bound'),
    f('pad', 'u32', undefined, 3),
    f('sessions', 'u32', 'live'), f('position', 'u32', 'of the rotation'), f('rate_second', 'u32', 'the second that rate_count counts in'), f('rate_count', 'u32'), f('pad2', 'u32', undefined, 12),
  ],
};

export const CANDIDATE: StructSpec = {
  name: 'candidate', size: 4, about: 'One server that takes new sessions.',
  fields: [f('server', 'u16', 'slot'), f('weight', 'u16', '0..256')],
};

export const POOL_HEADER: StructSpec = {
  name: 'pool_header', size: 16, about: 'Head of a pool; MAX_CANDIDATES candidates follow. A pool is never changed while a director names it.',
  fields: [f('algorithm', 'u32', 'enum algorithm'), f('count', 'u32'), f('table_length', 'u32', 'entries of its table (rotation or hash); 0: no table'), f('pad', 'u32')],
};

export const LINK: StructSpec = {
  name: 'link', size: 32, about: 'An interface datagrams leave by.',
  fields: [
    f('ifindex', 'u32', 'of the device that sends: of a VLAN its parent; 0: unused'), f('own_ifindex', 'u32', 'as routes name it'),
    f('mac', 'u8', undefined, 6), f('vlan_be', 'u16', 'TCI; 0: untagged'), f('mtu', 'u32'), f('pad', 'u32', undefined, 3),
  ],
};

export const GLOBALS: StructSpec = {
  name: 'globals', size: 192, about: 'Of the whole engine; one line that is configured, two that count.',
  fields: [
    f('linger_ticks', 'u32'), f('rest_ticks', 'u32', 'after silence'), f('rest_answered_ticks', 'u32', 'after a request that was answered in full'),
    f('answered_idle_ticks', 'u32', 'how long a request-reply session stays after its last answer'),
    f('block_ticks', 'u32', 'how long ICMP evidence holds'), f('hop_ticks', 'u32', 'how long a looked-up next hop is used'),
    f('pad_line', 'u32'), f('seed', 'u32', 'of the index hash, random'),
    f('bucket_mask', 'u32', 'buckets of the index - 1'), f('capacity', 'u32', 'records'),
    f('pad', 'u32', undefined, 6),
    f('cursor', 'u32', 'next record to try'), f('limit', 'u32', 'records in use: a power of two, grows with need'),
    f('sessions', 'u32', 'live'), f('records', 'u32', 'not free'), f('fragment_id', 'u32'), f('pad2', 'u32', undefined, 11),
    f('persistence_entries', 'u32'), f('pad3', 'u32', undefined, 15),
  ],
};

export const SERVER_COUNTERS: StructSpec = {
  name: 'server_counters', size: 64 + 8 * RESPONSE_BUCKETS, about: 'Per CPU. Bytes are UDP payload bytes.',
  fields: [
    f('packets_in', 'u64'), f('bytes_in', 'u64'), f('packets_out', 'u64'), f('bytes_out', 'u64'),
    f('created', 'u64'), f('moved', 'u64'), f('unanswered', 'u64'), f('icmp', 'u64', 'ICMP errors passed on'),
    f('responses', 'u64', undefined, RESPONSE_BUCKETS),
  ],
};

export const DROP_COUNTERS: StructSpec = {
  name: 'drop_counters', size: 8 * (CONSTANTS.DROP_SLOTS + 8), about: 'Per CPU and director slot; the row MAX_DIRECTORS is of no director.',
  fields: [
    f('drops', 'u64', 'by drop reason', CONSTANTS.DROP_SLOTS),
    f('bytes', 'u64', 'payload bytes of what was dropped on its way in'), f('packets', 'u64', 'datagrams dropped on their way in'),
    f('stateless', 'u64', 'datagrams forwarded without a session because of a limit'), f('limited', 'u64', 'new sessions over a rate'),
    f('icmp_translated', 'u64'), f('fragments', 'u64', 'later fragments that followed their first'), f('passed', 'u64', 'frames left to the kernel'), f('pad', 'u64'),
  ],
};

export const VIP_KEY: StructSpec = {
  name: 'vip_key', size: 24, about: 'Longest prefix of address (IPv4 as ::ffff:a.b.c.d) and port, so that ranges are a few entries.',
  fields: [f('prefix_bits', 'u32', '128: all ports, 144: one'), f('addr_be', 'u32', undefined, 4), f('port_be', 'u16'), f('pad', 'u16')],
};

export const FRAGMENT_KEY: StructSpec = {
  name: 'fragment_key', size: 40, about: 'RFC 791, 815; RFC 8200 4.5.',
  fields: [f('src_be', 'u32', undefined, 4), f('dst_be', 'u32', undefined, 4), f('id_be', 'u32'), f('protocol', 'u32')],
};

export const FRAGMENT: StructSpec = {
  name: 'fragment', size: 64, about: 'What the first fragment found out, for those after it.',
  fields: [
    f('src_be', 'u32', 'new addresses', 4), f('dst_be', 'u32', undefined, 4), f('hop', 'u64'), f('new_id', 'u32', 'sources share an address, so identifications are renumbered'),
    f('tick', 'u32'), f('director', 'u16'), f('mode', 'u8'), f('dropped', 'u8', '1: so are those after it'), f('server', 'u32'), f('pad', 'u32', undefined, 2),
  ],
};

export const PERSIST_KEY: StructSpec = { name: 'persist_key', size: 20, about: 'Masked client address.', fields: [f('addr_be', 'u32', undefined, 4), f('director', 'u32')] };
export const PERSIST: StructSpec = { name: 'persist', size: 8, about: '', fields: [f('server', 'u32', 'slot'), f('until', 'u32', 'tick')] };
export const SOURCE_KEY: StructSpec = { name: 'source_key', size: 20, about: 'A source address (IPv6: its /64) and a director.', fields: [f('addr_be', 'u32', undefined, 4), f('director', 'u32')] };
export const SOURCE: StructSpec = { name: 'source', size: 8, about: 'New sessions in the second that runs.', fields: [f('second', 'u32'), f('count', 'u32')] };
export const SERVER_KEY: StructSpec = { name: 'server_key', size: 20, about: 'An endpoint of a server: whom ICMP errors about datagrams without a session speak against.', fields: [f('addr_be', 'u32', undefined, 4), f('port_be', 'u16', '0: any'), f('family', 'u16', '4 or 6')] };
export const LOCALITY_KEY: StructSpec = { name: 'locality_key', size: 8, about: '', fields: [f('dest_hash', 'u32'), f('director', 'u32')] };
export const LOCALITY: StructSpec = { name: 'locality', size: 40, about: 'Servers that a destination keeps.', fields: [f('members', 'u16', 'slot + 1; 0: none', 16), f('changed', 'u32', 'tick'), f('pad', 'u32')] };

export const COMMAND: StructSpec = {
  name: 'command', size: 32 + 4 * CONSTANTS.COMMAND_BATCH, about: 'What the control plane asks of the program `command`, by BPF_PROG_TEST_RUN.',
  fields: [
    f('op', 'u32', 'enum command_op'), f('first', 'u32', 'sweep: first record'), f('count', 'u32', 'sweep: records; end, pin: entries of `records`'),
    f('server', 'u32', 'pin: slot'), f('done', 'u32', 'answer: records ended, moved or pinned'), f('freed', 'u32', 'answer'), f('live', 'u32', 'answer of sweep'), f('linger', 'u32', 'end: 1 lets late replies through'),
    f('records', 'u32', undefined, CONSTANTS.COMMAND_BATCH),
  ],
};

export const STRUCTS: readonly StructSpec[] = [
  SESSION, SERVER, DIRECTOR, CANDIDATE, POOL_HEADER, LINK, GLOBALS, SERVER_COUNTERS, DROP_COUNTERS, VIP_KEY, FRAGMENT_KEY, FRAGMENT, PERSIST_KEY, PERSIST, SOURCE_KEY, SOURCE, SERVER_KEY,
  LOCALITY_KEY, LOCALITY, COMMAND,
];
