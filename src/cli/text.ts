/** How text reaches a terminal: tables, colours, and nothing that could steer the terminal. */

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

/** How a renderer may write. */
export interface Style {
  readonly colour: boolean;
  /** For "so long ago". */
  readonly nowMs: number;
}

const SGR: Readonly<Record<Colour, string>> = { red: '31', green: '32', yellow: '33', dim: '2', bold: '1' };

/** One cell of a table; a plain string has no colour. */
export type Cell = string | number | { readonly text: string; readonly colour: Colour };

/**
 * Returns the text with everything that steers a terminal or turns its writing direction spelled out (`\x1b`, `\u{202e}`).
 * Line feeds and tabs stay when `lines` is set.
 */
export function clean(text: string, options: { readonly lines?: boolean } = {}): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) => {
    if (options.lines === true && (c === '\n' || c === '\t')) return c;
    const code = c.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** Returns the text in a colour, when the style has colours. The text is cleaned. */
export function paint(text: string, colour: Colour, style: Style): string {
  return style.colour ? `\u001b[${SGR[colour]}m${clean(text)}\u001b[0m` : clean(text);
}

/** Returns a table with a heading; columns of numbers stand to the right. Cells are cleaned. */
export function table(heading: readonly string[], rows: readonly (readonly Cell[])[], style: Style): string {
  const texts = rows.map((row) => row.map((cell) => clean(textOf(cell))));
  const widths = heading.map((title, column) => Math.max(title.length, ...texts.map((row) => row[column]?.length ?? 0)));
  const right = heading.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === 'number'));
  const pad = (text: string, column: number): string => (right[column] === true ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0));
  const head = heading.map((title, column) => pad(title, column)).join('  ').trimEnd();
  const lines = texts.map((row, at) => row.map((text, column) => {
    const padded = pad(text, column);
    const cell = rows[at]?.[column];
    return typeof cell === 'object' ? paint(padded, cell.colour, style) : padded;
  }).join('  ').trimEnd());
  return [paint(head, 'dim', style), ...lines].map((line) => `${line}\n`).join('');
}

function textOf(cell: Cell): string {
  return typeof cell === 'object' ? cell.text : String(cell);
}

/** Returns JSON, indented, one value, ending with a line feed, without raw control characters. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2).replace(/[\u007f-\u009f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}

/** Returns a count with a unit that keeps it short: `999`, `12.3k`, `4.5M`. */
export function short(count: number): string {
  for (const [unit, size] of [['T', 1e12], ['G', 1e9], ['M', 1e6], ['k', 1e3]] as const) {
    if (count >= size * 10 || (unit !== 'k' && count >= size)) return `${(count / size).toFixed(1)}${unit}`;
  }
  return String(Math.round(count));
}

/** Returns a time in ms with three digits that count: `0.81ms`, `3.40ms`, `48.5ms`, `1200ms`; `-` for none. */
export function millis(ms: number | null): string {
  if (ms === null) return '-';
  return `${ms < 9.995 ? ms.toFixed(2) : ms < 99.95 ? ms.toFixed(1) : Math.round(ms)}ms`;
}

/** Returns `1 session`, `2 sessions`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
