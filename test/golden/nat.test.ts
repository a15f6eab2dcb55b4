/**
 * Golden NAT tables: each file of test/golden/nat holds a configuration, a line `----------`, and the script nft is given for it where the
 * kernel balances (lvs); then, after `---------- userspace`, where the engine changes the source itself, and what that cannot do.
 * WEIR_UPDATE=1 rewrites what comes after the input.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/config/parse.ts';
import { compileRules } from '../../src/nat/compile.ts';
import { ABSENT } from '../../src/nat/listing.ts';
import { planNat } from '../../src/nat/plan.ts';
import { natLimits } from '../../src/plan/nat-limits.ts';

const FOLDER = join(import.meta.dirname, '../../../test/golden/nat');
const RULER = '----------\n';

describe('golden NAT tables', () => {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.txt')).toSorted()) {
    it(name.replace('.txt', '').replaceAll('-', ' '), () => {
      const path = join(FOLDER, name);
      const file = readFileSync(path, 'utf8');
      const ruler = file.indexOf(`\n${RULER}`);
      const input = ruler < 0 ? file : file.slice(0, ruler + 1);
      const { config, issues } = parseConfig([{ file: 'weir.conf', document: 'any', text: input }]);
      assert.ok(config, JSON.stringify(issues));
      const script = (balanced: 'table' | 'engine'): string => planNat(compileRules({ rules: config.natRules, directors: config.directors, balanced }), ABSENT).script ?? 'no table\n';
      const limits = natLimits(config).map(({ rule, director, what }) => `refused: ${what} (NAT rule ${rule}, director ${director})\n`).join('');
      const output = `${script('table')}---------- userspace\n${script('engine')}${limits}`;
      if (process.env['WEIR_UPDATE'] === '1') writeFileSync(path, `${input}${RULER}${output}`);
      else assert.equal(output, file.slice(ruler + 1 + RULER.length));
    });
  }
});
