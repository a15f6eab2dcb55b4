/**
 * The world on loopback, for engines that need no root. Linux answers on all of 127.0.0.0/8 without set-up:
 *   VIPs 127.0.0.1, .2, .3 …   servers 127.0.1.1 …   clients 127.0.2.1 …   IPv6: ::1 for everybody, told apart by port
 */
import dgram from 'node:dgram';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { parseIp, type Ip } from '../../src/net/ip.ts';
import { Mailbox } from './mailbox.ts';
import type { Behaviour, Datagram, Family, Peer, World } from './world.ts';

/** Below the kernel's ephemeral range (32768 up), so no socket that asks for port 0 is ever given one of these. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;

/** Returns the loopback world. */
export function loopbackWorld(): World {
  // Test files run at the same time in processes of their own, so each starts somewhere else.
  let cursor = FIRST_PORT + ((process.pid * 613) % (LAST_PORT - FIRST_PORT));
  return {
    name: 'loopback',
    vip: (n, family = 4) => (family === 4 ? ip(`127.0.0.${n + 1}`) : n === 0 ? ip('::1') : undefined),
    anyVip: (family = 4) => ip(family === 4 ? '0.0.0.0' : '::'),
    serverIp: (n, family = 4) => ip(family === 4 ? `127.0.1.${n + 1}` : '::1'),
    clientIp: (n, family = 4) => ip(family === 4 ? `127.0.${2 + Math.floor(n / 200)}.${(n % 200) + 1}` : '::1'),
    async freePorts(count) {
      for (let tries = 0; tries < 500; tries++) {
        if (cursor + count > LAST_PORT) cursor = FIRST_PORT;
        const first = cursor;
        cursor += count;
        if (await allFree(first, count)) return first;
      }
      throw new Error(`no ${count} consecutive free UDP ports between ${FIRST_PORT} and ${LAST_PORT}`);
    },
    openClient: ({ ip: address = ip('127.0.2.1'), port = 0 } = {}) => open('client', address, port, 'silent'),
    openServer: ({ behaviour, family = 4, ip: address = ip(family === 4 ? '127.0.1.1' : '::1'), port = 0 }) => open('server', address, port, behaviour),
    openForeign: (address, port) => open('foreign', address, port, 'silent'),
  };
}

async function open(role: string, address: Ip, port: number, behaviour: Behaviour): Promise<Peer> {
  const socket = dgram.createSocket({ type: address.family === 4 ? 'udp4' : 'udp6', ipv6Only: address.family === 6, recvBufferSize: 4 << 20 });
  await bind(socket, address, port);
  const at: Endpoint = { ip: address, port: socket.address().port };
  const inbox = new Mailbox<Datagram>(`${role} ${address.text} port ${at.port}`, (d) => `${d.text.slice(0, 40)} (${d.data.length} bytes) from ${d.from.ip.text} port ${d.from.port}`);
  const send = (data: Uint8Array | string, to: Endpoint): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.send(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, to.port, to.ip.text, (error) => (error ? reject(error) : resolve()));
    });
  socket.on('message', (data, from) => {
    const sender: Endpoint = { ip: ip(from.address), port: from.port };
    inbox.push({ data, from: sender, text: data.toString('latin1') });
    if (behaviour === 'silent') return;
    const answer = behaviour === 'echo' ? data : Buffer.concat([Buffer.from(`${behaviour.tag}:`), data]);
    // A send can only fail here because the test has closed the socket meanwhile.
    send(answer, sender).catch(() => {});
  });
  socket.on('error', () => {});
  let closed: Promise<void> | undefined;
  return { at, inbox, send, close: () => (closed ??= new Promise((resolve) => socket.close(() => resolve()))) };
}

function bind(socket: dgram.Socket, address: Ip, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: address.text, port, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

async function allFree(first: number, count: number): Promise<boolean> {
  for (let port = first; port < first + count; port++) {
    for (const family of [4, 6] as const) if (!(await isFree(port, family))) return false;
  }
  return true;
}

async function isFree(port: number, family: Family): Promise<boolean> {
  const socket = dgram.createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 });
  try {
    await bind(socket, ip(family === 4 ? '0.0.0.0' : '::'), port);
    return true;
  } catch {
    return false;
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(`not an address: ${text}`);
  return parsed;
}
