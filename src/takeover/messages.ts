/** What the two processes of a takeover tell each other: one JSON object a line, in this order. Descriptors travel before the line that counts them. */
import type { HealthMemory } from '../health/health.ts';

/** Of these messages; what the engine hands over has a format of its own. */
export const TAKEOVER_PROTOCOL = 1;

/** The socket in the state directory. */
export const TAKEOVER_SOCKET = 'takeover.sock';

export type Message =
  /** The successor: who it is. */
  | { readonly step: 'hello'; readonly protocol: number; readonly version: string }
  /** The running one: what to get ready. From here on it changes nothing, and the state directory is lent. */
  | { readonly step: 'ready'; readonly version: string; readonly pid: number; readonly terms: string; readonly lvs: 'running' | 'stopped'; readonly health: readonly HealthMemory[] }
  /** The successor is ready: stop moving datagrams. */
  | { readonly step: 'freeze' }
  /** Nothing moves. Descriptors sent before: the engine's parts in a file, of so many bytes each, the API's socket (it listens at `api`), then `sockets` of the engine. */
  | { readonly step: 'frozen'; readonly parts: readonly number[]; readonly sockets: number; readonly api: ApiPlace }
  /** Datagrams move in the successor. */
  | { readonly step: 'running' }
  /** The successor serves: the old process ends. */
  | { readonly step: 'done' }
  /** The running one has let go of the socket in the state directory. */
  | { readonly step: 'bye' }
  /** Either side: not like this. The running one goes on. */
  | { readonly step: 'refused'; readonly message: string; readonly cure: string };

/** Where the API of the running process listens. */
export interface ApiPlace {
  readonly address: string;
  readonly port: number;
}

export type Step = Message['step'];
export type MessageOf<S extends Step> = Extract<Message, { readonly step: S }>;

/** A takeover that did not come about; `cure` says what the operator can do. */
export class TakeoverRefused extends Error {
  readonly cure: string;
  constructor(message: string, cure: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TakeoverRefused';
    this.cure = cure;
  }
}

/** Returns the message of a line. Throws TakeoverRefused when it is none, or another than the one that is due. */
export function messageOf<S extends Step>(line: string, due: S): MessageOf<S> {
  let message: Message | null;
  try {
    message = JSON.parse(line) as Message | null;
  } catch (cause) {
    throw new TakeoverRefused(`expected the step '${due}', found ${JSON.stringify(line.slice(0, 80))}`, 'the two programs do not speak alike: restart weir instead', cause);
  }
  if (message?.step === 'refused') throw new TakeoverRefused(message.message, message.cure);
  if (message?.step !== due) throw new TakeoverRefused(`expected the step '${due}', found '${message?.step}'`, 'the two programs do not speak alike: restart weir instead');
  return message as MessageOf<S>;
}
