/** Entry of a worker thread: builds the loop it is told to and serves the main thread's messages. */
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { answer, answerSync } from './commands.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './protocol.ts';

const { setup, port } = workerData as { setup: WorkerSetup; port: MessagePort };
const tell = (message: FromWorker): void => port.postMessage(message);
const onRefused = (serverSlot: number, detail: string): void => tell({ type: 'refused', serverSlot, detail });

if (setup.io === 'linux') await runLinux();
else await runPortable();

// koffi is imported only here: the portable path must run where it cannot be loaded.
async function runLinux(): Promise<void> {
  const { LinuxLoop } = await import('./linux/loop.ts');
  const loop = new LinuxLoop(setup, onRefused);
  tell({ type: 'ready' });
  loop.run(() => {
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) tell(answerSync(loop, got.message as ToWorker));
  });
  port.close();
}

async function runPortable(): Promise<void> {
  const { PortableLoop } = await import('./portable/loop.ts');
  const loop = new PortableLoop(setup, onRefused);
  port.on('message', (message: ToWorker) => {
    void answer(loop, message).then((reply) => {
      tell(reply);
      if (message.type === 'stop') port.close();
    });
  });
  tell({ type: 'ready' });
}

