import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeText } from './decode.ts';

const bytes = (...parts: (string | number[])[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part)));
const problems = (input: Uint8Array): string[] => {
  const decoded = decodeText(input, 'f');
  return 'text' in decoded ? [] : decoded.issues.map(({ code, at }) => `${code} ${at.line}:${at.col}`);
};

describe('decodeText', () => {
  it('returns UTF-8 text without its byte order mark', () => {
    assert.deepEqual(decodeText(bytes([0xef, 0xbb, 0xbf], 'é€💥\r\n'), 'f'), { text: 'é€💥\r\n' });
  });
  it('names line and column of every byte that is not UTF-8', () => {
    assert.deepEqual(problems(bytes('ab\n# caf', [0xe9], ' 💥', [0xff], '\n', [0xc0, 0x80])), ['not-utf8 2:6', 'not-utf8 2:10', 'not-utf8 3:1', 'not-utf8 3:2']);
  });
  it('refuses surrogates, overlong forms and what is beyond U+10FFFF', () => {
    for (const bad of [[0xed, 0xa0, 0x80], [0xe0, 0x80, 0x80], [0xf0, 0x80, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) assert.notDeepEqual(problems(Uint8Array.from(bad)), []);
  });
  it('tells a binary file by its first zero byte, once', () => {
    assert.deepEqual(problems(bytes('a\nbc', [0, 0, 0, 255])), ['nul-byte 2:3']);
  });
  it('tells a line without end without decoding it', () => {
    assert.deepEqual(problems(bytes(`ok\n${'x'.repeat(200_000)}`)), ['line-too-long 2:65537']);
  });
  it('agrees with the platform on what is UTF-8', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.string({ unit: 'binary', maxLength: 20 }).map((s) => new TextEncoder().encode(s))), (input) => {
        let valid = true;
        try {
          new TextDecoder('utf-8', { fatal: true }).decode(input);
        } catch {
          valid = false;
        }
        const decoded = decodeText(input, 'f');
        if (input.includes(0)) assert.ok('issues' in decoded);
        else assert.equal('text' in decoded, valid);
        if ('issues' in decoded) assert.ok(decoded.issues.length > 0);
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});
