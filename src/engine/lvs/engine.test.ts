/** The engine over a kernel in memory: every step that may fail, restarts, holds, other people's services. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { OnAction } from '../../balance/terms.ts';
import { parseIp } from '../../net/ip.ts';
import type { Desired, DesiredDirector, DesiredServer } from '../../plan/desired.ts';
import { diff } from '../../plan/diff.ts';
import { EngineError, Unsupported, type EngineEvent } from '../engine.ts';
import { LvsEngine } from './engine.ts';
import { FakeIpvs } from './fake-ipvs.ts';
import { serviceKey, type IpvsService, type ServiceId } from './ipvs.ts';
import { EMPTY_RECORD, type LvsRecord } from './record.ts';
import { kernelWeights } from './schedulers.ts';
import { EPERM, NetlinkError } from './socket.ts';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);
const server = (name: string, last: number, options: Partial<DesiredServer> = {}): DesiredServer => ({ name, ip: ip(`192.0.2.${last}`), port: 8000, weight: 10, state: 'up', sorry: false, ...options });
const director = (options: Partial<DesiredDirector> = {}): DesiredDirector => ({
  name: 'web', vip: ip('10.0.0.3'), ports: { first: 8000, last: 8000 }, protocol: 'udp', mode: 'nat', balance: 'leastconn', persistence: null,
  session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null }, on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } },
  sourceNat: null, servers: [server('a', 1), server('b', 2)], ...options,
});
const desired = (...directors: DesiredDirector[]): Desired => ({ directors });
const WEB: ServiceId = { kind: 'address', protocol: 'udp', ip: ip('10.0.0.3'), port: 8000 };

let kernel: FakeIpvs;
let saved: LvsRecord;
let sysctls: Map<string, string>;
let nftTable: string;
let now: number;
let timers: { at: number; callback: () => void }[];
let events: EngineEvent[];

function make(): LvsEngine {
  return new LvsEngine({
    openIpvs: () => kernel,
    sysctls: { get: (name) => sysctls.get(name) ?? null, set: (name, value) => void sysctls.set(name, value) },
    record: { load: () => saved, save: (r) => { saved = structuredClone(r); }, remove: () => { saved = EMPTY_RECORD; } },
    async nft(args, input) {
      if (args[0] === '-f') nftTable = input?.includes('chain') === true ? input : '';
      if (args[0] !== 'list') return '';
      if (nftTable === '') throw new Error('No such file or directory');
      return nftTable;
    },
    async *connections() { /* none */ },
    onEvent: (event) => events.push(event),
    nowMs: () => now,
    wait: async (ms) => { now += ms; },
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.push(timer);
      return () => { timers = timers.filter((t) => t !== timer); };
    },
  });
}

const apply = async (engine: LvsEngine, ...directors: DesiredDirector[]): Promise<void> => engine.apply(diff(desired(...directors), await engine.observe()));
const weights = (): Record<string, number> => Object.fromEntries(kernel.services().flatMap((s) => s.dests.map((d) => [d.ip.text, d.weight])));

/** Everything the kernel holds, in an order of its own: one that comes back is put first. */
const listed = (): string[] => kernel.services().flatMap(({ dests, ...service }) => [JSON.stringify(service), ...dests.map((d) => `${serviceKey(service.id)} ${JSON.stringify(d)}`)]).toSorted();

async function pass(ms: number): Promise<void> {
  now += ms;
  const due = timers.filter((t) => t.at <= now);
  timers = timers.filter((t) => t.at > now);
  for (const { callback } of due) callback();
}

beforeEach(() => {
  [kernel, saved, nftTable, now, timers, events] = [new FakeIpvs(), EMPTY_RECORD, '', 1_000_000, [], []];
  sysctls = new Map([['conntrack', '0'], ['expire_nodest_conn', '0'], ['expire_quiescent_template', '0']]);
});

