/**
 * The clients of a soak, a process of their own: `load`, told by JSON lines on standard input, tells by JSON lines on standard output (wire.ts).
 * Clients with fixed ports never pause; new ones come all the time, send a few datagrams and go; a flood is many new ones at once.
 */
import dgram from 'node:dgram';
import { createInterface } from 'node:readline';
import { datagramText, monotonicMs, type LoadCommand, type LoadReport } from './wire.ts';

const REPORT_MS = 100;
/** A client that comes and goes: so many datagrams, so far apart, and how long it listens afterwards. */
const NEW = { datagrams: 3, everyMs: 150, lingerMs: 6_000 };

type Begin = Extract<LoadCommand, { op: 'begin' }>;

class Load {
  readonly #begin: Begin;
  readonly #sockets = new Set<dgram.Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #rows = { sent: [] as LoadReport['sent'][number][], answered: [] as LoadReport['answered'][number][], strays: [] as string[], failed: [] as string[] };
  #ports: number[] | null = null;
  #id = 0;
  #flow = 0;
  #dueMs = monotonicMs();

  constructor(begin: Begin) {
    this.#begin = begin;
  }

  async start(): Promise<void> {
    const { lanes, fixedClients, everyMs, newEveryMs } = this.#begin;
    const ports: number[] = [];
    for (const lane of lanes.keys()) {
      for (let n = 0; n < fixedClients; n++) {
        const client = await this.#open(lane, `fixed ${lane}.${n}`);
        ports.push(client.port);
        // Spread over the interval, so that a moment's trouble does not meet all of them at once.
        this.#after(((n + lane / lanes.length) * everyMs) / fixedClients, () => this.#every(everyMs, client.send));
      }
      this.#after((lane * newEveryMs) / lanes.length, () => this.#every(newEveryMs, () => void this.#visit(lane, 'new', NEW.datagrams)));
    }
    this.#ports = ports;
    this.#dueMs = monotonicMs() + REPORT_MS;
    this.#every(REPORT_MS, () => this.#report(false));
  }

  flood(director: string, clients: number): void {
    const lane = this.#begin.lanes.findIndex((l) => l.director === director);
    for (let n = 0; n < clients; n++) void this.#visit(lane, 'flood', 1);
  }

  /** Sends nothing more; goes on listening. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    this.#every(REPORT_MS, () => this.#report(true));
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.close();
    this.#sockets.clear();
  }

  async #visit(lane: number, what: string, datagrams: number): Promise<void> {
    const client = await this.#open(lane, `${what} ${++this.#flow}`).catch((error: unknown) => void this.#rows.failed.push(String(error)));
    if (!client) return;
    for (let n = 0; n < datagrams; n++) this.#after(n * NEW.everyMs, client.send);
    setTimeout(client.close, datagrams * NEW.everyMs + NEW.lingerMs).unref();
  }

  async #open(lane: number, flow: string): Promise<{ readonly port: number; send(): void; close(): void }> {
    const { vip, family, kind } = this.#begin.lanes[lane];
    const socket = dgram.createSocket({ type: family === 4 ? 'udp4' : 'udp6', recvBufferSize: flow.startsWith('fixed') ? 1 << 20 : 1 << 16 });
    const mine = new Set<number>();
    socket.on('message', (data, from) => {
      const atMs = monotonicMs();
      const fromVip = from.port === vip.port && from.address === vip.ip;
      // A server that was stopped answers a check whose port has passed on to a client by now: on one host there is one address for all.
      if (!fromVip && data.toString() === 'alive') return;
      const [server = '', number = ''] = data.toString().split('|');
      const id = Number(number);
      if (mine.has(id) && fromVip) this.#rows.answered.push([id, server, atMs]);
      else this.#rows.strays.push(`${flow} got ${data.toString().slice(0, 40)} from ${from.address}:${from.port}`);
    });
    socket.on('error', (error) => this.#rows.failed.push(`${flow}: ${error.message}`));
    this.#sockets.add(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: this.#begin.clientIps[family], port: 0, exclusive: true }, resolve);
    });
    const close = (): void => {
      if (this.#sockets.delete(socket)) socket.close();
    };
    const send = (): void => {
      if (!this.#sockets.has(socket)) return;
      const id = ++this.#id;
      mine.add(id);
      if (mine.size > 400) mine.delete(mine.values().next().value ?? -1);
      this.#rows.sent.push([id, lane, flow, monotonicMs()]);
      socket.send(datagramText(id, kind), vip.port, vip.ip, (error) => void (error && this.#rows.failed.push(`${flow}: ${error.message}`)));
    };
    return { port: socket.address().port, send, close };
  }

  #report(stopped: boolean): void {
    const atMs = monotonicMs();
    const report: LoadReport = { ...this.#rows, lateMs: Math.max(0, atMs - this.#dueMs), atMs, ports: this.#ports, stopped };
    this.#dueMs = atMs + REPORT_MS;
    this.#ports = null;
    this.#rows = { sent: [], answered: [], strays: [], failed: [] };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }

  #every(ms: number, act: () => void): void {
    this.#timers.add(setInterval(act, ms));
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }
}

let load: Load | null = null;
createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line) as LoadCommand;
  if (command.op === 'begin') void (load = new Load(command)).start();
  else if (command.op === 'flood') load?.flood(command.director, command.clients);
  else load?.stop();
}).on('close', () => load?.end());
process.stdout.write('ready\n');
