/**
 * The traffic process: pinned to the traffic CPU, holds the BPF programs, and spends each run inside one system call.
 * Started with the arguments `object clients-namespace client-device servers-namespace server-device place-as-JSON server-program`; then one message, one answer.
 */
import { attachIngress, attachNative, deviceIndex, enterNamespace, loadBpf, runLiveFrames, type BpfObject } from '../libbpf.ts';
import { decodeReceiver, decodeReflector, decodeSender, encodeConfig, encodeSender, MAPS, type TrafficPlace, type TrafficRun } from './layout.ts';

/** One answer: the counts of the run, or why there are none. */
export type TrafficAnswer =
  | { readonly ok: true; readonly sender: ReturnType<typeof decodeSender>; readonly receiver: ReturnType<typeof decodeReceiver>; readonly reflector: ReturnType<typeof decodeReflector> }
  | { readonly ok: false; readonly message: string };

/** Frames leave when a batch ends; a batch without a frame lasts 8 µs. */
const BATCH = 8;
/** An invocation either sends or waits this long (traffic.bpf.c), which says how many a run needs. */
const WAIT_NS = 1_000;
/** Invocations beyond that: those after the end return at once. */
const SPARE = 1.1;
/** To measure a turn by: enough that starting and ending them does not count. */
const IDLE_TURNS = 1 << 14;
const IDLE_BYTES = 64;
/** Late replies: a receive buffer full of datagrams at the lowest rates. */
const DRAIN_MS = 150;

const [object = '', clients = '', clientDevice = '', servers = '', serverDevice = '', placeText = '', serverProgram = ''] = process.argv.slice(2);

try {
  const place = JSON.parse(placeText) as TrafficPlace;
  const bpf = loadBpf(object);
  enterNamespace(servers);
  const [attach, receiver] = serverProgram === 'reflect_skb' ? [attachIngress, 'receive_skb'] : [attachNative, 'receive'];
  attach(serverDevice, bpf.program(serverProgram));
  enterNamespace(clients);
  attach(clientDevice, bpf.program(receiver));
  const outIndex = deviceIndex(clientDevice);
  const turnNs = Math.max(WAIT_NS, measureTurn(bpf, place, outIndex));
  process.on('message', (run: TrafficRun) => {
    void answer(bpf, run, { place, outIndex, turnNs });
  });
  process.on('disconnect', () => process.removeAllListeners('message'));
  tell({ ready: true });
} catch (error) {
  tell({ ready: false, message: error instanceof Error ? error.message : String(error) });
}

/** Returns what an invocation that does nothing takes, in ns: under qemu more than its wait. */
function measureTurn(bpf: BpfObject, place: TrafficPlace, outIndex: number): number {
  bpf.map('sender_map').write(encodeSender({ turn: 0 }));
  // A run of no length is over at once.
  bpf.map('config_map').write(encodeConfig({ run: 0, framesPerSecond: 1, seconds: 0, firstClient: 0, clients: 1, turn: 0, frameBytes: IDLE_BYTES, target: { ip: place.serverIp, port: 1 } }, place, outIndex));
  const turns = Array.from({ length: 3 }, () => {
    const begin = process.hrtime.bigint();
    runLiveFrames(bpf.program('generate'), { frame: Buffer.alloc(IDLE_BYTES), repeat: IDLE_TURNS, batch: BATCH });
    return Number(process.hrtime.bigint() - begin) / IDLE_TURNS;
  });
  return Math.min(...turns);
}

async function answer(bpf: BpfObject, run: TrafficRun, { place, outIndex, turnNs }: { readonly place: TrafficPlace; readonly outIndex: number; readonly turnNs: number }): Promise<void> {
  try {
    bpf.map('sender_map').write(encodeSender(run));
    for (const name of ['receiver_map', 'reflector_map'] as const) {
      const values = bpf.map(name).read();
      const stride = Math.ceil(MAPS[name].size / 8) * 8;
      bpf.map(name).write(Buffer.alloc(stride * values.length));
    }
    bpf.map('config_map').write(encodeConfig(run, place, outIndex));
    const waits = (run.seconds * 1e9) / turnNs;
    runLiveFrames(bpf.program('generate'), { frame: Buffer.alloc(run.frameBytes), repeat: Math.ceil((run.framesPerSecond * run.seconds + waits) * SPARE), batch: BATCH });
    await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
    tell({
      ok: true,
      sender: decodeSender(bpf.map('sender_map').read()[0] ?? Buffer.alloc(MAPS.sender_map.size)),
      receiver: decodeReceiver(bpf.map('receiver_map').read()),
      reflector: decodeReflector(bpf.map('reflector_map').read()),
    } satisfies TrafficAnswer);
  } catch (error) {
    tell({ ok: false, message: error instanceof Error ? error.message : String(error) } satisfies TrafficAnswer);
  }
}

function tell(message: TrafficAnswer | { ready: boolean; message?: string }): void {
  process.send?.(message);
}