describe('apply', () => {
  it('servers whose order the scheduler deals by stand in one order, however they are written; others stand as written', async () => {
    const order = async (balance: DesiredDirector['balance'], ...servers: DesiredServer[]): Promise<string[]> => {
      kernel = new FakeIpvs();
      saved = EMPTY_RECORD;
      await apply(make(), director({ balance, servers }));
      return kernel.services().flatMap(({ dests }) => dests.map((d) => d.ip.text));
    };
    const [a, b, c] = [server('a', 1), server('b', 2), server('c', 3)];
    for (const balance of ['maglev', 'source', 'dest'] as const) assert.deepEqual(await order(balance, a, b, c), await order(balance, c, a, b), balance);
    assert.deepEqual(await order('roundrobin', c, a, b), ['192.0.2.3', '192.0.2.1', '192.0.2.2']);
  });

  it('sets what was planned; the second plan is empty and takes no step', async () => {
    const engine = make();
    await apply(engine, director());
    assert.deepEqual(weights(), { '192.0.2.1': 10, '192.0.2.2': 10 });
    assert.deepEqual(Object.fromEntries(sysctls), { conntrack: '0', expire_nodest_conn: '1', expire_quiescent_template: '1' });
    kernel.steps = [];
    const plan = diff(desired(director()), await engine.observe());
    assert.deepEqual(plan.steps, []);
    await engine.apply(plan);
    assert.deepEqual(kernel.steps, []);
  });

  it('takes every earlier step back, whichever step fails', async () => {
    const range = director({ name: 'range', ports: { first: 1, last: 9 }, balance: 'source' });
    const next = [range, director({ balance: 'roundrobin', servers: [server('c', 3), server('a', 1, { weight: 3 })] }), director({ name: 'zz', vip: ip('10.0.0.9') })];
    for (let failAt = 0; failAt < 100; failAt++) {
      [kernel, saved, nftTable] = [new FakeIpvs(), EMPTY_RECORD, ''];
      const engine = make();
      await apply(engine, director(), director({ name: 'old', vip: ip('10.0.0.4') }));
      const before = [listed(), kernel.timeouts(), structuredClone(saved), nftTable, [...sysctls]];
      let at = 0;
      kernel.onStep = () => {
        if (at++ === failAt) throw new NetlinkError('a step', 12);
      };
      const failed: Error | null = await apply(engine, ...next).then(() => null, (e: Error) => e);
      if (failed === null) {
        assert.ok(failAt > 8, `${failAt} steps were tried`);
        return;
      }
      assert.ok(failed instanceof EngineError && failed.landed.length === 0 && failed.cure !== '', failed.message);
      assert.deepEqual([listed(), kernel.timeouts(), saved, nftTable, [...sysctls]], before, `step ${failAt}`);
      assert.deepEqual((await engine.observe()).directors.map((d) => d.name).toSorted(), ['old', 'web']);
    }
    assert.fail('it never came to an end');
  });

  it('names what stayed changed when a step cannot be taken back', async () => {
    const engine = make();
    await apply(engine, director());
    kernel.onStep = (text) => {
      if (text.startsWith('add 192.0.2.9') || text.startsWith('remove 192.0.2.3')) throw new NetlinkError('a step', 12);
    };
    await assert.rejects(apply(engine, director({ servers: [server('a', 1), server('b', 2), server('d', 9), server('c', 3)] })), (e) => e instanceof EngineError && e.landed.length === 1 && e.landed[0]!.includes('192.0.2.3'));
    kernel.onStep = () => undefined;
    await apply(engine, director());
    assert.deepEqual(Object.keys(weights()).toSorted(), ['192.0.2.1', '192.0.2.2']);
  });

  it('refuses a service somebody else set, and never touches it', async () => {
    const foreign: IpvsService = { id: WEB, scheduler: 'rr', flags: 0, timeoutS: 0, prefix: 32 };
    kernel.schedulers.add('rr');
    kernel.addService(foreign);
    const engine = make();
    await assert.rejects(apply(engine, director()), (e) => e instanceof EngineError && e.cure.includes('ipvsadm -D -u 10.0.0.3:8000'));
    await apply(engine, director({ vip: ip('10.0.0.4') }));
    await engine.close('remove');
    assert.deepEqual(kernel.services().map((s) => serviceKey(s.id)), ['udp 10.0.0.3:8000']);
  });

  it('owns what a weir that was killed in the middle had set', async () => {
    const engine = make();
    await apply(engine, director());
    const early = structuredClone(saved);
    let union: LvsRecord | undefined;
    kernel.onStep = () => { union ??= structuredClone(saved); };
    await apply(engine, director(), director({ name: 'zz', vip: ip('10.0.0.9') }));
    assert.deepEqual(union?.owned.length, 2);
    // Killed just now: the kernel has the new service, the record speaks of the old state and owns both.
    saved = { ...early, owned: union!.owned };
    kernel.onStep = () => undefined;
    const next = make();
    await apply(next, director());
    assert.deepEqual((await next.observe()).directors.map((d) => d.name), ['web']);
    await next.apply({ steps: [], next: desired(director()) });
    assert.deepEqual(kernel.services().map((s) => serviceKey(s.id)), ['udp 10.0.0.3:8000']);
  });
});

