/** Bytes of a file to text, in bounded memory, every reason against it with its place. */
import type { Issue } from './issue.ts';
import { MAX_LINE } from './lex.ts';
import { Reporter } from './report.ts';

/** Largest document in bytes. */
export const MAX_BYTES = 64 * 1024 * 1024;

/** Returns the text of a UTF-8 file (a byte order mark is dropped, CRLF kept), or what is wrong with the bytes. */
export function decodeText(bytes: Uint8Array, file: string): { readonly text: string } | { readonly issues: readonly Issue[] } {
  const report = new Reporter();
  if (bytes.length > MAX_BYTES) {
    report.add('too-large', { file, line: 1, col: 1, endCol: 1 }, `expected a document of at most ${MAX_BYTES} bytes, found ${bytes.length}`, {
      hint: 'check that this is a weir configuration',
    });
    return { issues: report.issues([file]) };
  }
  checkBytes(bytes, file, report);
  if (report.errors > 0) return { issues: report.issues([file]) };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    walkUtf8(bytes, file, report);
    return { issues: report.issues([file]) };
  }
}

/** Zero bytes (the first only: a binary file has many) and lines that are too long, without decoding anything. */
function checkBytes(bytes: Uint8Array, file: string, report: Reporter): void {
  const nul = bytes.indexOf(0);
  if (nul >= 0) {
    const lineStart = bytes.lastIndexOf(10, nul) + 1;
    const col = nul - lineStart + 1;
    report.add('nul-byte', { file, line: countLines(bytes, nul), col, endCol: col + 1 }, `expected text, found a zero byte at offset ${nul}`, {
      hint: 'this is no text file; UTF-16 must be saved as UTF-8',
    });
    return;
  }
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found;
    // A character takes up to 3 bytes per UTF-16 unit: the lexer judges lines between one and three times the cap.
    if (end - start > MAX_LINE * 3 + 1) {
      report.add('line-too-long', { file, line, col: MAX_LINE + 1, endCol: MAX_LINE + 2 }, `expected a line of at most ${MAX_LINE} characters, found ${end - start} bytes`, {
        hint: 'break it up, or check that this is a weir configuration',
      });
    }
    start = end + 1;
  }
}

function countLines(bytes: Uint8Array, end: number): number {
  let line = 1;
  for (let at = bytes.indexOf(10); at >= 0 && at < end; at = bytes.indexOf(10, at + 1)) line++;
  return line;
}

/** Reports every byte that begins no UTF-8 sequence (RFC 3629: shortest form, no surrogates, up to U+10FFFF). */
function walkUtf8(bytes: Uint8Array, file: string, report: Reporter): void {
  let line = 1;
  let col = 1;
  for (let i = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0; i < bytes.length; ) {
    const length = sequenceLength(bytes, i);
    if (length === 0) {
      const hex = (bytes[i] ?? 0).toString(16).padStart(2, '0');
      report.add('not-utf8', { file, line, col, endCol: col + 1 }, `expected UTF-8, found the byte 0x${hex}`, {
        hint: 'save the file as UTF-8; in payload data write the byte as \\x' + hex,
      });
    }
    if (bytes[i] === 10) {
      line++;
      col = 1;
    } else {
      col += length === 4 ? 2 : 1;
    }
    i += Math.max(1, length);
  }
}

/** Returns how many bytes the sequence at `i` has, 0 when it is not a valid one. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  for (let k = 1; k < length; k++) if (((bytes[i + k] ?? 0) & 0xc0) !== 0x80) return 0;
  const second = bytes[i + 1] ?? 0;
  if ((lead === 0xe0 && second < 0xa0) || (lead === 0xed && second >= 0xa0) || (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second >= 0x90)) return 0;
  return length;
}
