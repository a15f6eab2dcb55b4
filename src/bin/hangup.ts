/** SIGHUP to `weir run`: load FILE again. */
import type { Io } from '../cli/command.ts';
import { failureOf, failureText } from '../cli/failure.ts';
import { clean } from '../cli/text.ts';
import type { Daemon } from '../daemon/daemon.ts';
import { readConfiguration } from './settings.ts';
import { startFailure } from './start-failure.ts';

/** Reads FILE, applies and saves it; or changes nothing and says why. */
export async function reload(o: { readonly daemon: Daemon; readonly files: readonly string[]; readonly io: Io }): Promise<void> {
  const { daemon, files, io } = o;
  try {
    if (files.length === 0 || files.includes('-')) {
      io.err('SIGHUP: there is no FILE to load again; weir apply changes what runs\n');
      return;
    }
    const documents = await readConfiguration(files, io);
    const { etag } = await daemon.edit(documents, { who: 'SIGHUP' });
    const { revision } = await daemon.apply({ who: 'SIGHUP', ifMatch: etag });
    await daemon.save('SIGHUP');
    await daemon.imported(documents);
    io.err(`SIGHUP: FILE runs as revision ${revision}, saved\n`);
  } catch (error) {
    io.err(`SIGHUP: nothing was changed\n${clean(failureText(failureOf(startFailure(error))), { lines: true })}`);
  }
}

/**
 * Takes the signal from now on: one that comes during the start would end the process otherwise. `serve` handles those that came and those
 * that come, one at a time; several that wait are one.
 */
export function catchSignal(signal: 'SIGHUP' | 'SIGUSR2', undo: (() => Promise<void>)[]): { serve(handle: () => Promise<void>): void } {
  let wanted = false;
  let busy = false;
  let handler: (() => Promise<void>) | null = null;
  const work = async (): Promise<void> => {
    if (busy || handler === null) return;
    busy = true;
    while (wanted) {
      wanted = false;
      await handler();
    }
    busy = false;
  };
  const onSignal = (): void => {
    wanted = true;
    void work();
  };
  process.on(signal, onSignal);
  undo.push(async () => void process.off(signal, onSignal));
  return {
    serve(handle) {
      handler = handle;
      void work();
    },
  };
}

