/**
 * `node scripts/guest/exec.mjs SHARE ARG…`: runs `node ARG…` in the guest as if it ran here: its output on stdout, its file
 * descriptor 3 on ours, its exit code as ours. SIGTERM ends it there. When it asked for a power cycle (guest.mjs), it runs again after
 * that, and the first exit code that is not 0 is ours.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [share = '', ...args] = process.argv.slice(2);
const POLL_MS = 50;
const quote = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
/** Whoever asked for the job; without it nobody reads what the job says, and nobody stops the guest. */
const parent = process.ppid;
let killed = false;
let job = -1;
process.on('SIGTERM', () => {
  killed = true;
  writeFileSync(join(share, `kill-${job}`), '');
});

for (let boot = 1; ; boot++) {
  job = handOver(boot);
  const code = await end(job);
  process.exitCode = Number(process.exitCode ?? 0) || code;
  if (killed || !existsSync(join(share, `again-${job}`))) break;
}

/**
 * Jobs are numbered in the order they are handed over, one at a time. Returns the number.
 * @param {number} boot
 */
function handOver(boot) {
  let next = 0;
  while (existsSync(join(share, `job-${next}`))) next++;
  const env = Object.entries({ PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, HOME: '/tmp', LC_ALL: 'C.UTF-8', WEIR_GUEST: '1', WEIR_BOOT: String(boot), WEIR_REQUIRE: process.env['WEIR_REQUIRE'] ?? '' });
  writeFileSync(join(share, 'job.tmp'), `cd ${quote(process.cwd())}\nexec env ${env.map(([name, value]) => quote(`${name}=${value}`)).join(' ')} ${quote(process.execPath)} ${args.map(quote).join(' ')}\n`);
  renameSync(join(share, 'job.tmp'), join(share, `job-${next}`));
  return next;
}

/**
 * Copies what the job says until it has ended; returns its exit code.
 * @param {number} number
 */
async function end(number) {
  const tails = [tail(`out-${number}`, 1), tail(`events-${number}`, 3)];
  for (;;) {
    const done = existsSync(join(share, `rc-${number}`));
    const gone = existsSync(join(share, 'gone'));
    for (const pass of tails) pass();
    if (done) return Number(readFileSync(join(share, `rc-${number}`), 'utf8'));
    if (gone) {
      process.stdout.write(`the guest is gone: ${readFileSync(join(share, 'gone'), 'utf8')}\n`);
      return 70;
    }
    if (process.ppid !== parent) return 70;
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
  }
}

/**
 * Returns what copies everything new in a file of the share to a descriptor of ours.
 * @param {string} name
 * @param {number} to
 */
function tail(name, to) {
  const buffer = Buffer.alloc(64 * 1024);
  let at = 0;
  let fd = -1;
  return () => {
    if (fd < 0) {
      if (!existsSync(join(share, name))) return;
      fd = openSync(join(share, name), 'r');
      process.once('exit', () => closeSync(fd));
    }
    for (;;) {
      const got = readSync(fd, buffer, 0, buffer.length, at);
      if (got === 0) return;
      at += got;
      for (let sent = 0; sent < got;) {
        try {
          sent += writeSync(to, buffer, sent, got - sent);
        } catch (error) {
          if (!(error instanceof Error) || !('code' in error) || error.code !== 'EAGAIN') return;
        }
      }
    }
  };
}
