import type { Command } from '../command.ts';
import { CliError } from '../failure.ts';
import { EXIT_CODES } from '../exit-codes.ts';

const WORKERS_MAX = 256;
/** As the engines have it: src/engine/xdp/index.ts. */
const SESSIONS = { min: 64, max: 1 << 24 };

/** `weir run`: hands its options to the daemon's wiring in src/bin and waits for its end. */
export const run: Command = {
  name: 'run',
  group: 'Daemon',
  short: 'run the balancer in the foreground',
  details: 'FILE… is one configuration: one file with all sections, several files, or a directory with layer4.conf, nat.conf and services.conf. '
    + 'Without FILE the saved configuration of the state directory runs. With FILE, whichever changed last wins: a FILE that is new or was changed since it was '
    + 'last loaded becomes a new saved revision, an unchanged one leaves what was saved since (one line at the start says which). '
    + 'SIGTERM and SIGINT end it, a second SIGINT at once; SIGHUP loads FILE again and applies it, or changes nothing and says why; '
    + 'SIGUSR2 starts the program that is on disk now as a successor that takes over.',
  args: [{ form: '[file...]', text: 'the configuration; `-` is standard input' }],
  options: [
    { flags: '--engine <name>', text: 'the data plane; overrides `engine` in `service lvs`', choices: ['auto', 'xdp', 'lvs', 'userspace'] },
    { flags: '--api <host:port>', text: 'where the API listens (default 127.0.0.1:8440); an address that is not loopback needs TLS or --insecure' },
    { flags: '--workers <n>', text: 'threads of the userspace engine (default: one per core, less one)' },
    { flags: '--sessions <n>', text: `live sessions there is room for, ${SESSIONS.min}-${SESSIONS.max} (default 1048576 with xdp, which rounds up to a power of two, 2097152 with userspace); a table that is pinned keeps its size until weir is removed` },
    { flags: '--tls-cert <file>', text: 'certificate chain of the API, PEM' },
    { flags: '--tls-key <file>', text: 'its key, PEM' },
    { flags: '--insecure', text: 'let the API listen on an address that is not loopback without TLS: passwords and tokens cross the network in the clear' },
    { flags: '--password-file <file>', text: 'the admin password, instead of a generated one; read when the state directory is new' },
    { flags: '--takeover', text: 'take sockets, sessions and the API\'s port over from the weir that runs on this state directory: no datagram and no session is lost. What runs goes on; FILE is not looked at before a SIGHUP' },
    { flags: '--takeover-or-restart', text: 'the same; where that weir cannot hand over, end it and start afresh, and where none runs, start' },
    { flags: '--checks <dir>', text: 'where the programs of execcheck lie (default /etc/weir/checks); it and they must be writable by root or weir\'s own user alone' },
    { flags: '--demo', text: 'three small answering servers on 127.0.0.1:8001-8003, and examples/first.conf when nothing is saved yet' },
  ],
  needs: 'state',
  json: false,
  examples: ['weir run examples/first.conf', 'weir run --takeover', 'weir run /etc/weir --api 127.0.0.1:9000 --state /var/lib/weir'],
  async run({ args, options, programs }) {
    const code = await programs.daemon({
      files: args,
      engine: options.text('engine'),
      state: options.text('state'),
      api: options.text('api'),
      workers: within('--workers', options.text('workers'), { min: 1, max: WORKERS_MAX }),
      sessions: within('--sessions', options.text('sessions'), SESSIONS),
      tlsCert: options.text('tlsCert'),
      tlsKey: options.text('tlsKey'),
      insecure: options.flag('insecure'),
      passwordFile: options.text('passwordFile'),
      checks: options.text('checks'),
      demo: options.flag('demo'),
      takeover: options.flag('takeoverOrRestart') ? 'or-restart' : options.flag('takeover') ? 'only' : null,
    });
    return { data: null, text: null, exit: EXIT_CODES.find((row) => row.code === code)?.name ?? 'failed' };
  },
};

function within(flag: string, text: string | undefined, { min, max }: { readonly min: number; readonly max: number }): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text) || Number(text) < min || Number(text) > max) throw new CliError('usage', `${flag} must be ${min}-${max}, got '${text}'`);
  return Number(text);
}
