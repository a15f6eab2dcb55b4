/** Hosts in network namespaces for tests: made with `ip`, gone after the test, whatever happened in it. Names carry the process id. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { runCommand, type RunCommand } from '../../src/command/command.ts';

let count = 0;

export interface Host {
  readonly name: string;
  /** Runs a program inside. */
  readonly run: RunCommand;
  /** `ip …` inside, words split at spaces. */
  ip(words: string): Promise<void>;
  sysctl(key: string, value: string): Promise<void>;
  /** A UDP server that answers each datagram with `name saw address:port`; ends with the host. */
  serve(name: string, address: string, port: number): Promise<void>;
  /** Sends one datagram and returns the answer and where it came from, or null after `timeoutMs`. */
  ask(target: string, port: number, options?: { readonly timeoutMs?: number; readonly sourcePort?: number }): Promise<{ readonly text: string; readonly from: string } | null>;
}

/** Returns why namespaces cannot be used here, or null. */
export async function missing(programs: readonly string[]): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const program of programs) {
    try {
      await runCommand(['sh', '-c', 'command -v "$0" >/dev/null', program]);
    } catch {
      return `needs the program ${program}`;
    }
  }
  return null;
}

/** Makes a host with loopback up; it and all in it go when the test ends. */
export async function makeHost(context: TestContext, name: string): Promise<Host> {
  const namespace = `weir-${process.pid}-${++count}-${name}`;
  const children: ChildProcess[] = [];
  await runCommand(['ip', 'netns', 'add', namespace]);
  context.after(async () => {
    for (const child of children) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    await runCommand(['ip', 'netns', 'del', namespace]);
  });
  const run: RunCommand = (argv, options) => runCommand(['ip', 'netns', 'exec', namespace, ...argv], options);
  const host: Host = {
    name: namespace,
    run,
    ip: async (words) => void (await runCommand(['ip', '-n', namespace, ...words.split(' ')])),
    sysctl: async (key, value) => void (await run(['sysctl', '-qw', `${key}=${value}`])),
    async serve(label, address, port) {
      const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', SERVER, label, address, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      await once(child.stdout, 'data');
    },
    async ask(target, port, { timeoutMs = 2000, sourcePort = 0 } = {}) {
      const { stdout } = await run([process.execPath, '-e', CLIENT, target, String(port), String(timeoutMs), String(sourcePort)]);
      if (stdout === '') return null;
      const [from = '', ...rest] = stdout.split(' ');
      return { from, text: rest.join(' ') };
    },
  };
  await host.ip('link set lo up');
  return host;
}

/** Joins two hosts by a cable; both ends come up. IPv6 addresses are usable at once. */
export async function cable(a: Host, aName: string, b: Host, bName: string): Promise<void> {
  await runCommand(['ip', '-n', a.name, 'link', 'add', 'name', aName, 'type', 'veth', 'peer', 'name', bName, 'netns', b.name]);
  for (const [host, name] of [[a, aName], [b, bName]] as const) {
    await host.sysctl(`net.ipv6.conf.${name}.accept_dad`, '0');
    await host.ip(`link set ${name} up`);
  }
}

const SERVER = `
const [label, address, port] = process.argv.slice(1);
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (_, from) => socket.send(label + ' saw ' + from.address + ':' + from.port, from.port, from.address));
socket.bind(Number(port), address, () => console.log('ready'));
`;
const CLIENT = `
const [target, port, timeout, source] = process.argv.slice(1);
const socket = require('node:dgram').createSocket(target.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (text, from) => { process.stdout.write(from.address + ':' + from.port + ' ' + text); socket.close(); clearTimeout(timer); });
socket.on('error', () => {});
const timer = setTimeout(() => socket.close(), Number(timeout));
socket.bind(Number(source), () => socket.send('question', Number(port), target));
`;
