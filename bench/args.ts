/** The words after `npm run bench --`. */
import type { FarEnds } from './traffic/layout.ts';

/** What to measure. */
export interface BenchOptions {
  readonly engine: 'userspace' | 'xdp' | 'lvs';
  readonly clients: readonly number[];
  readonly servers: readonly number[];
  readonly subjects: readonly SubjectName[];
  /** How often each cell is measured, all subjects in turn; the best counts. */
  readonly rounds: number;
  /** Without the sections that follow the table of rates. */
  readonly sections: boolean;
  readonly quick: boolean;
  readonly ends: FarEnds;
  readonly json: string | null;
}

export const SUBJECT_NAMES = ['limit', 'routing', 'nftables', 'nginx', 'nginx-request', 'pen', 'dgram', 'weir', 'weir-request', 'naive', 'xdp', 'ipvsadm-plain', 'lvs-plain', 'ipvsadm', 'lvs'] as const;
export type SubjectName = (typeof SUBJECT_NAMES)[number];

type Defaults = Pick<BenchOptions, 'clients' | 'servers' | 'subjects' | 'rounds'>;

const ENDS: Readonly<Record<BenchOptions['engine'], FarEnds>> = { userspace: 'skb', xdp: 'xdp', lvs: 'xdp' };

const DEFAULTS: Readonly<Record<BenchOptions['engine'], { readonly whole: Defaults; readonly quick: Omit<Defaults, 'subjects'> }>> = {
  userspace: {
    whole: { clients: [100, 1000], servers: [3, 16], subjects: ['nginx', 'nginx-request', 'pen', 'dgram', 'weir', 'weir-request'], rounds: 1 },
    quick: { clients: [1000], servers: [3], rounds: 1 },
  },
  xdp: {
    whole: { clients: [1000, 100_000], servers: [16], subjects: ['limit', 'routing', 'nftables', 'nginx', 'nginx-request', 'weir', 'naive', 'xdp'], rounds: 3 },
    quick: { clients: [1000, 100_000], servers: [16], rounds: 1 },
  },
  lvs: {
    whole: { clients: [1000], servers: [3], subjects: ['limit', 'routing', 'ipvsadm-plain', 'lvs-plain', 'ipvsadm', 'lvs', 'xdp'], rounds: 3 },
    quick: { clients: [1000], servers: [3], rounds: 2 },
  },
};

export const USAGE = `usage: npm run bench -- userspace|xdp|lvs [options] | failover [ENGINE…]

Highest rate of round trips with under 1 % loss on one balancer core, side by side with its peers. Needs root, two CPUs and the
Debian packages clang libbpf-dev libbpf1 nftables conntrack nginx-light libnginx-mod-stream pen iproute2 ethtool.

  userspace                 beside nginx, pen and a plain node:dgram proxy
  xdp                       beside an XDP program that only routes, the kernel's routing, nftables, nginx and weir's userspace engine

  lvs                       beside the same services set by hand with ipvsadm and nft, and the xdp engine beside both, in a stock kernel
                            under qemu whose clock is its instructions: no root, and others on the machine change nothing

  failover [ENGINE…]        what a flow loses when its server goes, in userspace, xdp and lvs; takes no options

  --clients 100,1000        how many clients send (1..1000000)
  --servers 3,16            how many servers answer (1..200)
  --subjects nginx,pen,...  of ${SUBJECT_NAMES.join(', ')}
  --rounds 3                measure all subjects so many times in turn (1..20), the best counts
  --no-sections             only the table of rates: no new sessions, memory, and what else is told of weir
  --quick                   fewer cells, one round, shorter tries, 5 % resolution
  --ends xdp|skb            servers and receiver as XDP programs, or as classifiers of tc: a veth copies every datagram of a socket into a page
                            before it shows it to XDP, a network card does not (default: skb for userspace, xdp else)
  --json FILE               the figures, machine and versions too
`;

/** Bad words; `message` says expected, found, cure. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

const MAX_CLIENTS = 1_000_000;
const MOST_SERVERS = 200;
const MOST_ROUNDS = 20;

/** Returns the options, or 'help'. Throws UsageError on anything unknown. */
export function parseArgs(argv: readonly string[]): BenchOptions | 'help' {
  if (argv.includes('--help') || argv.includes('-h')) return 'help';
  const words = argv.flatMap((word) => (/^--[a-z-]+=/.test(word) ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] : [word]));
  const [engine, ...rest] = words;
  if (engine !== 'userspace' && engine !== 'xdp' && engine !== 'lvs') {
    throw new UsageError(`expected what to measure, \`userspace\`, \`xdp\` or \`lvs\`, got ${engine === undefined ? 'nothing' : `\`${engine}\``}`);
  }
  let asked: Partial<Defaults> = {};
  let sections = true;
  let quick = false;
  let ends = null as FarEnds | null;
  let json: string | null = null;
  while (rest.length > 0) {
    const word = rest.shift() ?? '';
    switch (word) {
      case '--clients':
        asked = { ...asked, clients: numbers(word, rest.shift(), MAX_CLIENTS) };
        break;
      case '--servers':
        asked = { ...asked, servers: numbers(word, rest.shift(), MOST_SERVERS) };
        break;
      case '--subjects':
        asked = { ...asked, subjects: value(word, rest.shift()).split(',').map(subjectName) };
        break;
      case '--rounds':
        asked = { ...asked, rounds: number(word, value(word, rest.shift()), MOST_ROUNDS) };
        break;
      case '--no-sections':
        sections = false;
        break;
      case '--quick':
        quick = true;
        break;
      case '--ends':
        ends = endsOf(value(word, rest.shift()));
        break;
      case '--json':
        json = value(word, rest.shift());
        break;
      default:
        throw new UsageError(`unknown word \`${word}\`; options are --clients --servers --subjects --rounds --no-sections --quick --ends --json --help`);
    }
  }
  const defaults = DEFAULTS[engine];
  return { engine, ...defaults.whole, ...(quick ? defaults.quick : {}), ...asked, sections, quick, ends: ends ?? ENDS[engine], json };
}

function value(option: string, word: string | undefined): string {
  if (word === undefined || word === '' || word.startsWith('--')) throw new UsageError(`${option} needs a value, got ${word ? `\`${word}\`` : 'nothing'}`);
  return word;
}

function numbers(option: string, word: string | undefined, most: number): readonly number[] {
  return value(option, word).split(',').map((text) => number(option, text, most));
}

function number(option: string, text: string, most: number): number {
  const parsed = Number(text);
  if (!/^\d+$/.test(text) || parsed < 1 || parsed > most) throw new UsageError(`${option} takes numbers from 1 to ${most}, got \`${text}\``);
  return parsed;
}

function endsOf(text: string): FarEnds {
  if (text !== 'xdp' && text !== 'skb') throw new UsageError(`--ends takes xdp or skb, got \`${text}\``);
  return text;
}

function subjectName(text: string): SubjectName {
  const name = SUBJECT_NAMES.find((known) => known === text);
  if (name === undefined) throw new UsageError(`unknown subject \`${text}\`; known are ${SUBJECT_NAMES.join(', ')}`);
  return name;
}
