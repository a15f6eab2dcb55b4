/** `npm run bench`: argv -> measurement -> table on stdout, progress on stderr. Exit codes: 0 measured, 1 failed, 2 bad words, 3 this machine cannot, 130 interrupted. */
import { parseArgs, UsageError, USAGE } from './args.ts';
import { benchFailover } from './failover.ts';
import { benchLvs } from './lvs.ts';
import { CannotMeasure } from './stage.ts';
import { benchUserspace } from './userspace.ts';
import { benchXdp } from './xdp.ts';

const BENCHES = { userspace: benchUserspace, xdp: benchXdp, lvs: benchLvs } as const;

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort(new DOMException(`interrupted by ${signal}`, 'AbortError')));
}

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const run = { signal: interrupted.signal, progress: (line: string) => process.stderr.write(`${line}\n`) };
    if (argv[0] === 'failover') {
      process.stdout.write(await benchFailover(argv.slice(1), run));
      return 0;
    }
    const options = parseArgs(argv);
    if (options === 'help') {
      process.stdout.write(USAGE);
      return 0;
    }
    process.stdout.write(await BENCHES[options.engine](options, { ...run, ends: options.ends }));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${USAGE}`);
      return 2;
    }
    if (error instanceof CannotMeasure) {
      process.stderr.write(`${error.message}\n`);
      return 3;
    }
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return interrupted.signal.aborted ? 130 : 1;
  }
}
