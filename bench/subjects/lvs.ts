/**
 * The process that is measured as `lvs`: a configuration's text, by parser, plan and engine into the kernel, its NAT rules by nft; then the counters
 * read each second as the daemon does. Argument: LvsOptions as JSON. Prints `ready`; answers each line `sessions` with the number of sessions.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseConfig } from '../../src/config/parse.ts';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import { compileRules } from '../../src/nat/compile.ts';
import { renderRemoval, renderRuleset } from '../../src/nat/ruleset.ts';
import { hostPortText } from '../../src/net/endpoint.ts';
import { desire } from '../../src/plan/desire.ts';
import { diff } from '../../src/plan/diff.ts';
import { run } from '../command.ts';
import { serveQuestions } from './questions.ts';
import type { LvsOptions } from './weir-start.ts';

const CONNTRACK = '/proc/sys/net/ipv4/vs/conntrack';
const READ_MS = 1000;

const { vip, servers, front, back, page } = JSON.parse(process.argv[2] ?? '') as LvsOptions;
const text = `director bench ${hostPortText(vip.ip, vip.port)} UDP
    balance roundrobin
    mode nat
${servers.map((server, i) => `    server s${i + 1} ${hostPortText(server.ip, server.port)}\n`).join('')}${page ? `nat bench
    in ${front}
    out ${back}
    protocol udp
    before destination ${vip.ip.text} dport ${vip.port}
    after source ${vip.ip.text}
service lvs
    conntrack
` : ''}`;
const { config, issues } = parseConfig([{ file: 'bench.conf', document: 'any', text }]);
if (config === null) throw new Error(issues.map(({ message }) => message).join('\n'));
const engine = await createLvsEngine({ onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`) });
// Loads the module, which makes the switch.
const probe = await engine.probe();
if (!probe.ok) throw new Error(probe.refusals.map(({ what, cure }) => `${what}: ${cure}`).join('; '));
const desired = desire(config, { healthOf: () => 'up', overrideOf: () => null });
const conntrack = readFileSync(CONNTRACK, 'utf8');
if (page) {
  run('nft', ['-f', '-'], { input: renderRuleset(compileRules({ rules: config.natRules, directors: config.directors, balanced: 'table' })) });
  writeFileSync(CONNTRACK, '1\n');
}
await engine.apply(diff(desired, await engine.observe()));
const sampler = setInterval(() => void engine.read(), READ_MS);
serveQuestions(engine, async () => {
  clearInterval(sampler);
  await engine.close('remove');
  if (!page) return;
  run('nft', ['-f', '-'], { input: renderRemoval() });
  writeFileSync(CONNTRACK, conntrack);
  run('conntrack', ['-F']);
});
