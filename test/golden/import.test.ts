/**
 * Golden cases of the importers: each file of test/golden/import is named after what it is (`keepalived-…`), and holds the file imported, a line
 * `----------`, the configuration, another such line, and the report. WEIR_UPDATE=1 rewrites what comes after the input.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from '../../src/config/parse.ts';
import { reportText, type Imported } from '../../src/import/draft.ts';
import { IMPORT_KINDS, IMPORTERS, type ImportKind } from '../../src/import/importers.ts';

const FOLDER = join(import.meta.dirname, '../../../test/golden/import');
const RULER = '----------\n';

function refuseErrors({ layer4, services }: Imported): void {
  const { config, issues } = parseConfig([{ file: 'layer4.conf', document: 'layer4', text: layer4 }, { file: 'services.conf', document: 'services', text: services }]);
  assert.deepEqual(issues.filter(({ severity }) => severity === 'error').map(({ message }) => message), []);
  assert.notEqual(config, null);
}

const cases = readdirSync(FOLDER).filter((file) => file.endsWith('.txt')).toSorted().map((name) => {
  const kind = IMPORT_KINDS.find((known) => name.startsWith(`${known}-`)) ?? assert.fail(`${name}: begin the name with ${IMPORT_KINDS.join(', ')}`);
  const text = readFileSync(join(FOLDER, name), 'utf8');
  const ruler = text.indexOf(`\n${RULER}`);
  return { name, kind, input: ruler < 0 ? text : text.slice(0, ruler + 1), output: ruler < 0 ? '' : text.slice(ruler + 1 + RULER.length) };
});

describe('imported', () => {
  for (const { name, kind, input, output } of cases) {
    it(name.replace('.txt', '').replaceAll('-', ' '), () => {
      const imported = IMPORTERS[kind](input);
      refuseErrors(imported);
      const text = `${imported.layer4}${imported.services}${RULER}${reportText(imported.notes, 'FILE')}`;
      if (process.env['WEIR_UPDATE'] === '1') writeFileSync(join(FOLDER, name), `${input}${RULER}${text}`);
      else assert.equal(text, output);
    });
  }

  it('has no errors and never throws, whatever is left of a file', () => {
    const piece = fc.constantFrom('virtual_server ', 'real_server ', '192.0.2.1', ' 53', '{', '}', '\n', ' ', 'UDP_CHECK {', 'payload ab1', 'virtual=192.0.2.1:53\n', '\treal=', '198.51.100.2:53 masq', '-A -u ', '-a -u 192.0.2.1:53 -r ', 'stream {', 'upstream a {', 'server ', 'listen 53 udp;', 'proxy_pass a;', ';', '"', "'", '#', '!', '$A=b', '${A}', '[::1]', 'weight 70000', '0', '-', 'lb_kind DR', 'session');
    const broken = fc.oneof(
      fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
      // A real file with a piece cut out, doubled, or replaced.
      fc.tuple(fc.constantFrom(...cases.map(({ input }) => input)), fc.nat(), fc.nat({ max: 60 }), piece).map(([text, at, length, other]) => {
        const from = text.length === 0 ? 0 : at % text.length;
        return `${text.slice(0, from)}${other}${text.slice(from + length)}`;
      }),
    );
    fc.assert(fc.property(fc.constantFrom<ImportKind>(...IMPORT_KINDS), broken, (kind, text) => refuseErrors(IMPORTERS[kind](text))), { seed: 3, numRuns: 1500 });
  });
});
