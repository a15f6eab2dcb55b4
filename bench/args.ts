/** The words after `npm run bench --`. */

/** What to measure. */
export interface BenchOptions {
  readonly engine: 'userspace';
  readonly clients: readonly number[];
  readonly servers: readonly number[];
  readonly subjects: readonly SubjectName[];
  /** Without the sections on new sessions, memory and latency, which are weir's alone. */
  readonly sections: boolean;
  readonly quick: boolean;
  readonly json: string | null;
}

export const SUBJECT_NAMES = ['nginx', 'nginx-request', 'pen', 'dgram', 'weir', 'weir-request', 'routing'] as const;
export type SubjectName = (typeof SUBJECT_NAMES)[number];

export const USAGE = `usage: npm run bench -- userspace [options]

Highest rate of round trips with under 1 % loss on one balancer core, side by side with its peers. Needs root, two CPUs and the
Debian packages clang libbpf-dev libbpf1 nginx-light libnginx-mod-stream pen iproute2 ethtool.

  --clients 100,1000        how many clients send (1..1000000)
  --servers 3,16            how many servers answer (1..200)
  --subjects nginx,pen,...  of ${SUBJECT_NAMES.join(', ')}; routing is the kernel without any balancer
  --no-sections             only the table of rates: no new sessions, memory and latency of weir
  --quick                   1000 clients, 3 servers, shorter tries, 5 % resolution
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

/** Returns the options, or 'help'. Throws UsageError on anything unknown. */
export function parseArgs(argv: readonly string[]): BenchOptions | 'help' {
  if (argv.includes('--help') || argv.includes('-h')) return 'help';
  const words = argv.flatMap((word) => (/^--[a-z-]+=/.test(word) ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] : [word]));
  const [engine, ...rest] = words;
  if (engine !== 'userspace') throw new UsageError(`expected what to measure, \`userspace\`, got ${engine === undefined ? 'nothing' : `\`${engine}\``}`);
  let clients: readonly number[] | undefined;
  let servers: readonly number[] | undefined;
  let subjects: readonly SubjectName[] = ['nginx', 'nginx-request', 'pen', 'dgram', 'weir', 'weir-request'];
  let sections = true;
  let quick = false;
  let json: string | null = null;
  while (rest.length > 0) {
    const word = rest.shift() ?? '';
    switch (word) {
      case '--clients':
        clients = numbers(word, rest.shift(), MAX_CLIENTS);
        break;
      case '--servers':
        servers = numbers(word, rest.shift(), MOST_SERVERS);
        break;
      case '--subjects':
        subjects = value(word, rest.shift()).split(',').map(subjectName);
        break;
      case '--no-sections':
        sections = false;
        break;
      case '--quick':
        quick = true;
        break;
      case '--json':
        json = value(word, rest.shift());
        break;
      default:
        throw new UsageError(`unknown word \`${word}\`; options are --clients --servers --subjects --no-sections --quick --json --help`);
    }
  }
  return { engine, clients: clients ?? (quick ? [1000] : [100, 1000]), servers: servers ?? (quick ? [3] : [3, 16]), subjects, sections, quick, json };
}

function value(option: string, word: string | undefined): string {
  if (word === undefined || word === '' || word.startsWith('--')) throw new UsageError(`${option} needs a value, got ${word ? `\`${word}\`` : 'nothing'}`);
  return word;
}

function numbers(option: string, word: string | undefined, most: number): readonly number[] {
  return value(option, word)
    .split(',')
    .map((text) => {
      const number = Number(text);
      if (!/^\d+$/.test(text) || number < 1 || number > most) throw new UsageError(`${option} takes numbers from 1 to ${most} with commas between, got \`${text}\``);
      return number;
    });
}

function subjectName(text: string): SubjectName {
  const name = SUBJECT_NAMES.find((known) => known === text);
  if (name === undefined) throw new UsageError(`unknown subject \`${text}\`; known are ${SUBJECT_NAMES.join(', ')}`);
  return name;
}
