/** Port numbers and ranges of them. */

/** An inclusive range of ports, 1..65535, `first <= last`. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Returns the port `text` spells (1..65535, no sign, no leading zero), or undefined. */
export function parsePort(text: string): number | undefined {
  if (!/^[1-9]\d{0,4}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65535 ? port : undefined;
}

/** Returns the range `text` spells (`53` or `50000-51000`), or undefined when a port is bad or the first exceeds the last. */
export function parsePortRange(text: string): PortRange | undefined {
  const dash = text.indexOf('-');
  const first = parsePort(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : parsePort(text.slice(dash + 1));
  if (first === undefined || last === undefined || first > last) return undefined;
  return Object.freeze({ first, last });
}

/** Returns `53` or `50000-51000`. */
export function portRangeText(range: PortRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}-${range.last}`;
}

/** Returns how many ports the range holds. */
export function portCount(range: PortRange): number {
  return range.last - range.first + 1;
}

/** True when the two ranges share a port. */
export function portsOverlap(a: PortRange, b: PortRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}
