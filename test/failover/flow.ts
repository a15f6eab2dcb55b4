/** One flow: a client with a fixed source port that sends a numbered datagram each 10 ms and never pauses; who got it and who answered is noted. */
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { Peer } from '../contract/world.ts';
import { PACE_MS } from './cells.ts';

export interface Arrival {
  readonly sequence: number;
  readonly server: string;
  readonly atMs: number;
}

export interface Flow {
  readonly name: string;
  /** When each datagram was sent, by number. */
  readonly sentMs: readonly number[];
  /** What servers got, as they tell (`noteArrival`). */
  readonly arrivals: Arrival[];
  /** What the client got back. */
  readonly answers: Arrival[];
  /** Sends the next datagram. */
  send(): Promise<void>;
}

/** Returns a flow from `client` to `vip`; the datagrams are `name|number`. */
export function createFlow(name: string, client: Peer, vip: Endpoint): Flow {
  const sentMs: number[] = [];
  const answers: Arrival[] = [];
  client.inbox.listen(({ text }) => {
    const [server = '', sequence = ''] = [text.slice(0, text.indexOf(':')), text.slice(text.lastIndexOf('|') + 1)];
    answers.push({ server, sequence: Number(sequence), atMs: performance.now() });
  });
  return {
    name, sentMs, answers, arrivals: [],
    send() {
      sentMs.push(performance.now());
      return client.send(`${name}|${sentMs.length - 1}`, vip).catch(() => undefined);
    },
  };
}

/** Notes what a server got with the flow it is of. */
export function noteArrival(flows: ReadonlyMap<string, Flow>, server: string, text: string): void {
  const bar = text.lastIndexOf('|');
  flows.get(text.slice(0, bar))?.arrivals.push({ server, sequence: Number(text.slice(bar + 1)), atMs: performance.now() });
}

/** Sends on all flows each PACE_MS until `stop` says so; catches up when the machine was busy, so that the number sent is that of the time. */
export async function pace(flows: readonly Flow[], stop: () => boolean): Promise<void> {
  const start = performance.now();
  for (let round = 0; !stop(); round++) {
    await Promise.all(flows.map((flow) => flow.send()));
    const due = start + (round + 1) * PACE_MS;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
