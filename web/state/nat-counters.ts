/** What the running NAT rules have taken, read again and again while somebody looks. */
import { useEffect, useState } from 'preact/hooks';
import type { NatRuleView } from '../../src/client/types.ts';
import { api, endedSignIn } from './api.ts';

export interface NatCounters {
  readonly rule: NatRuleView;
  /** Null until two readings are there, and when counters started again between them. */
  readonly flowsPerS: number | null;
}

const POLL_MS = 2000;

/** Returns the running rules by name; null until they have been read. Counters stay as last read while the daemon is away. */
export function useNatCounters(): ReadonlyMap<string, NatCounters> | null {
  const [counters, setCounters] = useState<ReadonlyMap<string, NatCounters> | null>(null);
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    let before: { readonly atMs: number; readonly rules: ReadonlyMap<string, NatRuleView> } | null = null;
    const read = async (): Promise<void> => {
      try {
        const list = await api.nat();
        if (gone) return;
        const now = { atMs: performance.now(), rules: new Map(list.map((rule) => [rule.name, rule])) };
        const seconds = before === null ? 0 : (now.atMs - before.atMs) / 1000;
        const was = before?.rules;
        setCounters(new Map(list.map((rule) => [rule.name, { rule, flowsPerS: rateOf(was?.get(rule.name)?.flows, rule.flows, seconds) }])));
        before = now;
      } catch (error) {
        if (gone || endedSignIn(error)) return;
      }
      timer = setTimeout(() => void read(), POLL_MS);
    };
    void read();
    return () => { gone = true; clearTimeout(timer); };
  }, []);
  return counters;
}

function rateOf(before: number | null | undefined, now: number | null, seconds: number): number | null {
  return before == null || now === null || now < before || seconds <= 0 ? null : (now - before) / seconds;
}
