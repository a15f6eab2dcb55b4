import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { portsOverlap } from '../net/ports.ts';
import type { Director, NatRule } from './model.ts';
import { ruleMatches } from './nat-match.ts';
import { parseConfig } from './parse.ts';
import { directorFinder } from './validate-nat.ts';

const FIXED = { seed: 5, numRuns: 300 };
const parse = (text: string): ReturnType<typeof parseConfig> => parseConfig([{ file: 'f', document: 'any', text }]);

const vip = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.1.1', '[2001:db8::1]');
const ports = fc.oneof(fc.constant(''), fc.integer({ min: 1, max: 12 }).map((p) => `:${p}`), fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 9 })).map(([p, n]) => `:${p}-${p + n}`));
const director = fc.tuple(vip, ports, fc.constantFrom('UDP', 'TCP')).map(([ip, p, protocol]) => `${ip}${p} ${protocol}`);

describe('overlaps', () => {
  it('are told exactly for the pairs that share address, port and protocol', () => {
    fc.assert(
      fc.property(fc.array(director, { maxLength: 12 }), (headers) => {
        const { issues } = parse(headers.map((header, i) => `director d${i} ${header}\n  server s 198.51.100.1\n`).join(''));
        const told = issues.filter(({ code }) => code === 'overlap').map(({ at, message }) => `${(at.line - 1) / 2} ${/director 'd(\d+)'/.exec(message)?.[1] ?? ''}`);
        const all = headers.map((header) => parse(`director x ${header}\n`).config?.directors[0]).filter((d): d is Director => d !== undefined);
        const expected: string[] = [];
        all.forEach((b, j) =>
          all.slice(0, j).forEach((a, i) => {
            if (a.vip?.text === b.vip?.text && a.protocol === b.protocol && (!a.ports || !b.ports || portsOverlap(a.ports, b.ports))) expected.push(`${j} ${i}`);
          }),
        );
        assert.deepEqual(told.toSorted(), expected.toSorted());
      }),
      FIXED,
    );
  });
});

describe('the director a NAT rule matches', () => {
  it('is found whenever there is one, and matches', () => {
    const rule = fc
      .tuple(fc.constantFrom('udp', 'tcp', 'any'), fc.constantFrom('', ' destination 10.0.0.0/23', ' destination 10.0.0.1', ' destination 2001:db8::/32', ' destination 10.0.0.0/24'), fc.constantFrom('', ' dport 3', ' dport 5-8', ' dport 20-30'))
      .map(([protocol, destination, dport]) => `protocol ${protocol}${destination || dport ? ` before${destination}${dport}` : ''} after source masquerade`);
    fc.assert(
      fc.property(fc.array(director, { maxLength: 6 }), fc.array(rule, { minLength: 1, maxLength: 4 }), (headers, rules) => {
        const directors = headers.map((header) => parse(`director x ${header}\n`).config?.directors[0]).filter((d): d is Director => d !== undefined);
        const natRules = rules.map((text) => parse(`nat n\n ${text}\n`).config?.natRules[0]).filter((r): r is NatRule => r !== undefined);
        assert.equal(natRules.length, rules.length);
        const find = directorFinder(directors, natRules);
        for (const natRule of natRules) {
          const found = find(natRule);
          assert.equal(found !== undefined, directors.some((d) => ruleMatches(natRule, d)));
          if (found) assert.ok(ruleMatches(natRule, found));
        }
      }),
      FIXED,
    );
  });
});
