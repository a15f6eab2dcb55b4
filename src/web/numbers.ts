/** Numbers and times as the pages show them: short, of steady width, never a false precision. */

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** Returns `0`, `12.3`, `999`, `1.20 k`, `34.5 M`: three digits that count. */
export function countText(value: number): string {
  let rest = value;
  let unit = 0;
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit++;
  }
  if (unit === 0) return Number.isInteger(rest) ? String(rest) : rest < 10 ? rest.toFixed(1) : String(Math.round(rest));
  return `${rest < 9.995 ? rest.toFixed(2) : rest < 99.95 ? rest.toFixed(1) : String(Math.round(rest))} ${UNITS[unit]}`;
}

/** Returns bytes per second as bits per second: `1.20 Mbit/s`. */
export function bitRateText(bytesPerS: number): string {
  const text = countText(bytesPerS * 8);
  return text.includes(' ') ? `${text}bit/s` : `${text} bit/s`;
}

/** Returns `1.20 MB`. */
export function bytesText(bytes: number): string {
  const text = countText(bytes);
  return text.includes(' ') ? `${text}B` : `${text} B`;
}

/** Returns `4 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

/** Returns a time in ms with three digits that count: `0.81 ms`, `48.5 ms`, `1.20 s`; `–` for none. */
export function msText(ms: number | null): string {
  if (ms === null) return '–';
  if (ms >= 999.5) return `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`;
  return `${ms < 9.995 ? ms.toFixed(2) : ms < 99.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** Returns a span for tables of short ones: seconds up to ten minutes, so that a column of them can be compared. */
export function secondsText(ms: number): string {
  return ms < 600_000 ? `${Math.max(0, Math.floor(ms / 1000))} s` : spanText(ms);
}

/** Returns a share of a whole as `33.3 %`; `–` when there is no whole. */
export function shareText(part: number, whole: number): string {
  return whole > 0 ? `${((part / whole) * 100).toFixed(1)} %` : '–';
}

/** Returns the points of an SVG polyline through `values`, the newest at the right edge of a box that holds `slots` of them, scaled to its height. */
export function sparkPoints(values: readonly number[], box: { readonly width: number; readonly height: number; readonly slots: number }): string {
  const { width, height, slots } = box;
  const all = values.slice(-slots);
  const top = Math.max(1, ...all);
  return all.map((value, i) => `${round(width - ((all.length - 1 - i) * width) / (slots - 1))},${round(height - 1 - (value / top) * (height - 2))}`).join(' ');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