describe('sessions of servers that take none', () => {
  const on = (remove: OnAction, down: OnAction = { kind: 'move' }): DesiredDirector['on'] => ({ down, drain: { kind: 'keep', forMs: null }, remove });

  it('go with a server that is down, stay with one that drains', async () => {
    const engine = make();
    await apply(engine, director({ servers: [server('a', 1, { state: 'down' }), server('b', 2, { state: 'drain' }), server('c', 3)] }));
    assert.deepEqual(weights(), { '192.0.2.2': 0, '192.0.2.3': 10 });
  });

  it('stay for their time, and no longer', async () => {
    const engine = make();
    const policy = on({ kind: 'move' }, { kind: 'keep', forMs: 5000 });
    await apply(engine, director({ on: policy }));
    await apply(engine, director({ on: policy, servers: [server('a', 1, { state: 'down' }), server('b', 2)] }));
    assert.deepEqual(weights(), { '192.0.2.1': 0, '192.0.2.2': 10 });
    await pass(2000);
    await apply(engine, director({ on: policy, servers: [server('a', 1, { state: 'down' }), server('b', 2, { weight: 11 })] }));
    await engine.read();
    assert.deepEqual(weights(), { '192.0.2.1': 0, '192.0.2.2': 11 }, 'another apply does not prolong it');
    await pass(3001);
    await engine.read();
    assert.deepEqual(weights(), { '192.0.2.2': 11 });
    assert.deepEqual((await engine.observe()).directors[0]?.servers.map((s) => s.state), ['down', 'up']);
  });

  it('stay with a removed server until the last has ended, over a restart too', async () => {
    const policy = on({ kind: 'keep', forMs: null });
    const first = make();
    await apply(first, director({ on: policy }));
    kernel.carry(WEB, server('a', 1), { sessions: 2, packets: 5 });
    await apply(first, director({ on: policy, servers: [server('b', 2)] }));
    await first.close('leave');
    const engine = make();
    assert.deepEqual(diff(desired(director({ on: policy, servers: [server('b', 2)] })), await engine.observe()).steps, []);
    await pass(2100);
    await engine.read();
    assert.deepEqual(weights(), { '192.0.2.1': 0, '192.0.2.2': 10 });
    kernel.carry(WEB, server('a', 1), { sessions: 0, packets: 5 });
    await pass(2100);
    await engine.read();
    assert.deepEqual(weights(), { '192.0.2.2': 10 });
  });

  it('are counted on the server they left', async () => {
    const engine = make();
    await apply(engine, director());
    kernel.carry(WEB, server('a', 1), { sessions: 3, packets: 9 });
    await apply(engine, director({ servers: [server('a', 1, { state: 'down' }), server('b', 2)] }));
    assert.deepEqual((await engine.read()).directors[0]?.servers.map((s) => [s.name, s.sessionsMoved]), [['a', 3], ['b', 0]]);
  });

  it('the sorry server has its weight only while nobody else takes any', async () => {
    const engine = make();
    const list = (state: 'up' | 'down', weight = 10): DesiredServer[] => [server('s', 9, { sorry: true, weight: 0 }), server('a', 1, { state, weight })];
    await apply(engine, director({ servers: list('up') }));
    assert.deepEqual(weights(), { '192.0.2.9': 0, '192.0.2.1': 10 });
    await apply(engine, director({ servers: list('down') }));
    assert.deepEqual(weights(), { '192.0.2.9': 1 });
    await apply(engine, director({ servers: list('up', 0) }));
    assert.deepEqual(weights(), { '192.0.2.9': 1, '192.0.2.1': 0 });
  });

  it('under dest go with a server that drains: dh would drop new ones that meet it', async () => {
    const engine = make();
    await apply(engine, director({ balance: 'dest', servers: [server('a', 1, { state: 'drain' }), server('b', 2)] }));
    assert.deepEqual(weights(), { '192.0.2.2': 10 });
  });
});

describe('counters', () => {
  it('only grow when a server or the whole service is made anew', async () => {
    const engine = make();
    await apply(engine, director());
    kernel.carry(WEB, server('a', 1), { sessions: 3, packets: 9 });
    const read = async (): Promise<number[]> => {
      const d = (await engine.read()).directors[0]!;
      return [d.packetsIn, d.bytesIn, d.servers[0]!.packetsIn];
    };
    assert.deepEqual(await read(), [9, 9 * 72, 9], 'bytes are those of the payload');
    await apply(engine, director({ vip: ip('10.0.0.4') }));
    assert.deepEqual(await read(), [9, 9 * 72, 9]);
    kernel.carry({ ...WEB, ip: ip('10.0.0.4') }, server('a', 1), { sessions: 1, packets: 20 });
    assert.deepEqual(await read(), [29, 29 * 72, 29]);
  });
});

