/** What one pass of an XDP program costs: BPF_PROG_TEST_RUN in the balancer's namespace, on the balancer's CPU, without traffic. */
import { join } from 'node:path';
import { run } from '../command.ts';
import { compileBpf } from '../compile.ts';
import type { Stage } from '../stage.ts';
import type { RunningSubject } from '../subjects/subject.ts';
import { insideBalancer } from '../topology/topology.ts';
import type { TrafficPlace } from '../traffic/layout.ts';

/** What bench/program/child.ts is told. */
export interface TimingRequest {
  readonly carousel: string;
  readonly place: TrafficPlace;
  readonly target: RunningSubject['target'];
  readonly frontDevice: string;
  readonly backDevice: string;
  /** How many sessions to measure with, one measurement each; at most 131,072. */
  readonly flows: readonly number[];
}

export type TimingAnswer = { readonly ok: true; readonly results: readonly TimingResult[] } | { readonly ok: false; readonly message: string };

/** ns a pass, less what the same pass costs with a program that does nothing (`carouselNs`). */
export interface TimingResult {
  readonly sessions: number;
  /** A datagram of a client never seen before; mean over all of them. */
  readonly newSessionNs: number;
  /** A datagram of a live session. */
  readonly toServerNs: number;
  readonly toClientNs: number;
  readonly carouselNs: number;
}

const LIMIT_MS = 120_000;

/** Times the program that `running` has attached, with so many sessions each. Throws with the reason when it has none that redirects. */
export function timeProgram({ topology }: Stage, running: RunningSubject, flows: readonly number[]): readonly TimingResult[] {
  const { place, frontDevice, backDevice } = topology;
  const request: TimingRequest = { carousel: compileBpf('carousel'), place, target: running.target, frontDevice, backDevice, flows };
  const [command = '', ...args] = insideBalancer(topology, [process.execPath, join(import.meta.dirname, 'child.js'), JSON.stringify(request)]);
  const answer = JSON.parse(run(command, args, { limitMs: LIMIT_MS })) as TimingAnswer;
  if (!answer.ok) throw new Error(answer.message);
  return answer.results;
}
