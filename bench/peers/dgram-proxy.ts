/**
 * What one writes first: a UDP proxy on node:dgram, one connected socket for each client, round robin, idle sessions ended.
 * Arguments: `vip:port server:port ...`; prints `ready` when it listens.
 */
import { createSocket, type Socket } from 'node:dgram';

const IDLE_MS = 120_000;
const SWEEP_MS = 10_000;
const BUFFER = 4 << 20;

interface Session {
  readonly socket: Socket;
  connected: boolean;
  /** Datagrams that came before the socket was connected. */
  waiting: Buffer[];
  usedAt: number;
}

const [vip, ...servers] = process.argv.slice(2).map(endpoint);
const [first] = servers;
if (!vip || !first) throw new Error('usage: dgram-proxy.js VIP:PORT SERVER:PORT ...');
const sessions = new Map<string, Session>();
let turn = 0;
const listener = createSocket({ type: 'udp4', recvBufferSize: BUFFER });

listener.on('message', (datagram, client) => {
  const key = `${client.address}:${client.port}`;
  const session = sessions.get(key) ?? open(key, client.address, client.port);
  session.usedAt = Date.now();
  if (session.connected) session.socket.send(datagram);
  else if (session.waiting.length < 16) session.waiting.push(datagram);
});
listener.on('error', (error) => {
  throw error;
});
listener.bind(vip.port, vip.host, () => process.stdout.write('ready\n'));
setInterval(sweep, SWEEP_MS);

function open(key: string, address: string, port: number): Session {
  const server = servers[turn++ % servers.length] ?? first;
  const socket = createSocket('udp4');
  const session: Session = { socket, connected: false, waiting: [], usedAt: Date.now() };
  sessions.set(key, session);
  socket.on('message', (reply) => {
    session.usedAt = Date.now();
    listener.send(reply, port, address);
  });
  // ICMP errors come here; a proxy this plain goes on.
  socket.on('error', () => undefined);
  socket.connect(server.port, server.host, () => {
    session.connected = true;
    for (const datagram of session.waiting) socket.send(datagram);
    session.waiting = [];
  });
  return session;
}

function sweep(): void {
  const oldest = Date.now() - IDLE_MS;
  for (const [key, session] of sessions) {
    if (session.usedAt >= oldest) continue;
    session.socket.close();
    sessions.delete(key);
  }
}

function endpoint(text: string): { host: string; port: number } {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}
