/** The NAT rules as text. */
import { useRef } from 'preact/hooks';
import type { Code } from '../parts/code.ts';
import { Editor } from '../parts/editor.tsx';
import { IssueList } from '../parts/problem.tsx';
import { isAdmin } from '../state/api.ts';
import { acceptDraft, dirty, drafts, issues, revertDraft, setDraft } from '../state/documents.ts';
import { summary } from './layer4.tsx';

export function NatText() {
  const code = useRef<Code | null>(null);
  const mine = issues.value.filter(({ at }) => at.file === 'nat.conf');
  const errors = mine.filter(({ severity }) => severity === 'error').length;
  const changed = dirty.value.includes('nat');
  const admin = isAdmin();
  return (
    <section class="panel" aria-label="NAT rules as text">
      <header><h2 class="mono">nat.conf</h2><span class="muted grow">{summary(errors, mine.length - errors)}</span>
        {admin && <div class="actions">
          <button type="button" class="button" disabled={!changed} onClick={() => revertDraft('nat')}>Revert</button>
          <button type="button" class="button" disabled={!changed} onClick={() => void acceptDraft('nat')}>OK</button>
        </div>}
      </header>
      <Editor document="nat" label="nat.conf, the NAT rules" value={drafts.value.nat} current={() => drafts.peek().nat} issues={issues.value} readOnly={!admin} onChange={(text) => setDraft('nat', text)} onReady={(ready) => { code.current = ready; }} />
      {mine.length > 0 && <IssueList issues={mine} onGo={({ at }) => code.current?.goTo(at.line, at.col)} />}
    </section>
  );
}
