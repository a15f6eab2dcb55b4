/**
 * Ends this process as SIGTERM does when its parent is gone: a SIGTERM to npm ends npm and the shell that it starts, and neither passes it
 * on. `?parent=PID` says which parent is meant; a process that has another one (a successor that weir starts) is left alone.
 */
const parent = Number(new URL(import.meta.url).searchParams.get('parent'));
if (process.ppid === parent) {
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
