import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findDaemon, stateDirectories } from './connection.ts';
import { CliError } from './failure.ts';
import { typedOptions } from './options.ts';

const HERE = JSON.stringify({ url: 'http://127.0.0.1:8440', pid: 10 });

/** Finds with these options, environment and files; processes 10 and 11 live. */
function find(values: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>, files: Readonly<Record<string, string | Error>>, clone?: string) {
  return findDaemon({
    options: typedOptions(values),
    env,
    clone,
    alive: (pid) => pid === 10 || pid === 11,
    files: {
      async read(path) {
        const found = files[path];
        if (found instanceof Error) throw found;
        if (found === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
        return new TextEncoder().encode(found);
      },
      async write() {},
      async kind() { return 'none'; },
    },
  });
}

test('the state directory is --state, WEIR_STATE, XDG, home; and the clone is looked at last', () => {
  const env = { HOME: '/home/o', XDG_STATE_HOME: '/xdg', WEIR_STATE: '/env' };
  assert.deepEqual(stateDirectories({ state: '/opt', env, clone: '/clone' }), ['/opt']);
  assert.deepEqual(stateDirectories({ state: undefined, env, clone: '/clone' }), ['/env']);
  assert.deepEqual(stateDirectories({ state: undefined, env: { ...env, WEIR_STATE: '' }, clone: '/clone' }), ['/xdg/weir', '/clone/state']);
  assert.deepEqual(stateDirectories({ state: undefined, env: { HOME: '/home/o' } }), ['/home/o/.local/state/weir']);
});

test('the running daemon is found by its api.json, with its token', async () => {
  assert.deepEqual(await find({ state: '/s' }, {}, { '/s/api.json': HERE, '/s/cli.token': 'secret\n' }), { baseUrl: 'http://127.0.0.1:8440', token: 'secret' });
});

test('a daemon that has died is passed over for one that lives', async () => {
  const dead = JSON.stringify({ url: 'http://127.0.0.1:1', pid: 99 });
  const found = await find({}, { HOME: '/h' }, { '/h/.local/state/weir/api.json': dead, '/clone/state/api.json': HERE, '/clone/state/cli.token': 'c' }, '/clone');
  assert.deepEqual(found, { baseUrl: 'http://127.0.0.1:8440', token: 'c' });
});

test('without a running daemon the failure names the places and the cure', async () => {
  await assert.rejects(find({}, { HOME: '/h' }, {}, '/clone'), (error) => {
    assert.ok(error instanceof CliError);
    assert.deepEqual([error.exit, /\/h\/\.local\/state\/weir\/api\.json and \/clone\/state\/api\.json/.test(error.message), /weir run/.test(error.cure ?? '')], ['unreachable', true, true]);
    return true;
  });
});

test('another address never gets the token of the state directory', async () => {
  const files = { '/s/api.json': HERE, '/s/cli.token': 'secret' };
  assert.deepEqual(await find({ state: '/s', api: 'https://lb.example:8440' }, {}, files), { baseUrl: 'https://lb.example:8440', token: undefined });
  assert.deepEqual(await find({ state: '/s', api: '127.0.0.1:8440/' }, {}, files), { baseUrl: 'http://127.0.0.1:8440', token: 'secret' });
  assert.deepEqual(await find({ state: '/s' }, { WEIR_API: 'http://127.0.0.1:9' }, files), { baseUrl: 'http://127.0.0.1:9', token: undefined });
});

test('--token-file beats WEIR_TOKEN beats cli.token', async () => {
  const files = { '/s/api.json': HERE, '/s/cli.token': 'own', '/t': ' given \n' };
  assert.equal((await find({ state: '/s' }, { WEIR_TOKEN: 'env' }, files)).token, 'env');
  assert.equal((await find({ state: '/s', tokenFile: '/t' }, { WEIR_TOKEN: 'env' }, files)).token, 'given');
});

test('a token that may not be read is "not allowed", with the cure', async () => {
  const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  await assert.rejects(find({ state: '/s' }, {}, { '/s/api.json': HERE, '/s/cli.token': denied }), { exit: 'notAllowed' });
  await assert.rejects(find({ state: '/s' }, {}, { '/s/api.json': 'not json' }), { exit: 'unreachable' });
  await assert.rejects(find({ state: '/s', api: 'ftp://x' }, {}, {}), { exit: 'usage' });
  await assert.rejects(find({ state: '/s', tokenFile: '/none' }, {}, { '/s/api.json': HERE }), { exit: 'failed' });
});
