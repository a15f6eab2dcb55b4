import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { joinDocuments, splitDocuments } from './documents.ts';
import { formatDocument } from './format.ts';
import { parseConfig } from './parse.ts';
import { validText } from './text.arbitrary.ts';

const FIXED = { seed: 11, numRuns: 400 };

/** The meaning of a text: its configuration without places. */
function meaning(text: string): string {
  return JSON.stringify(parseConfig([{ file: 'f', document: 'any', text }]).config, (key, value: unknown) => (key === 'at' ? undefined : value));
}

describe('formatDocument', () => {
  it('indents, spaces and lines up comments, and keeps everything else', () => {
    const { text } = formatDocument('# head\r\n\r\ndirector   web\t10.0.0.3:8000 UDP # the page\n balance leastconn#not\n', 'f');
    assert.ok(text.includes('leastconn#not'), 'a text with errors is returned as it was');
    const tidy = formatDocument('# head\r\n\r\ndirector   web\t10.0.0.3:8000 UDP # the page\n balance   leastconn\t# why\n\t# inside\n# before nat\nnat x\n  after source masquerade');
    assert.deepEqual(tidy.issues, []);
    assert.equal(
      tidy.text,
      '# head\n\ndirector web 10.0.0.3:8000 UDP  # the page\n    balance leastconn           # why\n    # inside\n# before nat\nnat x\n    after source masquerade\n',
    );
  });
  it('returns a text with errors unchanged, with the errors', () => {
    const text = 'director  a 10.0.0.1:53\n balence x\n';
    const formatted = formatDocument(text);
    assert.equal(formatted.text, text);
    assert.deepEqual(formatted.issues.map(({ code }) => code), ['unknown-keyword']);
  });
  it('keeps the meaning, and changes nothing the second time', () => {
    fc.assert(
      fc.property(validText, (text) => {
        const once = formatDocument(text);
        assert.deepEqual(once.issues, []);
        assert.equal(meaning(once.text), meaning(text));
        assert.equal(formatDocument(once.text).text, once.text);
      }),
      FIXED,
    );
  });
  it('keeps every comment and every blank line', () => {
    fc.assert(
      fc.property(validText, (text) => {
        const marks = (t: string): string[] => t.split('\n').map((line) => (line.trim() === '' ? '' : (/#.*/.exec(line.replace(/"[^"]*"|~\/.*\/i/g, ''))?.[0].trimEnd() ?? '-')));
        assert.deepEqual(marks(formatDocument(text).text), marks(text));
      }),
      FIXED,
    );
  });
  it('does not line comments up behind a line that is very long', () => {
    const { text } = formatDocument(`service network eth0\n  ${'x '.repeat(1000)}# a\n  y # b\n`);
    assert.match(text, /\n {4}y {2}# b\n/);
  });
});

describe('splitDocuments and joinDocuments', () => {
  it('put each section with the comments above it into its document', () => {
    const text = '# about web\ndirector web 10.0.0.3:8000\n  # inside\n\n# about nat\n\nnat x\n  after source masquerade\n# about lvs\nservice lvs\n  conntrack\n# end\n';
    assert.deepEqual(splitDocuments(text), {
      layer4: '# about web\ndirector web 10.0.0.3:8000\n  # inside\n',
      nat: '\n# about nat\n\nnat x\n  after source masquerade\n',
      services: '# about lvs\nservice lvs\n  conntrack\n# end\n',
    });
    assert.equal(joinDocuments(splitDocuments(text)), text);
  });
  it('bring back documents of comments only, with marks', () => {
    const documents = { layer4: '# none yet\n', nat: '# no rules\n', services: 'service lvs\n' };
    assert.deepEqual(splitDocuments(joinDocuments(documents)), documents);
    assert.match(joinDocuments(documents), /^#weir: nat\.conf$/m);
  });
  it('lose nothing of any text, and join(split) splits again into the same', () => {
    fc.assert(
      fc.property(validText, (text) => {
        const parts = splitDocuments(text);
        assert.deepEqual((parts.layer4 + parts.nat + parts.services).split('\n').toSorted(), text.split('\n').toSorted());
        assert.deepEqual(splitDocuments(joinDocuments(parts)), parts);
        assert.equal(meaning(joinDocuments(parts)), meaning(text));
      }),
      FIXED,
    );
  });
});
