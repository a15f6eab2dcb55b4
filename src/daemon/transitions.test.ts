/** Sequences of configurations under live sessions: 1.conf, 2.conf, 3.conf, as an operator would apply them one after the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness } from './harness.ts';

const HEAD = 'director web 10.0.0.3:8000 UDP\n';
const server = (n: number, words = ''): string => `    server web${n} 10.0.0.2${n}:8000 weight 10${words}\n`;

const SEQUENCES: readonly (readonly [name: string, steps: readonly (readonly [text: string, plan: readonly string[], moves: number])[]])[] = [
  [
    'a server is added, drained, removed and added again',
    [
      [HEAD + server(1), ['add director web 10.0.0.3:8000 udp: balance leastconn, mode nat, 1 server'], 0],
      [HEAD + server(1) + server(2), ['add server web/web2 10.0.0.22:8000: weight 10, state up'], 0],
      [HEAD + server(1, ' drain') + server(2), ['server web/web1 10.0.0.21:8000: state up -> drain'], 0],
      [HEAD + server(2), ['remove server web/web1 10.0.0.21:8000'], 4],
      [HEAD + server(1) + server(2), ['director web: server order', 'add server web/web1 10.0.0.21:8000: weight 10, state up'], 0],
    ],
  ],
  [
    'a director moves to another address and is deleted',
    [
      [HEAD + server(1), ['add director web 10.0.0.3:8000 udp: balance leastconn, mode nat, 1 server'], 0],
      [HEAD.replace('.3:', '.4:') + server(1), ['director web: address 10.0.0.3:8000 -> 10.0.0.4:8000'], 4],
      ['# nothing left\n', ['remove director web 10.0.0.4:8000 udp'], 4],
    ],
  ],
  [
    'zero servers, then one, then a sorry server',
    [
      [HEAD, ['add director web 10.0.0.3:8000 udp: balance leastconn, mode nat, 0 servers'], 0],
      [HEAD + server(1), ['add server web/web1 10.0.0.21:8000: weight 10, state up'], 0],
      [`${HEAD}${server(1)}    server sorry 10.0.0.99:8000 sorry\n`, ['add server web/sorry 10.0.0.99:8000: weight 1, state up, sorry'], 0],
    ],
  ],
];

for (const [name, steps] of SEQUENCES) {
  test(name, async () => {
    const { daemon, engine, clock } = await createHarness({ layer4: '' });
    for (const [text, plan, moves] of steps) {
      await daemon.edit({ layer4: text }, { who: 'alice' });
      const view = await daemon.plan();
      assert.deepEqual([view.steps.map((s) => s.text), view.moves], [plan, moves]);
      const applied = await daemon.apply({ who: 'alice' });
      assert.deepEqual([applied.steps, applied.moves], [view.steps, view.moves]);
      assert.deepEqual((await daemon.plan()).steps, [], 'after the apply there is nothing left to do');
      if ((await daemon.servers())[0]?.sessions === 0) engine.addSessions('web', 'web1', 4);
      // A reading may be a quarter of a second old.
      await clock.advance(300);
    }
    // Back to the start, one revision after the other.
    for (const { revision } of daemon.revisions().slice().reverse()) await daemon.rollback(revision, 'alice');
    assert.deepEqual(engine.current.directors, []);
    await daemon.stop();
  });
}
