/** Three small servers for `weir run --demo`: each answers a datagram with its name, the length and the payload. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** The servers of examples/first.conf. */
export const DEMO_SERVERS = [
  { name: 'srv1', port: 8001 },
  { name: 'srv2', port: 8002 },
  { name: 'srv3', port: 8003 },
] as const;

/** Of a payload, so many bytes come back: an answer is never much larger than its question. */
const ECHO_CAP = 1024;

/** Running demo servers. */
export interface Demo {
  readonly ports: readonly number[];
  close(): Promise<void>;
}

/** Starts one answering server per entry on 127.0.0.1; port 0 takes a free one. Rejects, with none left running, when a port is taken. */
export async function startDemo(servers: readonly { readonly name: string; readonly port: number }[] = DEMO_SERVERS): Promise<Demo> {
  const sockets: Socket[] = [];
  try {
    for (const { name, port } of servers) {
      const socket = createSocket('udp4');
      sockets.push(socket);
      socket.on('message', (payload, from) => {
        // Checks of a server may be empty, and source port 0 cannot be answered.
        if (from.port !== 0) socket.send(demoReply(name, payload), from.port, from.address, () => {});
      });
      socket.bind({ address: '127.0.0.1', port, exclusive: true });
      await once(socket, 'listening');
      // ICMP errors of clients that have gone: nothing to be done.
      socket.on('error', () => {});
    }
  } catch (error) {
    await Promise.all(sockets.map(close));
    throw error;
  }
  return {
    ports: sockets.map((socket) => socket.address().port),
    close: async () => {
      await Promise.all(sockets.map(close));
    },
  };
}

/** Returns `<name> got <n> bytes: <payload>`, the payload cut at 1024 bytes. */
export function demoReply(name: string, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${name} got ${payload.length} bytes: `), payload.subarray(0, ECHO_CAP)]);
}

function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      // Never opened.
      resolve();
    }
  });
}
