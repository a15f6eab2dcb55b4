/** What the engine needs of the kernel: the maps, one command, and where the program runs. maps.ts has the real one, fake-kernel.ts tests'. */
import type { DropCounts, ServerCounts } from './counters.ts';
import type { Structs } from './codec.ts';
import type { XdpMode } from './libbpf.ts';

/** A map from a key to a 32-bit number; keys are hex of their bytes. */
export interface NumberMap {
  entries(): ReadonlyMap<string, number>;
  set(key: string, value: number): void;
  remove(key: string): void;
}

/** An interface the program runs on. */
export interface Attachment {
  readonly ifindex: number;
  readonly mode: XdpMode;
}

/** The loaded data plane. Whatever talks to the kernel may throw BpfError; memory does not. */
export interface Kernel {
  /** Records of the session table. */
  readonly capacity: number;
  /** True when the maps were made now, false when they were found pinned. */
  readonly fresh: boolean;
  readonly sessions: Structs;
  readonly servers: Structs;
  readonly directors: Structs;
  readonly poolHeads: Structs;
  /** All pools' candidates: those of pool p from p * MAX_CANDIDATES. */
  candidate(pool: number, index: number): { readonly server: number; readonly weight: number };
  setCandidate(pool: number, index: number, server: number, weight: number): void;
  readonly links: Structs;
  readonly globals: Structs;
  readonly vips: NumberMap;
  readonly linkIds: NumberMap;
  readonly vlanLinks: NumberMap;
  readonly ports: NumberMap;
  /** Puts a table in place of each pool's; all in one call, for the kernel waits out running programs once a call. */
  setTables(tables: readonly { readonly pool: number; readonly entries: Uint16Array }[]): void;
  serverCounts(slot: number): ServerCounts;
  /** `slot` MAX_DIRECTORS: of no director. */
  dropCounts(slot: number): DropCounts;
  clearServer(slot: number): void;
  clearDirector(slot: number): void;
  /** What persistence holds for a masked address (hex of four words) of a director; null when nothing. */
  persisted(director: number, address: Uint8Array): { readonly server: number; readonly until: number } | null;
  /** Server slots that a destination keeps. */
  locality(director: number, destHash: number): readonly number[];
  /** Runs the program `command` on a struct command, which holds the answer afterwards. */
  command(request: Buffer): void;
  attached(): readonly Attachment[];
  attach(ifindex: number, mode: XdpMode, device: string): void;
  detach(ifindex: number): void;
  /** Lets go of everything; what is pinned goes on. */
  close(): void;
  /** Takes everything down: links first, so that no packet meets half of it. */
  remove(): void;
}
