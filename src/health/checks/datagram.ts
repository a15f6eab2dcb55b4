/** A UDP socket connected to the target: the kernel takes datagrams from it alone and reports its ICMP errors here. */
import { createSocket } from 'node:dgram';
import type { Target } from '../health.ts';
import { cannot, errorFinding, type Finding } from './attempt.ts';

/** Sends `payload` (again: none) and gives replies and errors; returns what closes the socket. Port 0 is a finding, not a throw. */
export function datagram(
  target: Target,
  options: { readonly port?: number; readonly payload: Uint8Array; onSent?(): void; onReply(reply: Buffer): void; onError(finding: Finding): void },
): () => void {
  const port = options.port ?? target.port;
  if (port === 0) {
    options.onError(cannot('no port to probe: give the server a port or write `check port <p>`'));
    return () => undefined;
  }
  // Addresses are numeric: no resolver, not even the short way through it.
  const family = target.ip.family;
  const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', lookup: (host, _options, done) => done(null, host, family) });
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    socket.close();
  };
  const onError = (cause: Error): void => {
    if (open) options.onError(errorFinding(cause, 'ICMP port unreachable'));
  };
  socket.on('error', onError);
  socket.on('message', (reply) => {
    if (open) options.onReply(reply);
  });
  const send = (): void => {
    if (!open) return;
    socket.connect(port, target.ip.text, (cause?: Error) => {
      if (!open) return;
      if (cause !== undefined && cause !== null) return onError(cause);
      socket.send(options.payload, (error) => {
        if (error) onError(error);
        else if (open) options.onSent?.();
      });
    });
  };
  if (target.source === null) send();
  else socket.bind({ address: target.source.text, port: 0, exclusive: true }, send);
  return close;
}
