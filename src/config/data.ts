/** Payload data: "text" with escapes, 0x or hex: bytes with ? for any nibble, ~/regular expression/flags. */
import type { Expectation } from './model.ts';
import type { Line } from './lex.ts';
import { regexProblem } from './regex.ts';
import { quoted, type Reporter } from './report.ts';
import { badValue, takeValue } from './values.ts';

/** Most bytes a UDP datagram can carry over IPv4. */
const MAX_DATA = 65_507;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, 0: 0, '\\': 92, '"': 34 };
const FORMS = '"text", 0x00ff or hex:00 ff';
const EXPECT_FORMS = `${FORMS} (? is any nibble) or ~/regex/`;

/** Takes the payload after `send`; undefined after a report. */
export function takeSend(line: Line, report: Reporter): Uint8Array | undefined {
  const word = takeValue(line, report, 'send', `payload data (${FORMS})`);
  if (word === undefined) return undefined;
  const data = readBytes(line, report, word, FORMS);
  if (data && data.mask.some((bits) => bits !== 255)) return badValue(line, report, 'bad-data', 'bytes to send', '? stands for any nibble and belongs in expect');
  return data?.bytes;
}

/** Takes what a reply must hold after `expect`; undefined after a report. */
export function takeExpect(line: Line, report: Reporter): Expectation | undefined {
  const word = takeValue(line, report, 'expect', `payload data (${EXPECT_FORMS})`);
  if (word === undefined) return undefined;
  if (word.startsWith('~/')) return readRegex(line, report, word);
  const data = readBytes(line, report, word, EXPECT_FORMS);
  return data && Object.freeze({ kind: 'bytes', ...data });
}

/** Takes any word after `keyword`; a quoted one without its quotes, its escapes replaced. */
export function takeText(line: Line, report: Reporter, keyword: string, what: string): string | undefined {
  const word = takeValue(line, report, keyword, what);
  if (word === undefined || !word.startsWith('"')) return word;
  const bytes = unescape(word.slice(1, -1));
  if (typeof bytes === 'string') return badValue(line, report, 'bad-value', `${what}: ${bytes}`);
  return new TextDecoder().decode(bytes);
}

interface Bytes {
  readonly bytes: Uint8Array;
  readonly mask: Uint8Array;
  readonly text: string;
}

function readBytes(line: Line, report: Reporter, word: string, forms: string): Bytes | undefined {
  if (word.startsWith('"')) {
    const bytes = unescape(word.slice(1, -1));
    if (typeof bytes === 'string') return badValue(line, report, 'bad-data', bytes);
    return sized(line, report, { bytes, mask: new Uint8Array(bytes.length).fill(255), text: word });
  }
  const from = line.index - 1;
  let digits: string;
  if (/^0x/i.test(word)) {
    digits = word.slice(2);
  } else if (/^hex:/i.test(word)) {
    digits = word.slice(4);
    // `hex:00 ff ??` goes on over further words as long as they are pairs of nibbles.
    for (let more = line.peek(); more !== undefined && /^(?:[0-9a-f?]{2})+$/i.test(more); more = line.peek()) digits += line.take() ?? '';
  } else {
    return badValue(line, report, 'bad-data', `payload data: ${forms}`, /^[\x21-\x7e]+$/.test(word) && !word.includes('"') ? `write ${`"${word.replaceAll('\\', '\\\\')}"`.slice(0, 80)} to mean this text` : undefined);
  }
  if (!/^(?:[0-9a-f?]{2})+$/i.test(digits)) {
    const problem = /^[0-9a-f?]*$/i.test(digits) ? `pairs of hex digits, found ${digits.length} digits` : `hex digits (0-9 a-f, ? for any), found ${quoted(word)}`;
    report.add('bad-data', line.span(from, line.index - 1), `expected ${problem}`);
    return undefined;
  }
  const size = digits.length / 2;
  const bytes = new Uint8Array(size);
  const mask = new Uint8Array(size);
  for (let i = 0; i < digits.length; i++) {
    const shift = i % 2 === 0 ? 4 : 0;
    const value = digits[i] === '?' ? -1 : Number.parseInt(digits[i] ?? '', 16);
    if (value < 0) continue;
    bytes[i >> 1] = (bytes[i >> 1] ?? 0) | (value << shift);
    mask[i >> 1] = (mask[i >> 1] ?? 0) | (15 << shift);
  }
  return sized(line, report, { bytes, mask, text: `0x${digits.toLowerCase()}` });
}

function sized(line: Line, report: Reporter, data: Bytes): Bytes | undefined {
  if (data.bytes.length <= MAX_DATA) return data;
  report.add('bad-data', line.at(), `expected at most ${MAX_DATA} bytes, found ${data.bytes.length}`);
  return undefined;
}

/** Returns the bytes of quoted text (UTF-8 but for \xNN), or what was expected instead of a bad escape. */
function unescape(body: string): Uint8Array | string {
  const out: number[] = [];
  const encoder = new TextEncoder();
  for (let i = 0; i < body.length; ) {
    if (body[i] !== '\\') {
      let end = body.indexOf('\\', i);
      if (end < 0) end = body.length;
      for (const byte of encoder.encode(body.slice(i, end))) out.push(byte);
      i = end;
      continue;
    }
    const escape = body[i + 1] ?? '';
    const simple = ESCAPES[escape];
    if (simple !== undefined) {
      out.push(simple);
      i += 2;
    } else if (escape === 'x' && /^[0-9a-f]{2}$/i.test(body.slice(i + 2, i + 4))) {
      out.push(Number.parseInt(body.slice(i + 2, i + 4), 16));
      i += 4;
    } else {
      return `an escape \\n \\r \\t \\0 \\xNN \\\\ or \\" where '\\${escape}' stands`;
    }
  }
  return Uint8Array.from(out);
}

function readRegex(line: Line, report: Reporter, word: string): Expectation | undefined {
  const end = word.lastIndexOf('/');
  const source = word.slice(2, end);
  const flags = word.slice(end + 1);
  const problem = regexProblem(source, flags);
  if (problem === undefined) return Object.freeze({ kind: 'regex', source, flags });
  report.add('bad-regex', line.at(), `expected a regular expression that is quick to match, found ${quoted(word)}: ${problem}`);
  return undefined;
}
