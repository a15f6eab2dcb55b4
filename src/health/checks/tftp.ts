/**
 * `option tftpcheck`: a read request (RFC 1350) is answered. The answer comes from a port of its own, so two sockets share one local port:
 * a connected one that sends and hears ICMP, and an open one that takes what comes from the server's other ports.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { parseIp } from '../../net/ip.ts';
import type { Target } from '../health.ts';
import { attempt, errorFinding, fail, msText, pass, silence, type Check, type Finding } from './attempt.ts';
import { NO_PORT } from './datagram.ts';

const OPCODE = { read: 1, data: 3, error: 5, optionsAck: 6 } as const;
/** Asked for when any answer will do. */
const ANY_FILE = 'weir-check';
const ERRORS = ['not defined', 'file not found', 'access violation', 'disk full', 'illegal operation', 'unknown transfer id', 'file exists', 'no such user'];
/** Errors about the file and not about the server. */
const FILE_ERRORS: readonly number[] = [1, 2];

/** Returns a check that asks for `file`, or, when that is null, accepts "file not found" as the sign of life it is. */
export function tftpCheck({ file }: { readonly file: string | null }): Check {
  return (target, env) => {
    const startedMs = env.nowMs();
    return attempt(env, {
      timeoutMs: target.timeoutMs,
      onTimeout: () => silence(target.timeoutMs),
      begin: (settle) => {
        if (target.port === 0) {
          settle(NO_PORT);
          return () => undefined;
        }
        return transfer(target, tftpRead(file ?? ANY_FILE), settle, (reply) => judgeTftp(reply, file, () => msText(env.nowMs() - startedMs)));
      },
    });
  };
}

/** Returns a read request. */
export function tftpRead(file: string): Buffer {
  return Buffer.concat([Buffer.from([0, OPCODE.read]), Buffer.from(`${file}\0octet\0`, 'latin1')]);
}

/** Returns what a datagram says to a read request, or null when it is none of TFTP's answers. */
export function judgeTftp(reply: Buffer, file: string | null, took: () => string): Finding | null {
  const opcode = reply.length < 4 ? 0 : reply.readUInt16BE(0);
  if (opcode === OPCODE.data || opcode === OPCODE.optionsAck) return pass(`${opcode === OPCODE.data ? 'data' : 'options acknowledged'} in ${took()}`);
  if (opcode !== OPCODE.error) return null;
  const code = reply.readUInt16BE(2);
  const text = `error ${code} (${ERRORS[code] ?? 'unknown'})`;
  return file === null && FILE_ERRORS.includes(code) ? pass(`${text} in ${took()}: it serves`) : fail(text);
}

function transfer(target: Target, request: Buffer, settle: (finding: Finding) => void, judge: (reply: Buffer) => Finding | null): () => void {
  const { family, text } = target.ip;
  const make = (): Socket => createSocket({ type: family === 4 ? 'udp4' : 'udp6', reuseAddr: true, lookup: (host, _options, done) => done(null, host, family) });
  const [open, connected] = [make(), make()];
  let over = false;
  const fault = (cause: Error): void => {
    if (!over) settle(errorFinding(cause, 'ICMP port unreachable'));
  };
  const take = (reply: Buffer, from: RemoteInfo): void => {
    if (over || parseIp(from.address)?.text !== text) return;
    const finding = judge(reply);
    if (finding === null) return;
    // What it began to send is not wanted: without this it sends the block again and again.
    if (reply.readUInt16BE(0) !== OPCODE.error) open.send(Buffer.from([0, OPCODE.error, 0, 0, 0]), from.port, from.address, () => settle(finding));
    else settle(finding);
  };
  for (const socket of [open, connected]) socket.on('error', fault).on('message', take);
  open.bind({ address: target.source?.text ?? (family === 4 ? '0.0.0.0' : '::'), port: 0 }, () => {
    if (over) return;
    connected.bind({ address: target.source?.text ?? (family === 4 ? '0.0.0.0' : '::'), port: open.address().port }, () => {
      if (over) return;
      connected.connect(target.port, text, (cause?: Error) => {
        if (over) return;
        if (cause !== undefined && cause !== null) return fault(cause);
        connected.send(request, (error) => {
          if (error) fault(error);
        });
      });
    });
  });
  return () => {
    over = true;
    open.close();
    connected.close();
  };
}
