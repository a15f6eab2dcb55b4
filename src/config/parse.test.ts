import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeText, MAX_BYTES } from './decode.ts';
import { issueText, type Issue } from './issue.ts';
import type { Config } from './model.ts';
import { parseConfig } from './parse.ts';
import { GIVE_UP_ERRORS, MAX_ISSUES } from './report.ts';
import { validText, wordSoup } from './text.arbitrary.ts';

const FIXED = { seed: 20240607, numRuns: 300 };

function parse(text: string): { config: Config | null; issues: readonly Issue[] } {
  return parseConfig([{ file: 'f', document: 'any', text }]);
}

/** Every position must name characters that are there; an empty line or text has only its first column. */
function assertPositions(text: string, issues: readonly Issue[]): void {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  for (const { at, message } of issues) {
    const line = lines[at.line - 1];
    assert.ok(line !== undefined, `line ${at.line} of: ${message}`);
    assert.ok(at.col >= 1 && at.endCol > at.col && at.endCol <= Math.max(2, line.length + 1), `columns ${at.col}..${at.endCol} of ${JSON.stringify(line)}: ${message}`);
  }
}

describe('parseConfig', () => {
  it('reads the page this project implements', () => {
    const { config, issues } = parse('director web 10.0.0.3:8000 UDP\n   balance leastconn\n   mode nat\n   server web1 10.0.0.20:8000 weight 10 check\n');
    assert.deepEqual(issues.map(({ code }) => code), ['check-blind']);
    const web = config?.directors[0];
    assert.equal(web?.vip?.text, '10.0.0.3');
    assert.deepEqual(web?.ports, { first: 8000, last: 8000 });
    assert.equal(web?.servers[0]?.weight, 10);
  });

  it('reads nothing from nothing', () => {
    assert.deepEqual(parse(''), { config: { directors: [], natRules: [], services: [] }, issues: [] });
    assert.deepEqual(parseConfig([]).issues, []);
  });

  it('gives the same for LF and CRLF, with and without a byte order mark', () => {
    const text = 'director a 10.0.0.1:53\n  server x 10.0.0.2\n';
    assert.deepEqual(parse(text.replaceAll('\n', '\r\n')), parse(text));
    assert.deepEqual(parse(`\ufeff${text}`), parse(text));
  });

  it('freezes everything but payload bytes', () => {
    const { config } = parse('director a 10.0.0.1:53\n option udpcheck send "x" expect "y"\n option persistence\n session max 5\n on down keep 5\n check port 5 source 10.0.0.9\n server x 10.0.0.2 check\ndirector d 10.0.0.1:54\n option dnscheck rcode REFUSED\n server x 10.0.0.2 check\ndirector e 10.0.0.1:55\n option sipcheck status 200,404\n option radiuscheck secret s user u password p\n option execcheck run x arg y\n check all damping 3 5m\n passive\n server x 10.0.0.2 check\nnat n\n before source 10.0.0.0/8 sport 5\n after source 10.0.0.1-10.0.0.2\nservice lvs\n conntrack\n');
    const loose: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
      if (!Object.isFrozen(value)) loose.push(path);
      for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
    };
    assert.ok(config);
    visit(config, 'config');
    assert.deepEqual(loose, []);
  });

  it('lists errors and warnings of a flood and counts the rest', () => {
    const { config, issues } = parse('director a 10.0.0.1:53\n' + '  nonsense\n'.repeat(2500));
    assert.equal(config, null);
    assert.equal(issues.filter(({ code }) => code === 'unknown-keyword').length, MAX_ISSUES);
    assert.match(issues.at(-1)?.message ?? '', /^1500 errors more/);
  });

  it('keeps the errors when warnings flood', () => {
    const { config, issues } = parse(Array.from({ length: 1500 }, (_, i) => `director d${i} 10.0.0.1:${i + 1}\n`).join('') + 'directr x\n');
    assert.equal(config, null);
    assert.ok(issues.some(({ code }) => code === 'unknown-section'));
    assert.match(issues.at(-1)?.message ?? '', /^500 warnings more/);
  });

  it('says every message on lines of its own, whatever the text holds', () => {
    const { issues } = parse('director \u00e9\u2028 x\n\u001b[31m\nservice lvs\n engine "\u202e\u2028x"\n');
    assert.equal(issues.length, 3);
    for (const issue of issues) assert.doesNotMatch(issueText(issue), /[\u0000-\u0009\u001b\u2028\u202e]/);
  });

  it('never throws on random text and never gives a configuration beside an error', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const { config, issues } = parse(text);
        assert.equal(config === null, issues.some(({ severity }) => severity === 'error'));
        assertPositions(text, issues);
      }),
      FIXED,
    );
  });

  it('never throws on soup of its own words, and every position lies within the text', () => {
    fc.assert(
      fc.property(wordSoup, (text) => {
        const { config, issues } = parse(text);
        assert.equal(config === null, issues.some(({ severity }) => severity === 'error'));
        assertPositions(text, issues);
        const order = issues.map(({ at }) => at.line * 1e6 + at.col);
        assert.deepEqual(order, order.toSorted((a, b) => a - b));
      }),
      { ...FIXED, numRuns: 1500 },
    );
  });

  it('accepts valid words in any layout', () => {
    fc.assert(
      fc.property(validText, (text) => {
        assert.deepEqual(parse(text).issues.filter(({ severity }) => severity === 'error').map(issueText), []);
      }),
      FIXED,
    );
  });

  it('never throws on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const decoded = decodeText(bytes, 'f');
        if ('text' in decoded) parse(decoded.text);
        else assert.ok(decoded.issues.length > 0);
      }),
      FIXED,
    );
  });
});

describe('a hostile or huge text', () => {
  it('that is no configuration at all is given up early, and says so', () => {
    const { config, issues } = parse('x\n'.repeat(GIVE_UP_ERRORS * 3));
    assert.equal(config, null);
    assert.equal(issues.length, MAX_ISSUES + 1);
    assert.match(issues.at(-1)?.message ?? '', /reading stopped here$/);
    assert.equal(issues.at(-1)?.at.line, GIVE_UP_ERRORS);
  });

  it('is refused over 64 MB before anything is read', () => {
    const decoded = decodeText(new Uint8Array(MAX_BYTES + 1), 'f');
    assert.ok('issues' in decoded);
    assert.deepEqual(decoded.issues.map(({ code }) => code), ['too-large']);
    assert.deepEqual(parse(' '.repeat(MAX_BYTES + 1)).issues.map(({ code }) => code), ['too-large']);
  });

  it('with a line that never ends is told so once', () => {
    const { config, issues } = parse(`director a 10.0.0.1:53\n  server x 10.0.0.2 ${'check '.repeat(20_000)}\n`);
    assert.equal(config, null);
    assert.deepEqual(issues.filter(({ severity }) => severity === 'error').map(({ code }) => code), ['line-too-long']);
  });

  it('of a hundred thousand directors on one address and as many NAT rules does not take quadratic time', () => {
    const lines: string[] = [];
    for (let i = 0; i < 40_000; i++) lines.push(`director d${i} 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:53\n server a 198.51.100.1\nnat n${i}\n before dport 54\n after source masquerade\n`);
    const start = performance.now();
    const { config, issues } = parse(lines.join(''));
    assert.ok(config);
    assert.deepEqual(issues, []);
    // Quadratic would be 1.6 billion comparisons: minutes. The bound only tells the two apart.
    assert.ok(performance.now() - start < 20_000);
  });
});
