/** A unified diff of two texts, bounded in time and size. */

const CONTEXT = 3;
/** Myers' algorithm needs about D × D steps: beyond this many differing lines the diff is a summary. */
const MAX_D = 1000;
const MAX_LINES_SHOWN = 1000;

type Edit = { readonly kind: ' ' | '-' | '+'; readonly line: string };

/** Returns a unified diff from `before` to `after`, empty when they are equal; a summary line when they differ too much to show. */
export function unifiedDiff(before: { readonly name: string; readonly text: string }, after: { readonly name: string; readonly text: string }): string {
  if (before.text === after.text) return '';
  const a = linesOf(before.text);
  const b = linesOf(after.text);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const title = `--- ${before.name}\n+++ ${after.name}\n`;
  const edits = shortestEdit(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  if (edits === null) return `${title}@@ too much differs to show: lines ${head + 1} to ${a.length - tail} (of ${a.length}) became lines ${head + 1} to ${b.length - tail} (of ${b.length}) @@\n`;
  const from = Math.max(0, head - CONTEXT);
  const kept = (line: string): Edit => ({ kind: ' ', line });
  const all = [...a.slice(from, head).map(kept), ...edits, ...a.slice(a.length - tail, a.length - tail + CONTEXT).map(kept)];
  const hunks = hunksOf(all, from).join('').split('\n');
  const shown = hunks.length <= MAX_LINES_SHOWN ? hunks : [...hunks.slice(0, MAX_LINES_SHOWN), `@@ ${hunks.length - MAX_LINES_SHOWN} more lines @@`, ''];
  return title + shown.join('\n');
}

/** Splits into lines; a text that does not end in a newline shows it, as diff does. */
function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  else lines[lines.length - 1] += '\n\\ No newline at end of file';
  return lines;
}

/** Myers 1986: the shortest list of edits, or null when it needs more than MAX_D. */
function shortestEdit(a: readonly string[], b: readonly string[]): Edit[] | null {
  const max = Math.min(a.length + b.length, MAX_D);
  const offset = max + 1;
  const furthest = new Int32Array(2 * max + 3);
  const trace: Int32Array[] = [];
  for (let d = 0; d <= max; d++) {
    trace.push(furthest.slice(offset - d - 1, offset + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (furthest[offset + k - 1] as number) < (furthest[offset + k + 1] as number));
      let x = down ? (furthest[offset + k + 1] as number) : (furthest[offset + k - 1] as number) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      furthest[offset + k] = x;
      if (x >= a.length && x - k >= b.length) return backtrack(a, b, trace, d);
    }
  }
  return null;
}

function backtrack(a: readonly string[], b: readonly string[], trace: readonly Int32Array[], length: number): Edit[] {
  const edits: Edit[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = length; d >= 0; d--) {
    const row = trace[d] as Int32Array;
    const at = (k: number): number => row[k + d + 1] as number;
    const k = x - y;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const fromK = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : at(fromK);
    const fromY = d === 0 ? 0 : fromX - fromK;
    while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      edits.push({ kind: ' ', line: a[--x] as string });
      y--;
    }
    if (d === 0) break;
    if (down) edits.push({ kind: '+', line: b[--y] as string });
    else edits.push({ kind: '-', line: a[--x] as string });
  }
  return edits.reverse();
}

function hunksOf(edits: readonly Edit[], firstLine: number): string[] {
  const near = new Uint8Array(edits.length);
  edits.forEach((edit, i) => {
    if (edit.kind !== ' ') near.fill(1, Math.max(0, i - CONTEXT), i + CONTEXT + 1);
  });
  const hunks: string[] = [];
  let [aLine, bLine] = [firstLine, firstLine];
  for (let i = 0; i < edits.length; ) {
    if (near[i] === 0) {
      aLine++;
      bLine++;
      i++;
      continue;
    }
    const start = i;
    let [aCount, bCount] = [0, 0];
    for (; i < edits.length && near[i] === 1; i++) {
      if (edits[i]?.kind !== '+') aCount++;
      if (edits[i]?.kind !== '-') bCount++;
    }
    const body = edits.slice(start, i).map((e) => `${e.kind}${e.line}\n`).join('');
    hunks.push(`@@ -${rangeText(aLine, aCount)} +${rangeText(bLine, bCount)} @@\n${body}`);
    aLine += aCount;
    bLine += bCount;
  }
  return hunks;
}

function rangeText(line: number, count: number): string {
  return `${count === 0 ? line : line + 1},${count}`;
}
