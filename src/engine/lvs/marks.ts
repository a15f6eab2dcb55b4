/** The nftables table of ours that marks what no single address and port can name: port ranges, all ports, all addresses. */
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { portRangeText } from '../../net/ports.ts';
import type { MarkRule } from './target.ts';

/** Runs nft; replaceable in tests. Rejects with what nft said. */
export type RunNft = (args: readonly string[], input: string | null) => Promise<string>;

export const TABLE = 'weir_lvs';
const NFT_TIMEOUT_MS = 10_000;
const OUTPUT_CAP = 64 << 20;

/** Returns the table as nft text; its comment is a fingerprint of its rules, read back by `tableFingerprint`. */
export function tableText(rules: readonly MarkRule[]): string {
  const lines = rules.map(ruleText);
  // Datagrams of this host's own programs pass `output` only; a route hook looks again where a changed mark leads.
  const chain = (name: string, hook: string): string => `  chain ${name} {\n    type ${hook} priority mangle; policy accept;\n${lines.map((l) => `    ${l}\n`).join('')}  }\n`;
  return `table inet ${TABLE} {\n  comment "weir ${fingerprint(rules)}"\n${chain('prerouting', 'filter hook prerouting')}${chain('output', 'route hook output')}}\n`;
}

/** Returns the script that makes the table hold exactly these rules, in one transaction; without rules there is no table. */
export function tableScript(rules: readonly MarkRule[]): string {
  // `add` first: `delete` of a table that is not there is an error.
  const gone = `add table inet ${TABLE}\ndelete table inet ${TABLE}\n`;
  return rules.length === 0 ? gone : `${gone}${tableText(rules)}`;
}

/** Returns the fingerprint of rules; null for none. */
export function fingerprint(rules: readonly MarkRule[]): string | null {
  return rules.length === 0 ? null : createHash('sha256').update(rules.map(ruleText).join('\n')).digest('hex').slice(0, 16);
}

/** Returns the fingerprint that the table carries, from `nft list table` (JSON leaves a table's comment out), and how many rules of ours are in it. */
export function tableFingerprint(listing: string): { readonly fingerprint: string; readonly rules: number } {
  return { fingerprint: /^\s*comment "weir (\w+)"/m.exec(listing)?.[1] ?? '', rules: listing.split('\n').filter((line) => line.includes('comment "director ')).length };
}

/** Runs /usr/sbin/nft (or the one on PATH). */
export const runNft: RunNft = (args, input) =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
    const child = execFile('nft', [...args], { timeout: NFT_TIMEOUT_MS, maxBuffer: OUTPUT_CAP, env }, (cause, stdout, stderr) => {
      if (cause) reject(new Error(`nft ${args.join(' ')}: ${stderr.trim() || cause.message}`, { cause }));
      else resolve(stdout);
    });
    // A nft that ended without reading its input has said why on stderr.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });

function ruleText(rule: MarkRule): string {
  const family = rule.family === 4 ? 'ip' : 'ip6';
  const to = rule.ip === null ? `meta nfproto ipv${rule.family} fib daddr type local` : `${family} daddr ${rule.ip.text}`;
  const port = rule.ports === null ? `meta l4proto ${rule.protocol}` : `${rule.protocol} dport ${portRangeText(rule.ports)}`;
  const verdict = rule.mark === null ? 'accept' : `meta mark set 0x${rule.mark.toString(16)} accept`;
  return `${to} ${port} ${verdict} comment "director ${rule.director}"`;
}
