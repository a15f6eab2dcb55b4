/** Text tables and numbers for people. */

/** Returns the rows as aligned text, each line ended; the first column is left-aligned, the others right. Rows may not be longer than the head. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const render = (line: readonly string[]) =>
    widths
      .map((width, column) => (column === 0 ? (line[column] ?? '').padEnd(width) : (line[column] ?? '').padStart(width)))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [render(head), rule, ...rows.map(render)].map((line) => `${line}\n`).join('');
}

/** Returns a rate as `46.2 k`, `1.25 M` or `830`. */
export function rateText(perSecond: number): string {
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toFixed(2)} M`;
  if (perSecond >= 1e3) return `${(perSecond / 1e3).toFixed(1)} k`;
  return perSecond.toFixed(0);
}

/** Returns `2.21 x`, or `-` when there is nothing to compare with. */
export function ratioText(value: number, base: number | undefined): string {
  return base === undefined || base <= 0 || value <= 0 ? '-' : `${(value / base).toFixed(2)} x`;
}

/** Returns `0.42 %`. */
export function percentText(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

/** Returns microseconds as `38 µs` or `12.4 ms`; `-` for none. */
export function microsText(us: number): string {
  if (!Number.isFinite(us)) return '-';
  return Math.abs(us) >= 1000 ? `${(us / 1000).toFixed(1)} ms` : `${us.toFixed(0)} µs`;
}

/** Returns bytes as `512 B`, `1.4 kB` or `23.0 MB` (powers of 1000). */
export function bytesText(bytes: number): string {
  if (Math.abs(bytes) >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  if (Math.abs(bytes) >= 1e3) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${bytes.toFixed(0)} B`;
}
