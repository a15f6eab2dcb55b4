/**
 * A stock Debian kernel under qemu without KVM, in which test files run one after the other: one boot for all of them.
 * The guest sees the host's files read-only with a memory file system over them, so it runs this very clone and this very node.
 * Jobs, output and exit codes pass through a folder that both see (9p); scripts/guest/exec.mjs is what hands a job over.
 *
 * A job that leaves a file `again` in that folder asks for a power cycle: the guest goes down without a word to anybody, boots anew
 * with nothing but that folder as it was, and runs the same job with WEIR_BOOT one higher.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, StepError, say } from '../steps.mjs';
import { guestImage } from './image.mjs';

/** From the start of qemu to the first job: 5 s on an idle machine, and the machine may be busy. */
const BOOT_MS = 120_000;
const CONSOLE_CAP = 64 * 1024;
const MEMORY_MB = 1536;
/** A run that is killed takes the guest with it, whatever killed it. */
const QEMU = /** @type {const} */ (['setpriv', '--pdeathsig', 'KILL', 'qemu-system-x86_64', '-cpu', 'max', '-m', String(MEMORY_MB), '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio']);

/** As fast as this machine is. */
const BY_THE_CLOCK = /** @type {const} */ (['-smp', '2', '-accel', 'tcg,thread=multi']);
/** The guest's time is what its one CPU executes, 4 ns an instruction: what others do on this machine changes none of its figures. (With two, qemu 7.2 does not get through the start of the second.) */
const BY_INSTRUCTIONS = /** @type {const} */ (['-smp', '1', '-accel', 'tcg,thread=single', '-icount', 'shift=2']);

/**
 * @typedef {object} Guest
 * @property {readonly string[]} through what `node` is given to run a file in the guest instead of here
 * @property {() => Promise<void>} stop
 * @property {() => string} consoleText the end of what the guest's console said
 */

/**
 * Boots the guest; resolves when it takes jobs. Throws StepError with the end of its console when it does not.
 * @param {{ time?: 'clock' | 'instructions' }} [options] what the guest's clock goes by
 * @returns {Promise<Guest>}
 */
export async function startGuest({ time = 'clock' } = {}) {
  const image = await guestImage();
  const share = mkdtempSync(join(tmpdir(), 'weir-guest-'));
  writeFileSync(join(share, 'stage2'), stage2(image));
  let consoleText = '';
  let boots = 0;
  let stopping = false;
  /** @type {string | null} */
  let ended = null;
  /** @type {() => void} */
  let gone = () => {};
  const exited = new Promise((/** @type {(_: void) => void} */ resolve) => { gone = resolve; });
  /** @param {string} why */
  const end = (why) => {
    ended ??= why;
    // exec.mjs looks for it: a job must not wait for a guest that is gone.
    if (existsSync(share)) writeFileSync(join(share, 'gone'), ended);
    gone();
  };
  const boot = () => {
    boots++;
    const one = spawn(QEMU[0], [...QEMU.slice(1), ...(time === 'clock' ? BY_THE_CLOCK : BY_INSTRUCTIONS),
      '-kernel', image.kernel, '-initrd', image.initramfs, '-append', 'console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on',
      '-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap', '-device', 'virtio-9p-pci,fsdev=host,mount_tag=host',
      '-fsdev', `local,id=share,path=${share},security_model=none`, '-device', 'virtio-9p-pci,fsdev=share,mount_tag=share',
    ], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [one.stdout, one.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { consoleText = `${consoleText}${text}`.slice(-CONSOLE_CAP); });
    }
    one.on('error', (error) => end(`qemu cannot be run: ${error.message}`));
    one.on('exit', (code, signal) => {
      if (stopping || powerCycles(share) < boots) return end(`qemu ended with ${signal ?? `exit code ${code}`}`);
      rmSync(join(share, 'ready'), { force: true });
      qemu = boot();
      ready().catch((error) => end(error.message));
    });
    return one;
  };
  let qemu = boot();
  const kill = () => qemu.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    stopping = true;
    writeFileSync(join(share, 'stop'), '');
    const timer = setTimeout(kill, 5000);
    await exited;
    clearTimeout(timer);
    process.off('exit', kill);
    rmSync(share, { recursive: true, force: true });
  };
  const ready = async () => {
    const startedAt = Date.now();
    while (!existsSync(join(share, 'ready'))) {
      const late = Date.now() - startedAt > BOOT_MS;
      if (stopping) return;
      if (ended !== null || late) throw new StepError(`the guest did not boot: ${late ? `not ready after ${BOOT_MS / 1000} s` : ended}\nits console:\n${consoleText.trim() || '(nothing)'}`);
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    say(`lvs guest: Linux ${image.release} booted in ${((Date.now() - startedAt) / 1000).toFixed(1)} s${boots > 1 ? `, for the ${boots}. time` : ''}`);
  };
  try {
    await ready();
  } catch (error) {
    await stop();
    throw error;
  }
  return { through: [join(ROOT, 'scripts/guest/exec.mjs'), share], stop, consoleText: () => consoleText };
}

/**
 * Returns how many power cycles were asked for so far.
 * @param {string} share
 */
function powerCycles(share) {
  return readdirSync(share).filter((name) => name.startsWith('again-')).length;
}

/**
 * The rest of the guest's start, and its loop over jobs. `kill-N` ends job N with everything it started.
 * @param {import('./image.mjs').Image} image
 */
function stage2({ modules, release }) {
  return `
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /lower || { echo WEIR: no host root; $B poweroff -f; }
$B mount -t tmpfs -o size=256m tmpfs /upper
$B mkdir /upper/upper /upper/work
$B mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work overlay /root || { echo WEIR: no overlay; $B poweroff -f; }
$B mkdir -p /lib/modules/${release} /root/lib/modules/${release} /root/weir-share
$B mount --bind "/lower${modules}" /lib/modules/${release}
$B mount --bind "/lower${modules}" /root/lib/modules/${release}
$B mount -t proc proc /root/proc
$B mount -t sysfs sysfs /root/sys
$B mount --bind /dev /root/dev
$B mount -t tmpfs tmpfs /root/run
$B mount -t tmpfs tmpfs /root/dev/shm 2>/dev/null
$B mount --bind /share /root/weir-share
$B hostname weir-guest
$B ip link set lo up
echo WEIR: ready
: > /share/ready
n=0
while [ -e /share/rc-$n ]; do n=$((n+1)); done
while [ ! -e /share/stop ]; do
  if [ -e /share/job-$n ]; then
    $B setsid $B chroot /root /bin/sh /weir-share/job-$n > /share/out-$n 2>&1 3> /share/events-$n < /dev/null &
    pid=$!
    while [ -d /proc/$pid ]; do
      [ -e /share/kill-$n ] && { $B kill -TERM -$pid; $B sleep 1; $B kill -KILL -$pid; }
      $B usleep 50000
    done
    wait $pid
    echo $? > /share/rc.tmp
    [ -e /share/again ] && $B mv /share/again /share/again-$n
    $B mv /share/rc.tmp /share/rc-$n
    [ -e /share/again-$n ] && $B reboot -f
    n=$((n+1))
  else
    $B usleep 50000
  fi
done
$B poweroff -f
`;
}
