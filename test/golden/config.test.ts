/**
 * Golden cases of the configuration language: each file of test/golden/config is an input, a line `----------`, and what
 * comes of it: all issues, then the configuration when there is one. `==== nat.conf` in the input starts another document;
 * `#facts addresses=A,B interfaces=C,D forwarding=4,6 strict=eth0 onlink=eth0~net routes=eth0~net~via answered=director` on its first line adds the
 * checks against a host (an address list may be empty, what is left out is not known). WEIR_UPDATE=1 rewrites the outputs.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CODES } from '../../src/config/codes.ts';
import { hostIssues, type HostFacts } from '../../src/config/host.ts';
import { issueText, type Issue } from '../../src/config/issue.ts';
import type { Config } from '../../src/config/model.ts';
import { parseCidr } from '../../src/net/cidr.ts';
import { parseConfig, type SourceDocument } from '../../src/config/parse.ts';

const FOLDER = join(import.meta.dirname, '../../../test/golden/config');
const RULER = '----------\n';
/** Codes a golden text cannot show; src/config has unit tests for them. */
const NOT_IN_TEXT = new Set(['too-large', 'not-utf8', 'nul-byte', 'line-too-long', 'too-many']);

describe('golden configurations', () => {
  const seen = new Set<string>();
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.txt')).toSorted()) {
    it(name.replace('.txt', '').replaceAll('-', ' '), () => {
      const path = join(FOLDER, name);
      const file = readFileSync(path, 'utf8');
      const ruler = file.indexOf(`\n${RULER}`);
      const input = ruler < 0 ? file : file.slice(0, ruler + 1);
      const output = run(input, seen);
      if (process.env['WEIR_UPDATE'] === '1') writeFileSync(path, `${input}${RULER}${output}`);
      else assert.equal(output, file.slice(ruler + 1 + RULER.length));
    });
  }
  it('show every code at least once', () => {
    assert.deepEqual(Object.keys(CODES).filter((code) => !seen.has(code) && !NOT_IN_TEXT.has(code)), []);
  });
});

function run(input: string, seen: Set<string>): string {
  const { config, issues } = parseConfig(documents(input));
  const facts = factsOf(input);
  const host = config && facts ? hostIssues(config, facts) : [];
  const all: Issue[] = [...issues, ...host];
  for (const { code } of all) seen.add(code);
  return [...all.map((issue) => `${issueText(issue)}\n    code: ${issue.code}\n`), config ? summary(config) : ''].join('');
}

function factsOf(input: string): HostFacts | null {
  const line = /^#facts (.*)/.exec(input);
  if (!line) return null;
  const words = new Map((line[1] ?? '').split(' ').map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
  const list = (name: string): string[] => (words.get(name) ?? '').split(',').filter((item) => item !== '');
  const networks = (name: string) => list(name).map((item) => {
    const [iface = '', network = '', via] = item.split('~');
    return { iface, network: parseCidr(network) ?? assert.fail(network), gateway: via !== undefined };
  });
  return {
    addresses: list('addresses'), interfaces: list('interfaces'),
    ...(words.has('forwarding') ? { forwarding: { 4: list('forwarding').includes('4'), 6: list('forwarding').includes('6') } } : {}),
    ...(words.has('strict') ? { rpFilterStrict: list('strict') } : {}),
    ...(words.has('answered') ? { answered: new Set(list('answered')) } : {}),
    ...(words.has('onlink') ? { onLink: networks('onlink') } : {}),
    ...(words.has('routes') ? { routes: networks('routes') } : {}),
  };
}

function documents(input: string): SourceDocument[] {
  const parts = input.split(/^==== (layer4|nat|services)\.conf\n/m);
  if (parts.length === 1) return [{ file: 'weir.conf', document: 'any', text: input }];
  const result: SourceDocument[] = [];
  for (let i = 1; i < parts.length; i += 2) {
    const document = parts[i] as 'layer4' | 'nat' | 'services';
    result.push({ file: `${document}.conf`, document, text: parts[i + 1] ?? '' });
  }
  return result;
}

/** One line a director, server, rule and service: every field, addresses and ports as text, payloads as hex. */
function summary(config: Config): string {
  const lines: string[] = [];
  for (const { servers, ...director } of config.directors) {
    lines.push(`director ${json(director)}`);
    for (const server of servers) lines.push(`  server ${json(server)}`);
  }
  for (const rule of config.natRules) lines.push(`nat ${json(rule)}`);
  for (const { lines: kept, ...service } of config.services) lines.push(`service ${json(service)}`, ...kept.map(({ words }) => `  line ${words.join(' ')}`));
  return lines.map((line) => `${line}\n`).join('');
}

function json(value: object): string {
  return JSON.stringify(value, (key, v: unknown) => {
    if (key === 'at') return undefined;
    if (v instanceof Uint8Array) return Buffer.from(v).toString('hex');
    if (typeof v !== 'object' || v === null) return v;
    if ('family' in v && 'text' in v) return v.text;
    if ('prefix' in v && 'ip' in v) return `${(v.ip as { text: string }).text}/${String(v.prefix)}`;
    if ('first' in v && 'last' in v && typeof v.first === 'number') return `${v.first}-${String(v.last)}`;
    return v;
  });
}
