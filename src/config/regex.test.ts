import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { REGEX_INPUT_BYTES, regexProblem } from './regex.ts';

describe('regexProblem', () => {
  it('accepts what people match replies with', () => {
    for (const source of ['^SIP/2.0 (200|404)', 'ok', '^a.*b.*c', '[^\\]]+x', 'v\\d{1,3}\\.\\d{1,3}', '(?:foo|bar)? baz', '(?<code>\\d{3}) ', '(\\d{2}:){3}', '^$', '\\x00\\xff', 'a|b|c']) assert.equal(regexProblem(source, 'i'), undefined, source);
  });
  it('refuses what may never finish', () => {
    for (const source of ['(a+)+$', '(a*)*', '(a|a)*b', '(a|ab)+c', '((a?){20}){2}', '.*a.*b', '^a|.*b.*c', '(a)\\1', '(?=a)', '(?<!a)b', '(.{0,200}){9}', 'a?'.repeat(30), '(((a{99}){99}){99}){99}', '(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)']) assert.notEqual(regexProblem(source, ''), undefined, source);
    assert.notEqual(regexProblem('^a.*b.*c', 'm'), undefined, '^ is no anchor under m');
  });
  it('refuses what does not compile, other flags, and length', () => {
    for (const [source, flags] of [['(', ''], ['[', ''], ['a{2,1}', ''], ['a', 'g'], ['a', 'ii'], ['a'.repeat(257), '']] as const) assert.notEqual(regexProblem(source, flags), undefined, source);
  });
  it('lets nothing through that takes long on a long reply', () => {
    const piece = fc.constantFrom('a', 'b', '.', '\\w', '[ab]', '(', ')', '(?:', '|', '*', '+', '?', '{2}', '{1,9}', '{2,}', '^', '$', '*?', '\\(', '[)]');
    const reply = `${'ab'.repeat(REGEX_INPUT_BYTES / 4)}${'a'.repeat(REGEX_INPUT_BYTES / 2)}`;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const source = `${pieces.join('')}c`;
        if (regexProblem(source, '') !== undefined) return;
        const start = performance.now();
        new RegExp(source).exec(reply);
        const spent = performance.now() - start;
        assert.ok(spent < 1000, `${source} took ${spent} ms`);
      }),
      { seed: 3, numRuns: 3000 },
    );
  });
});
