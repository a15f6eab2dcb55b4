/** One datagram out, one back: what `weir send` does. */
import { createSocket } from 'node:dgram';
import { CliError } from '../cli/failure.ts';
import type { Programs } from '../cli/command.ts';

/** Sends from a connected socket, so that a refusal by ICMP is seen. */
export const sendDatagram: Programs['send'] = ({ ip, port, payload, timeoutMs }) => new Promise((resolve, reject) => {
  const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
  const startedAt = performance.now();
  const timer = setTimeout(() => {
    socket.close();
    resolve(null);
  }, timeoutMs);
  socket.on('error', (error: NodeJS.ErrnoException) => {
    clearTimeout(timer);
    socket.close();
    const refused = error.code === 'ECONNREFUSED';
    reject(new CliError('failed', refused ? `${ip} port ${port} refuses datagrams (ICMP port unreachable): nothing listens there` : `cannot send to ${ip} port ${port}: ${error.message}`));
  });
  socket.on('message', (answer, from) => {
    clearTimeout(timer);
    const ms = Math.round((performance.now() - startedAt) * 1000) / 1000;
    socket.close(() => resolve({ payload: answer, from: from.family === 'IPv6' ? `[${from.address}]:${from.port}` : `${from.address}:${from.port}`, ms }));
  });
  socket.connect(port, ip, () => socket.send(payload));
});
