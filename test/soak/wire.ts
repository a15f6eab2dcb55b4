/** What the soak and its helper processes say to each other: JSON lines; times are CLOCK_MONOTONIC ms, which all processes of a machine share. */
import type { Family, Kind } from './model.ts';
import type { At } from './place.ts';

/** A director as the load knows it. */
export interface Lane {
  readonly director: string;
  readonly kind: Kind;
  readonly vip: At;
  readonly family: Family;
}

/** What the load is told, first `begin`. */
export type LoadCommand =
  | { readonly op: 'begin'; readonly lanes: readonly Lane[]; readonly clientIps: Readonly<Record<Family, string>>; readonly fixedClients: number; readonly everyMs: number; readonly newEveryMs: number }
  | { readonly op: 'flood'; readonly director: string; readonly clients: number }
  | { readonly op: 'stop' };

/** What it tells: rows since the last report. `lateMs` is how late its timer was: how much the machine keeps processes waiting. */
export interface LoadReport {
  readonly sent: readonly (readonly [id: number, lane: number, flow: string, atMs: number])[];
  readonly answered: readonly (readonly [id: number, server: string, atMs: number])[];
  readonly strays: readonly string[];
  readonly failed: readonly string[];
  readonly lateMs: number;
  readonly atMs: number;
  /** Local ports of its sockets, of which the kernel counts what overflows. */
  readonly ports: readonly number[] | null;
  readonly stopped: boolean;
}

/** A datagram's text: its number and what is expected; a server answers `name|number`, to a one-way one nothing. */
export function datagramText(id: number, kind: Kind): string {
  return `${id}|${kind === 'one-way' ? 'o' : 'a'}`;
}

/** Returns the time that all processes of the machine share, in ms with fractions. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