describe('what it cannot do', () => {
  it('is named, with the director', () => {
    const engine = make();
    const cannot = (options: Partial<DesiredDirector>): string => engine.unsupported(desired(director(options))).map((u) => (u instanceof Unsupported && u.director === 'web' ? u.what : 'wrong')).join('; ');
    assert.match(cannot({ balance: 'random' }), /^balance random/);
    assert.match(cannot({ balance: 'srcdst', vip: null, ports: null }), /^balance srcdst without one address/);
    assert.match(cannot({ session: { kind: 'request-reply', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null } }), /^session request-reply/);
    assert.match(cannot({ session: { kind: 'two-way', replies: 1, timeoutMs: null, max: 5, rate: null, sourceRate: null, amplification: null } }), /^session max/);
    assert.match(cannot({ session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: 3 } }), /^session amplification/);
    assert.match(cannot({ on: { down: { kind: 'drop' }, drain: { kind: 'move' }, remove: { kind: 'drop' } } }), /^on down drop.*; on remove drop/);
    assert.match(cannot({ mode: 'gateway', servers: [server('a', 1, { port: 9 })] }), /^a server port other than the director's in mode gateway/);
    assert.match(cannot({ servers: [server('a', 1, { ip: ip('2001:db8::1') })] }), /^servers of another address family/);
    assert.match(cannot({ servers: [server('a', 1), server('x', 1)] }), /^two servers with one address and port \(x and a\)/);
    assert.equal(cannot({ mode: 'tunnel', servers: [server('a', 1, { ip: ip('2001:db8::1') })] }), '');
    assert.equal(cannot({ balance: 'srcdst' }), '');
  });

  it('two timeouts of one protocol are a conflict that names both directors', () => {
    const two = (name: string, timeoutMs: number): DesiredDirector => director({ name, vip: ip('10.0.0.9'), ports: { first: name.length, last: name.length }, session: { kind: 'two-way', replies: 1, timeoutMs, max: null, rate: null, sourceRate: null, amplification: null } });
    const texts = make().unsupported(desired(two('a', 60_000), two('bb', 30_000), two('ccc', 59_500))).map((u) => u.message);
    assert.deepEqual(texts, ['engine lvs cannot do session timeout 30s beside 60s of director a (ip_vs has one UDP timeout for all directors) (director bb)']);
  });

  it('probe says what the kernel lacks: all of it, the permission, or a scheduler', async () => {
    const refused = async (error: NetlinkError): Promise<unknown> => {
      kernel.services = () => { throw error; };
      return make().probe();
    };
    assert.deepEqual(await refused(new NetlinkError('x', 2)), { ok: false, refusals: [{ what: 'this kernel has no ip_vs', cure: 'load the module (modprobe ip_vs); where there is none, install a kernel that has it (Debian: linux-image-amd64) or use another engine' }] });
    assert.match(JSON.stringify(await refused(new NetlinkError('x', EPERM))), /CAP_NET_ADMIN/);
    kernel = new FakeIpvs();
    kernel.schedulers.delete('mh');
    const engine = make();
    const probe = await engine.probe();
    assert.ok(probe.ok && probe.notes.includes('this kernel has no scheduler mh'));
    assert.match(engine.unsupported(desired(director({ balance: 'maglev' })))[0]!.what, /no scheduler mh/);
    assert.deepEqual(kernel.services(), []);
  });
});

it('weights fit the table of sh with their shares, and tell fo the order of the configuration', () => {
  assert.deepEqual(kernelWeights('sh', [10, 10, 20]), [1, 1, 2]);
  assert.deepEqual(kernelWeights('sh', [100, 99, 0]), [129, 127, 0]);
  assert.deepEqual(kernelWeights('sh', [256, 1]), [255, 1]);
  assert.deepEqual(kernelWeights('fo', [5, 9, 5, 0]), [3, 4, 2, 0]);
  assert.deepEqual(kernelWeights('fo', [5, 9]), [5, 9]);
  assert.deepEqual(kernelWeights('wlc', [10, 10]), [10, 10]);
});

it('close("remove") leaves ip_vs as it was before weir', async () => {
  const engine = make();
  const range = director({ name: 'range', ports: { first: 1, last: 9 } });
  await apply(engine, range, director({ sourceNat: { rule: 'r', addresses: null, ports: null } }));
  assert.deepEqual([sysctls.get('conntrack'), kernel.timeouts().udp, nftTable.includes('udp dport 1-9 meta mark set 0x77')], ['0', 120, true], 'conntrack is the word of service lvs, not the engine\'s');
  assert.deepEqual(diff(desired(range, director({ sourceNat: { rule: 'r', addresses: null, ports: null } })), await engine.observe()).steps, []);
  nftTable = nftTable.replace(/^.*udp dport.*\n/m, '');
  assert.match(diff(desired(range), await engine.observe()).steps.map((s) => s.text).join(), /add director range/, 'a rule that somebody took out is missed');
  await engine.close('remove');
  assert.deepEqual([kernel.services(), Object.fromEntries(sysctls), kernel.timeouts(), nftTable, saved], [[], { conntrack: '0', expire_nodest_conn: '0', expire_quiescent_template: '0' }, { tcp: 900, tcpFin: 120, udp: 300 }, '', EMPTY_RECORD]);
});
