/** A UDP socket connected to the target: the kernel takes datagrams from it alone and reports its ICMP errors here. */
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import type { Target } from '../health.ts';
import { cannot, errorFinding, type Finding } from './attempt.ts';

/** What is sent; a function is given the socket's own address, for protocols that name it. */
export type Payload = Uint8Array | ((local: AddressInfo) => Uint8Array);

/** The finding of a check that was given no port. */
export const NO_PORT: Finding = cannot('no port to probe: give the server a port or write `check port <p>`');

/** Sends `payload` once and gives replies and errors; `onReply` may send again. Returns what closes the socket. Port 0 is a finding, not a throw. */
export function datagram(
  target: Target,
  options: { readonly port?: number; readonly payload: Payload; onSent?(): void; onReply(reply: Buffer, send: (payload: Uint8Array) => void): void; onError(finding: Finding): void },
): () => void {
  const port = options.port ?? target.port;
  if (port === 0) {
    options.onError(NO_PORT);
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
    if (open) options.onReply(reply, send);
  });
  const send = (payload: Uint8Array): void => {
    if (!open) return;
    socket.send(payload, (error) => {
      if (error) onError(error);
    });
  };
  const begin = (): void => {
    if (!open) return;
    socket.connect(port, target.ip.text, (cause?: Error) => {
      if (!open) return;
      if (cause !== undefined && cause !== null) return onError(cause);
      socket.send(typeof options.payload === 'function' ? options.payload(socket.address()) : options.payload, (error) => {
        if (error) onError(error);
        else if (open) options.onSent?.();
      });
    });
  };
  if (target.source === null) begin();
  else socket.bind({ address: target.source.text, port: 0, exclusive: true }, begin);
  return close;
}
