import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const SOURCE = join(import.meta.dirname, '../../../src');

describe('config and net run in a browser', () => {
  for (const folder of ['config', 'net']) {
    it(`src/${folder} imports only net, balance and itself, and names nothing of Node`, () => {
      for (const name of readdirSync(join(SOURCE, folder)).filter((file) => /^[\w-]+\.ts$/.test(file))) {
        const text = readFileSync(join(SOURCE, folder, name), 'utf8');
        const imports = [...text.matchAll(/^(?:import|export)[^;]*? from '([^']+)'/gm)].map((match) => match[1] ?? '');
        for (const from of imports) assert.match(from, folder === 'net' ? /^\.\/[\w-]+\.ts$/ : /^\.\/[\w-]+\.ts$|^\.\.\/(net|balance)\/[\w-]+\.ts$/, `${name} imports ${from}`);
        assert.doesNotMatch(text, /\b(Buffer|process|require|setImmediate|__dirname)\b[.([]/, name);
      }
    });
  }
});
