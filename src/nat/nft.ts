/**
 * The table in the kernel, through the program nft: one process an operation, scripts over standard input. Touches the table
 * `inet weir` and nothing else; whatever other tables, chains and sets the host has are neither read nor written.
 */
import { CommandError, type RunCommand } from '../command/command.ts';
import { compileRules } from './compile.ts';
import { ABSENT, readListing, type CounterValue, type ObservedTable } from './listing.ts';
import type { NatPlan } from './plan.ts';
import { renderRemoval, renderRuleset } from './ruleset.ts';
import { counterName, FAMILY, TABLE } from './table-rule.ts';

/** Why NAT rules cannot be had here, each reason with its cure; empty when they can. */
export type NatRefusals = readonly { readonly what: string; readonly cure: string }[];

export interface NatTable {
  /** Loads a table with every kind of rule and takes it away in the same transaction. Remembers success, not failure. */
  probe(): Promise<NatRefusals>;
  /** Throws NatError. */
  observe(): Promise<ObservedTable>;
  /** All or nothing; nothing at all for a plan without a script. Throws NatError. */
  apply(plan: NatPlan): Promise<void>;
  /** Flows that each NAT rule took, by the rule's name; NAT rules see the first packet of a flow alone. Throws NatError. */
  read(): Promise<ReadonlyMap<string, CounterValue>>;
  /** Takes the table away when it is there. Throws NatError. */
  remove(): Promise<void>;
}

/** `cure` says what the operator can do. */
export class NatError extends Error {
  readonly cure: string;
  constructor(message: string, options: { readonly cure: string; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'NatError';
    this.cure = options.cure;
  }
}

/** Since this release postrouting knows the interface a forwarded packet came in by. */
const KERNEL = { major: 5, minor: 7 };
const LIST = ['nft', '-j', 'list', 'table', FAMILY, TABLE];

/** Returns the table behind `run`; `release` is the kernel's (`6.1.0-18-amd64`). */
export function createNatTable({ run, release }: { readonly run: RunCommand; readonly release: string }): NatTable {
  let works = false;

  async function nft(argv: readonly string[], input?: string): Promise<string> {
    try {
      return (await run(argv, input === undefined ? {} : { input })).stdout;
    } catch (error) {
      throw natError(error);
    }
  }

  async function observe(): Promise<ObservedTable> {
    let text: string;
    try {
      ({ stdout: text } = await run(LIST));
    } catch (error) {
      if (error instanceof CommandError && /No such file or directory/.test(error.stderr)) return ABSENT;
      throw natError(error);
    }
    try {
      return readListing(text);
    } catch (error) {
      throw new NatError(`${LIST.join(' ')}: not the JSON that was expected`, { cure: 'run it by hand: an nft built without JSON support cannot be used (Debian: apt install nftables)', cause: error });
    }
  }

  return {
    async probe() {
      if (works) return [];
      const old = tooOld(release);
      if (old) return [old];
      try {
        await run(['nft', '-f', '-'], { input: probeScript() });
        await observe();
        works = true;
        return [];
      } catch (error) {
        const { message, cure } = natError(error);
        return [{ what: message, cure }];
      }
    },
    observe,
    async apply(plan) {
      if (plan.script !== null) await nft(['nft', '-f', '-'], plan.script);
    },
    async read() {
      const { rules, counters } = await observe();
      const names = new Set(rules.filter((rule) => rule.counted).map((rule) => rule.name));
      return new Map([...names].map((name) => [name, counters.get(counterName(name)) ?? { packets: 0, bytes: 0 }]));
    },
    async remove() {
      await nft(['nft', '-f', '-'], renderRemoval());
    },
  };
}

function tooOld(release: string): { readonly what: string; readonly cure: string } | null {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  if (Number(major) > KERNEL.major || (Number(major) === KERNEL.major && Number(minor) >= KERNEL.minor)) return null;
  return { what: `Linux ${release} cannot match the incoming interface of what it forwards`, cure: `NAT rules need Linux ${KERNEL.major}.${KERNEL.minor} or newer` };
}

/** Every kind of rule there is, under a name of its own, gone again when the transaction ends. */
function probeScript(): string {
  const cidr = (text: string, family: 4 | 6) => ({ ip: { family, text } as const, prefix: family === 4 ? 32 : 128 });
  const base = { inIface: 'lo', outIface: 'lo', at: { file: '', line: 1, col: 1, endCol: 1 } } as const;
  const ports = { first: 1000, last: 2000 };
  const rules = compileRules({
    directors: [], balanced: 'table',
    rules: [
      { ...base, name: 'a', protocol: 'udp', before: { source: cidr('192.0.2.1', 4), sport: ports, destination: cidr('192.0.2.2', 4), dport: ports }, after: { source: { first: cidr('192.0.2.3', 4).ip, last: cidr('192.0.2.9', 4).ip }, sport: ports, destination: cidr('192.0.2.4', 4).ip, dport: 53 } },
      { ...base, name: 'b', protocol: 'any', before: { source: null, sport: null, destination: cidr('2001:db8::1', 6), dport: null }, after: { source: 'masquerade', sport: ports, destination: null, dport: 53 } },
    ],
  });
  const name = `${FAMILY} ${TABLE}-probe`;
  return `${renderRuleset(rules).replaceAll(`${FAMILY} ${TABLE}`, name)}delete table ${name}\n`;
}

function natError(error: unknown): NatError {
  if (error instanceof NatError) return error;
  if (!(error instanceof CommandError)) return new NatError(error instanceof Error ? error.message : String(error), { cure: 'see the message', cause: error });
  const { kind, stderr } = error;
  if (kind === 'absent') return new NatError('the program nft is not installed', { cure: 'install it (Debian: apt install nftables)', cause: error });
  if (/Operation not permitted|must be root/.test(stderr)) return new NatError('nftables may be changed by root alone', { cure: 'run weir as root, or with the capability CAP_NET_ADMIN (systemd: packaging/lvs.conf); one that was started without NAT rules has given it up: restart it with them saved', cause: error });
  if (/JSON support not compiled-in/.test(stderr)) return new NatError('this nft was built without JSON support', { cure: 'install one that has it (Debian: apt install nftables)', cause: error });
  const module = /Protocol error|not supported|No such file or directory|Unable to initialize Netlink/.test(stderr);
  const cure = module ? 'the kernel lacks a part of nf_tables: modprobe -a nf_tables nft_chain_nat nft_ct nft_masq nft_fib_inet' : 'the message names the line that nft refused';
  const unchanged = error.argv.includes('-f') ? '; nothing was changed' : '';
  return new NatError(`${error.message.replace(/\s*\n\s*/g, ' ').trim()}${unchanged}`, { cure, cause: error });
}
