/** Times as the maps hold them: 2^20 ns of CLOCK_MONOTONIC in 32 bits, compared by signed difference. */
import { CONSTANTS } from './abi/spec.ts';

const TICK_MS = 2 ** CONSTANTS.TICK_SHIFT / 1e6;
/** The longest time that signed difference can hold, 26 days: longer ones are cut to it. */
const MAX_TICKS = 0x7fff_ffff;

/** Returns the tick of now. */
export function nowTick(): number {
  return Number((process.hrtime.bigint() >> BigInt(CONSTANTS.TICK_SHIFT)) & 0xffff_ffffn);
}

/** Returns a duration in ticks, rounded up: 1 at least for anything above 0 ms, 26 days at most. */
export function ticksOf(ms: number): number {
  return Math.min(MAX_TICKS, Math.ceil(ms / TICK_MS));
}

/** Returns the milliseconds from tick `from` to tick `to`; negative when `to` was before. */
export function msBetween(from: number, to: number): number {
  return ((to - from) | 0) * TICK_MS;
}

/** Returns the tick `ticks` after `tick`; never 0, which means none. */
export function tickAfter(tick: number, ticks: number): number {
  return ((tick + ticks) >>> 0) || 1;
}
