/** The built program as a user runs it: `bin/weir` as a child, its state in a directory of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export const ROOT = join(import.meta.dirname, '../../..');
const WEIR = join(ROOT, 'bin/weir');

/** What a run of the program came to. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program that goes on. */
export interface Running {
  readonly child: ChildProcess;
  /** Resolves with all of stdout once it matches; rejects with everything that was said when the program ends before. */
  said(pattern: RegExp): Promise<string>;
  errSaid(pattern: RegExp): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

/** Returns a fresh directory that goes with the test. */
export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weir-test-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Runs `weir …` to its end. */
export function weir(args: readonly string[], options: { readonly state?: string; readonly stdin?: string; readonly env?: NodeJS.ProcessEnv } = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [WEIR, ...args], { env: environment(options), stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text; });
    child.stderr.setEncoding('utf8').on('data', (text: string) => { err += text; });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => {});
    child.stdin.end(options.stdin ?? '');
  });
}

/** Starts `weir …`, or another script with node, and leaves it running until the test ends. */
export function start(t: TestContext, args: readonly string[], options: { readonly state?: string; readonly script?: string; readonly env?: NodeJS.ProcessEnv } = {}): Running {
  const child = spawn(process.execPath, [options.script ?? WEIR, ...args], { env: environment(options), stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  const waiting = new Set<() => void>();
  const heard = (): void => waiting.forEach((look) => look());
  child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text; heard(); });
  child.stderr.setEncoding('utf8').on('data', (text: string) => { err += text; heard(); });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => {
    resolve({ code, out, err });
    heard();
  }));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const until = (text: () => string, pattern: RegExp): Promise<string> => new Promise((resolve, reject) => {
    const look = (): void => {
      if (pattern.test(text())) resolve(text());
      else if (child.exitCode !== null || child.signalCode !== null) reject(new Error(`weir ended with ${child.signalCode ?? child.exitCode} before it said ${pattern}:\n${out}${err}`));
      else return void waiting.add(look);
      waiting.delete(look);
    };
    look();
  });
  return {
    child,
    said: (pattern) => until(() => out, pattern),
    errSaid: (pattern) => until(() => err, pattern),
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

function environment(options: { readonly state?: string; readonly env?: NodeJS.ProcessEnv }): NodeJS.ProcessEnv {
  const { WEIR_API: _a, WEIR_TOKEN: _t, WEIR_STATE: _s, NODE_TEST_CONTEXT: _n, ...inherited } = process.env;
  return { ...inherited, ...(options.state === undefined ? {} : { WEIR_STATE: options.state }), ...options.env };
}

/** Returns `count` UDP ports of 127.0.0.1 that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'));
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', resolve);
  })));
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  return ports;
}
