/** What goes over a wire, by tcpdump, frame by frame as it goes. */
import { Mailbox } from '../contract/mailbox.ts';
import { start } from '../fixtures/process.ts';
import type { Scope } from '../fixtures/scope.ts';

/** A frame: when (seconds since 1970), between which MAC addresses, and tcpdump's own words for it. */
export interface Frame {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

const LINE = /^(\d+\.\d+) ([0-9a-f:]{17}) > ([0-9a-f:]{17}), (.*)$/;

/**
 * Starts tcpdump on a device of the host behind `prefix`, for frames that come in there (not those the host sends), and resolves when it
 * listens. A test that wants to know all sends a frame that it knows, and takes it: what went before is in the box then.
 */
export async function capture(scope: Scope, prefix: readonly string[], device: string, filter: string): Promise<Mailbox<Frame>> {
  const frames = new Mailbox<Frame>(`tcpdump on ${device}`, ({ text }) => text);
  const tcpdump = await start(scope, [...prefix, 'tcpdump', '-nn', '-e', '-tt', '-l', '--immediate-mode', '-Q', 'in', '-i', device, filter], {
    onLine(line) {
      const [, at, from, to, text] = LINE.exec(line) ?? [];
      if (at !== undefined && from !== undefined && to !== undefined && text !== undefined) frames.push({ at: Number(at), from, to, text });
    },
  });
  await tcpdump.match(/listening on/);
  return frames;
}
