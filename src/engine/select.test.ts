import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, Unsupported, type EngineName, type Probe } from './engine.ts';
import { createFakeEngine, type FakeEngine } from './fake.ts';
import { selectEngine, type EngineCandidate } from './select.ts';

const no = (what: string, cure = `cure of ${what}`): Probe => ({ ok: false, refusals: [{ what, cure }] });
const yes: Probe = { ok: true, notes: [] };

function world(probes: Readonly<Record<string, Probe | Error>>): { candidates: EngineCandidate[]; made: Map<string, FakeEngine> } {
  const made = new Map<string, FakeEngine>();
  const candidates = Object.entries(probes).map(([label, probe]): EngineCandidate => {
    const [name = '', variant = null] = label.split(' ');
    return {
      name: name as EngineName,
      variant,
      async create() {
        if (probe instanceof Error) throw probe;
        const engine = createFakeEngine({ name: name as EngineName, probe });
        made.set(label, engine);
        return engine;
      },
    };
  });
  return { candidates, made };
}

const onEvent = (): void => undefined;

test('auto takes the first that really works, in the order of the design, and says why not the others', async () => {
  const { candidates, made } = world({ userspace: yes, 'xdp generic': yes, lvs: no('no ip_vs in this kernel'), 'xdp native': new EngineError('no permission', { cure: 'run as root' }) });
  const choice = await selectEngine({ wanted: 'auto', candidates, onEvent });
  assert.equal(choice.engine, made.get('xdp generic'));
  assert.equal(choice.why, 'auto took xdp generic; not xdp native: no permission; not lvs: no ip_vs in this kernel');
  assert.deepEqual(choice.refusals.map((r) => [r.candidate, r.cure]), [['xdp native', 'run as root'], ['lvs', 'cure of no ip_vs in this kernel']]);
  assert.equal(made.get('lvs')?.closed, 'leave');
  assert.equal(made.has('userspace'), false);
});

test('a named engine that cannot run is refused with its cure, never replaced', async () => {
  const { candidates } = world({ userspace: yes, lvs: no('no ip_vs', 'modprobe ip_vs') });
  await assert.rejects(selectEngine({ wanted: 'lvs', candidates, onEvent }), (e: unknown) => e instanceof EngineError && e.cure === 'modprobe ip_vs' && /engine lvs cannot run here: lvs: no ip_vs/.test(e.message));
});

test('xdp by name tries native before generic', async () => {
  const { candidates, made } = world({ 'xdp generic': yes, 'xdp native': no('veth without a peer program') });
  const choice = await selectEngine({ wanted: 'xdp', candidates, onEvent });
  assert.equal(choice.engine, made.get('xdp generic'));
});

test('an engine that is not built names those that are', async () => {
  const { candidates } = world({ userspace: yes });
  await assert.rejects(selectEngine({ wanted: 'xdp', candidates, onEvent }), (e: unknown) => e instanceof EngineError && e.cure === 'choose one of: auto, userspace');
});

test('when nothing works every reason and every cure is told', async () => {
  const { candidates } = world({ userspace: no('no sockets'), lvs: no('no ip_vs') });
  await assert.rejects(selectEngine({ wanted: 'auto', candidates, onEvent }), (e: unknown) => e instanceof EngineError && e.message === 'no engine can run here: lvs: no ip_vs; userspace: no sockets' && e.cure.includes('; '));
});

test('auto passes over an engine that cannot do all of the configuration, and takes the last one whatever it cannot do', async () => {
  const { candidates, made } = world({ userspace: yes, lvs: yes });
  const cannot = candidates.map((candidate): EngineCandidate => ({
    ...candidate,
    async create(event) {
      const engine = await candidate.create(event);
      return Object.assign(engine, { unsupported: () => [new Unsupported(candidate.name, 'session request-reply', 'dns')] });
    },
  }));
  const context = { desired: { directors: [] }, conntrack: false };
  const choice = await selectEngine({ wanted: 'auto', candidates: cannot, onEvent, context });
  assert.equal(choice.engine, made.get('userspace'));
  assert.equal(choice.why, 'auto took userspace; not lvs: engine lvs cannot do session request-reply (director dns)');
  assert.equal(made.get('lvs')?.closed, 'leave');
  const named = await selectEngine({ wanted: 'lvs', candidates: cannot, onEvent, context });
  assert.equal(named.engine, made.get('lvs'));
});

test('auto passes over a candidate that does not want such a configuration, without making it; by name it is made', async () => {
  const { candidates, made } = world({ userspace: yes, lvs: yes });
  const shy = candidates.map((candidate): EngineCandidate => ({ ...candidate, notForAuto: ({ conntrack }) => (candidate.name === 'lvs' && !conntrack ? 'no way back' : null) }));
  const at = (conntrack: boolean) => ({ desired: { directors: [] }, conntrack });
  assert.equal((await selectEngine({ wanted: 'auto', candidates: shy, onEvent, context: at(false) })).why, 'auto took userspace; not lvs: no way back');
  assert.equal(made.has('lvs'), false);
  assert.equal((await selectEngine({ wanted: 'auto', candidates: shy, onEvent, context: at(true) })).why, 'auto took lvs');
  assert.equal((await selectEngine({ wanted: 'lvs', candidates: shy, onEvent, context: at(false) })).why, 'lvs, as configured');
});
