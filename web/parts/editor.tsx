/** The text editor of a document. The editor itself is loaded when the first one is shown; its place is kept from the start. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { DocumentName } from '../../src/client/types.ts';
import type { Issue } from '../../src/config/issue.ts';
import type { Offer } from '../../src/web/completion.ts';
import type { Code } from './code.ts';

export function Editor({ document: name, value, current, onChange, issues, readOnly = false, label, short = false, onReady }: {
  readonly document: DocumentName;
  readonly value: string;
  /** The text as it is at this instant: `value` is a render old, and what was typed since must not be put back. */
  readonly current: () => string;
  readonly onChange: (text: string) => void;
  readonly issues: readonly Issue[];
  readonly readOnly?: boolean;
  readonly label: string;
  readonly short?: boolean;
  readonly onReady?: (code: Code | null) => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const code = useRef<Code | null>(null);
  const change = useRef(onChange);
  change.current = onChange;
  const [failed, setFailed] = useState(false);
  const [hint, setHint] = useState<Offer | null>(null);

  useEffect(() => {
    let gone = false;
    import('./code.ts').then(({ createCode }) => {
      if (gone || place.current === null) return;
      code.current = createCode({ parent: place.current, document: name, value: current(), readOnly, label, keep: !short, onChange: (text) => change.current(text), onHint: setHint });
      code.current.showIssues(issues);
      onReady?.(code.current);
    }).catch(() => setFailed(true));
    return () => {
      gone = true;
      code.current?.close();
      code.current = null;
      onReady?.(null);
    };
  }, [name, readOnly]);
  useEffect(() => code.current?.setText(current()), [value]);
  useEffect(() => code.current?.showIssues(issues), [issues]);

  if (failed) return <div class="problem">The editor could not be loaded: load the page again.</div>;
  return <>
    <div ref={place} class={short ? 'editor short' : 'editor'} />
    <p class="editor-hint">{hint === null ? <span class="muted">{readOnly ? 'A viewer may read this text, not change it.' : 'Ctrl Space completes, Tab indents, Escape leaves the text.'}</span> : <><code>{hint.word}{hint.value === '' ? '' : ` ${hint.value}`}</code> {hint.meaning.replaceAll('`', '')}</>}</p>
  </>;
}
