/** `check all` and `check any`: several checks of one server at once. The first that decides ends the others. */
import type { CheckResult } from '../health.ts';
import type { Check } from './attempt.ts';

export interface Part {
  /** For the detail. */
  readonly name: string;
  readonly check: Check;
  /** null: the target's port. */
  readonly port: number | null;
}

type Named = CheckResult & { readonly name: string };

/** Returns a check that runs all parts at once; `all`: each must be good, `any`: one is enough. The detail names the part that decided. */
export function combine(how: 'all' | 'any', parts: readonly Part[]): Check {
  return async (target, env) => {
    const startedMs = env.nowMs();
    const cancels = new Set<() => void>();
    const cancel = (): void => {
      for (const end of cancels) end();
    };
    env.cancels.add(cancel);
    const results: Named[] = [];
    let decided = false;
    try {
      await Promise.all(
        parts.map(async ({ name, check, port }) => {
          const result = await check({ ...target, port: port ?? target.port }, { ...env, cancels });
          if (decided) return;
          results.push({ name, ...result });
          decided = how === 'any' ? result.ok : !result.ok && result.finding !== 'cannot';
          if (decided) cancel();
        }),
      );
    } finally {
      env.cancels.delete(cancel);
    }
    return { ...verdict(how, results), latencyMs: env.nowMs() - startedMs };
  };
}

/** Returns what the parts' results, in the order they came, say together. A part that cannot run decides only when the others do not. */
export function verdict(how: 'all' | 'any', results: readonly Named[]): Omit<CheckResult, 'latencyMs'> {
  const good = results.filter((r) => r.ok);
  const bad = results.filter((r) => !r.ok && r.finding !== 'cannot');
  const cannot = results.filter((r) => r.finding === 'cannot');
  const text = (list: readonly Named[]): string => list.map((r) => `${r.name}: ${r.detail}`).join('; ');
  if (how === 'all') {
    if (bad.length > 0) return { ok: false, detail: text(bad), ...(bad.some((r) => r.finding === 'refused') ? { finding: 'refused' as const } : {}) };
    if (cannot.length > 0) return { ok: false, detail: text(cannot), finding: 'cannot' };
    const weights = good.flatMap((r) => r.weightPercent ?? []);
    return { ok: true, detail: text(good), ...(weights.length === 0 ? {} : { weightPercent: Math.min(...weights) }) };
  }
  const [first] = good;
  if (first !== undefined) return { ok: true, detail: text([first]), ...(first.weightPercent === undefined ? {} : { weightPercent: first.weightPercent }) };
  if (cannot.length > 0) return { ok: false, detail: text([...cannot, ...bad]), finding: 'cannot' };
  return { ok: false, detail: text(bad), ...(bad.every((r) => r.finding === 'refused') ? { finding: 'refused' as const } : {}) };
}
