/**
 * Times the XDP program that runs on the balancer's devices, one pass at a time, without any traffic. Runs in the balancer's namespace, where
 * its FIB is. Argument: TimingRequest as JSON; prints TimingAnswer as JSON.
 */
import { attachedProgram, deviceIndex, loadBpf, runPacket, type BpfArray, type BpfObject } from '../libbpf.ts';
import { replyHeader, requestHeader } from './flows.ts';
import type { TimingAnswer, TimingRequest, TimingResult } from './program.ts';

const XDP_PASS = 2;
const XDP_REDIRECT = 4;
const FRAME_BYTES = 64;
/** Passes of one measurement; the least of so many measurements counts, for noise only ever costs. */
const PASSES = 500_000;
const MEASUREMENTS = 5;

const request = JSON.parse(process.argv[2] ?? '') as TimingRequest;
let answer: TimingAnswer;
try {
  let firstClient = 0;
  const results: TimingResult[] = [];
  for (const flows of request.flows) {
    results.push(time(firstClient, flows));
    firstClient += flows;
  }
  answer = { ok: true, results };
} catch (error) {
  answer = { ok: false, message: error instanceof Error ? error.message : String(error) };
}
process.stdout.write(`${JSON.stringify(answer)}\n`);

/** Measures with sessions of `flows` clients from number `firstClient` on, who have none yet. */
function time(firstClient: number, flows: number): TimingResult {
  const { place, target, frontDevice, backDevice } = request;
  const bpf = loadBpf(request.carousel);
  const program = attachedProgram(frontDevice);
  const [front, back] = [deviceIndex(frontDevice), deviceIndex(backDevice)];
  const requests = Array.from({ length: flows }, (_, i) => requestHeader(place, firstClient + i, target));

  setFlows(bpf, requests);
  setProgram(bpf, program);
  const newSession = pass(bpf, front, flows, XDP_REDIRECT);
  // One by one, to see what became of each: its reply has to come to the port that was chosen for it.
  const replies = requests.map((header) => {
    const { verdict, packet } = runPacket(program, { packet: frame(header), ingress: front, repeat: 1 });
    if (verdict !== XDP_REDIRECT) throw new Error(`the program did not redirect the datagram of a live session: verdict ${verdict}`);
    return replyHeader(packet);
  });
  setFlows(bpf, replies);
  const toClient = least(bpf, back);
  const toClientEmpty = leastEmpty(bpf, back);
  setFlows(bpf, requests);
  const toServerEmpty = leastEmpty(bpf, front);
  setProgram(bpf, program);
  const toServer = least(bpf, front);
  return { sessions: flows, newSessionNs: newSession - toServerEmpty, toServerNs: toServer - toServerEmpty, toClientNs: toClient - toClientEmpty, carouselNs: toServerEmpty };
}

function least(bpf: BpfObject, ingress: number): number {
  return Math.min(...Array.from({ length: MEASUREMENTS }, () => pass(bpf, ingress, PASSES, XDP_REDIRECT)));
}

function leastEmpty(bpf: BpfObject, ingress: number): number {
  setProgram(bpf, bpf.program('empty'));
  return Math.min(...Array.from({ length: MEASUREMENTS }, () => pass(bpf, ingress, PASSES, XDP_PASS)));
}

/** Returns the mean of `passes` from the first flow on, in ns. */
function pass(bpf: BpfObject, ingress: number, passes: number, expected: number): number {
  const { verdict, ns } = runPacket(bpf.program('carousel'), { packet: Buffer.alloc(FRAME_BYTES), ingress, repeat: passes });
  if (verdict !== expected) throw new Error(`expected verdict ${expected} of the program, got ${verdict}`);
  return ns;
}

function setFlows(bpf: BpfObject, headers: readonly Buffer[]): void {
  const map: BpfArray = bpf.map('header_map');
  for (const [i, header] of headers.entries()) map.write(header, i);
  const turn = Buffer.alloc(8);
  turn.writeUInt32LE(headers.length, 4);
  bpf.map('turn_map').write(turn);
}

/** Throws where the kernel does not let the two run in one chain: both must know fragments of frames (`xdp.frags`), or neither. */
function setProgram(bpf: BpfObject, program: number): void {
  const fd = Buffer.alloc(4);
  fd.writeInt32LE(program);
  bpf.map('program_map').write(fd);
}

function frame(header: Buffer): Buffer {
  const packet = Buffer.alloc(FRAME_BYTES);
  header.copy(packet, 0, 0, 42);
  return packet;
}
