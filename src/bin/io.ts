/** The real outside world for the CLI: standard streams, files, signals. */
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Files, Io } from '../cli/command.ts';

/** Returns the CLI's world on this process; `signal` aborts its waits. */
export function processIo(signal: AbortSignal): Io {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    outIsTty: process.stdout.isTTY,
    errIsTty: process.stderr.isTTY,
    env: process.env,
    now: () => Date.now(),
    sleep: (ms) => new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    }),
    signal,
    files,
    stdin,
    secret,
  };
}

const files: Files = {
  read: (path) => readFile(path),
  async write(path, text) {
    const temporary = `${path}.weir-${process.pid}`;
    const mode = await stat(path).then(({ mode: bits }) => bits & 0o7777, () => 0o644);
    try {
      const file = await open(temporary, 'wx', mode);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },
  async kind(path) {
    try {
      const found = await stat(path);
      return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other';
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return 'none';
      throw error;
    }
  },
};

async function stdin(limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes: Buffer = Buffer.from(chunk);
    length += bytes.length;
    if (length > limit) throw new Error(`more than ${limit} bytes on standard input`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** Reads a line with readline's editing, its echo thrown away. */
function secret(question: string): Promise<string | null> {
  if (!process.stdin.isTTY) return Promise.resolve(null);
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  return new Promise((resolve) => {
    let answer: string | null = null;
    lines.on('SIGINT', () => lines.close());
    lines.on('close', () => {
      process.stderr.write('\n');
      resolve(answer);
    });
    lines.on('line', (line) => {
      answer = line;
      lines.close();
    });
  });
}
