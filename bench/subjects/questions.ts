/** What the process of a measured engine does once it carries datagrams: it says so, answers for its sessions, and goes when it is told to. */
import { createInterface } from 'node:readline';
import type { Engine } from '../../src/engine/engine.ts';

/** Prints `ready`; answers each line `sessions` on stdin with the number of live sessions. SIGTERM and SIGINT end it, by `leave`. */
export function serveQuestions(engine: Pick<Engine, 'read' | 'close'>, leave: () => Promise<void> = () => engine.close('remove')): void {
  const questions = createInterface({ input: process.stdin });
  const tellSessions = async (): Promise<void> => {
    const { directors } = await engine.read();
    process.stdout.write(`${directors.reduce((total, director) => total + director.sessions, 0)}\n`);
  };
  const end = (): void => {
    questions.close();
    process.stdin.destroy();
    void leave();
  };
  questions.on('line', (line) => {
    if (line === 'sessions') void tellSessions();
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end);
  process.stdout.write('ready\n');
}
