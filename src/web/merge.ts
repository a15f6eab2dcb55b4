/** Differences of texts by lines, and the three-way merge for two people who edited at once. */

/** Beyond this many differing lines the middle is shown as replaced whole. */
const MAX_D = 2000;

export interface LineChange {
  readonly kind: ' ' | '-' | '+';
  readonly text: string;
}

/** Returns the shortest line edit from `before` to `after` (Myers 1986); when too much differs, everything removed and added. */
export function diffLines(before: string, after: string): readonly LineChange[] {
  const a = lines(before);
  const b = lines(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const same = (text: string): LineChange => ({ kind: ' ', text });
  return [...a.slice(0, head).map(same), ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)), ...a.slice(a.length - tail).map(same)];
}

/** Returns the lines that differ, each with its sign, and one line around them; empty when the texts are equal. */
export function changedLines(before: string, after: string): string {
  const all = diffLines(before, after);
  return all.filter((_, i) => [i - 1, i, i + 1].some((near) => (all[near]?.kind ?? ' ') !== ' ')).map(({ kind, text }) => `${kind}${text}`).join('\n');
}

/** Returns what both made of `base`, or null when they changed the same lines differently. */
export function merge3(base: string, mine: string, theirs: string): string | null {
  if (mine === theirs || theirs === base) return mine;
  if (mine === base) return theirs;
  const left = hunks(base, mine);
  const right = hunks(base, theirs);
  const source = lines(base);
  const out: string[] = [];
  let at = 0;
  while (left.length > 0 || right.length > 0) {
    const [l, r] = [left[0], right[0]];
    const next = r === undefined || (l !== undefined && (l.from < r.from || (l.from === r.from && l.to <= r.to))) ? l : r;
    const other = next === l ? r : l;
    if (next === undefined) break;
    if (other !== undefined && touches(next, other)) {
      if (next.from !== other.from || next.to !== other.to || next.lines.join('\n') !== other.lines.join('\n')) return null;
      (next === l ? right : left).shift();
    }
    (next === l ? left : right).shift();
    out.push(...source.slice(at, next.from), ...next.lines);
    at = next.to;
  }
  out.push(...source.slice(at));
  return out.join('\n');
}

/** Lines `from` (included) to `to` (excluded) of the base became `lines`. */
interface Hunk {
  readonly from: number;
  readonly to: number;
  readonly lines: readonly string[];
}

/** Two changes touch when they share or border a line: merging those in silence would be a guess. */
function touches(a: Hunk, b: Hunk): boolean {
  return a.from <= b.to && b.from <= a.to;
}

function hunks(base: string, changed: string): Hunk[] {
  const found: { from: number; to: number; lines: string[] }[] = [];
  let at = 0;
  let open: (typeof found)[number] | undefined;
  for (const { kind, text } of diffLines(base, changed)) {
    if (kind === ' ') {
      open = undefined;
      at++;
      continue;
    }
    if (open === undefined) found.push((open = { from: at, to: at, lines: [] }));
    if (kind === '+') open.lines.push(text);
    else open.to = ++at;
  }
  return found;
}

function middle(a: readonly string[], b: readonly string[]): LineChange[] {
  const whole = (): LineChange[] => [...a.map((text): LineChange => ({ kind: '-', text })), ...b.map((text): LineChange => ({ kind: '+', text }))];
  if (a.length === 0 || b.length === 0) return whole();
  const trace: Map<number, number>[] = [];
  let reach = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= Math.min(MAX_D, a.length + b.length); d++) {
    const now = new Map(reach);
    trace.push(reach);
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (now.get(k - 1) ?? -1) < (now.get(k + 1) ?? -1));
      let x = down ? (now.get(k + 1) ?? 0) : (now.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      now.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, [...trace, now], d);
    }
    reach = now;
  }
  return whole();
}

function walkBack(a: readonly string[], b: readonly string[], trace: readonly Map<number, number>[], depth: number): LineChange[] {
  const out: LineChange[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = depth; d >= 0; d--) {
    const before = trace[d] ?? new Map<number, number>();
    const k = x - y;
    const down = k === -d || (k !== d && (before.get(k - 1) ?? -1) < (before.get(k + 1) ?? -1));
    const fromX = d === 0 ? 0 : (before.get(down ? k + 1 : k - 1) ?? 0);
    const fromY = d === 0 ? 0 : fromX - (down ? k + 1 : k - 1);
    while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      out.push({ kind: ' ', text: a[x - 1] ?? '' });
      x--;
      y--;
    }
    if (d === 0) break;
    if (down) out.push({ kind: '+', text: b[--y] ?? '' });
    else out.push({ kind: '-', text: a[--x] ?? '' });
  }
  return out.reverse();
}

function lines(text: string): string[] {
  return text.split('\n');
}
