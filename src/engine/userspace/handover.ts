/**
 * What a userspace engine leaves to its successor in another process: bytes and open sockets. The bytes are versioned: a successor of
 * another format, or whose records are laid out otherwise, refuses them by name before it touches anything (docs/adr/0017).
 */
import { deserialize, serialize } from 'node:v8';
import type { Desired } from '../../plan/desired.ts';
import { DROP_REASONS } from '../drops.ts';
import type { SlottedDirector } from './protocol.ts';
import { HASH_SAMPLE, SESSION_COLUMNS } from './sessions.ts';
import { DIRECTOR_COUNTER, DIRECTOR_STRIDE, ADDRESS_STRIDE, SERVER_COUNTER, SERVER_STRIDE, WORKER_COUNTER, WORKER_STRIDE, type SharedHandover, type SharedLimits } from './shared.ts';
import type { KeptSlots } from './slots.ts';

/** Goes up with every change of what is handed over or of what it means; handover.test.ts asks for it when the layout changes. */
export const HANDOVER_FORMAT = 1;

/** Everything whose numbers are handed over raw: two programs whose layouts differ must not share them. */
export const HANDOVER_LAYOUT = JSON.stringify([
  SESSION_COLUMNS, HASH_SAMPLE, SERVER_COUNTER, SERVER_STRIDE, DIRECTOR_COUNTER, DIRECTOR_STRIDE, WORKER_COUNTER, WORKER_STRIDE, ADDRESS_STRIDE,
  DROP_REASONS.map((reason) => [reason.id, reason.name]),
]);

export interface UserspaceHandover {
  readonly format: number;
  readonly layout: string;
  /** Of Reading: counters go on. */
  readonly epoch: string;
  readonly epochNs: bigint;
  readonly limits: SharedLimits;
  readonly shared: SharedHandover;
  readonly slots: KeptSlots;
  readonly slotted: readonly SlottedDirector[];
  readonly desired: Desired;
  /** How many descriptors each packet worker has, in their order. Its state is a part of its own, which it makes and understands itself. */
  readonly workers: readonly number[];
}

/** Another program's handover that this one cannot take; `message` names both formats. */
export class HandoverRefused extends Error {
  readonly cure: string = 'restart weir instead (its sessions end), or take over with a program of the same version';
  constructor(message: string) {
    super(message);
    this.name = 'HandoverRefused';
  }
}

/** What a successor must have ready: as many packet workers, on the same clock. */
export interface HandoverTerms {
  readonly workers: number;
  readonly epochNs: bigint;
}

/** Returns the terms as text. */
export function encodeTerms({ workers, epochNs }: HandoverTerms): string {
  return JSON.stringify({ format: HANDOVER_FORMAT, layout: HANDOVER_LAYOUT, workers, epochNs: String(epochNs) });
}

/** Returns the terms that `text` states. Throws HandoverRefused as decodeHandover does, before anything was stopped. */
export function decodeTerms(text: string): HandoverTerms {
  const { format, layout, workers, epochNs } = JSON.parse(text) as Record<string, unknown>;
  requireFormat(format, layout);
  return { workers: Number(workers), epochNs: BigInt(String(epochNs)) };
}

/** Returns the bytes of a handover. */
export function encodeHandover(handover: UserspaceHandover): Uint8Array {
  return serialize(handover);
}

/** Returns the handover that `bytes` hold. Throws HandoverRefused for another format, another layout, or what is no handover at all. */
export function decodeHandover(bytes: Uint8Array | undefined): UserspaceHandover {
  let value: Partial<UserspaceHandover> | null;
  try {
    value = deserialize(bytes ?? Buffer.alloc(0)) as Partial<UserspaceHandover> | null;
  } catch (cause) {
    throw new HandoverRefused(`the sessions cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  requireFormat(value?.format, value?.layout);
  return value as UserspaceHandover;
}

function requireFormat(format: unknown, layout: unknown): void {
  if (format !== HANDOVER_FORMAT) throw new HandoverRefused(`sessions are handed over in format ${String(format)}, this program takes over format ${HANDOVER_FORMAT}`);
  if (layout !== HANDOVER_LAYOUT) throw new HandoverRefused(`session records are laid out otherwise than format ${HANDOVER_FORMAT} of this program`);
}
