/** Apply, first as a plan: what changes in what order, how many sessions move, and whether it goes back by itself. */
import { useState } from 'preact/hooks';
import { applyNow, busy, pending } from '../state/apply.ts';
import { status } from '../state/live.ts';
import { Dialog } from './dialog.tsx';
import { Diff } from './diff.tsx';
import { IssueList, Problem } from './problem.tsx';

const GUARDS = [['', 'stays'], ['30000', 'goes back after 30 s unless confirmed'], ['120000', 'goes back after 2 min unless confirmed'], ['600000', 'goes back after 10 min unless confirmed']] as const;

export function ApplyDialog() {
  const open = pending.value;
  return open === null ? null : <Plan />;
}

function Plan() {
  const [guard, setGuard] = useState('');
  const open = pending.value;
  if (open === null) return null;
  const { plan, refused, next } = open;
  const close = (): void => { pending.value = null; };
  const diff = status.value?.diff.editedToRunning ?? '';
  const errors = plan?.issues.filter(({ severity }) => severity === 'error') ?? [];
  const wrong = refused !== null || (plan !== null && (plan.unsupported.length > 0 || errors.length > 0));
  return (
    <Dialog title="Apply: what it will do" onClose={close} footer={<>
      <label class="visually-hidden" for="apply-guard">After the apply</label>
      <select id="apply-guard" class="input guard" value={guard} onChange={(event) => setGuard(event.currentTarget.value)}>{GUARDS.map(([value, label]) => <option key={value} value={value}>It {label}</option>)}</select>
      <span class="grow" />
      <button type="button" class="button" onClick={close}>Cancel</button>
      <button type="button" class="button primary" disabled={wrong || busy.value} onClick={() => void applyNow(guard === '' ? null : Number(guard))}>{next === null ? 'Apply now' : next.label}</button>
    </>}>
      {refused !== null && <Problem error={refused} />}
      {refused?.issues !== undefined && refused.issues.length > 0 && <IssueList issues={refused.issues} />}
      {plan !== null && <>
        {errors.length > 0 ? <p><strong>It cannot be applied: {errors.length === 1 ? 'the text has an error' : `the text has ${errors.length} errors`}.</strong> What runs goes on as it is.</p> : <p>{movesText(plan.moves)} {plan.steps.length === 0 ? 'Nothing changes in the data plane.' : `${plan.steps.length} ${plan.steps.length === 1 ? 'step' : 'steps'}, all or none:`}</p>}
        {plan.unsupported.length > 0 && <div class="problem" role="alert"><strong>The engine cannot do all of it:</strong><ul>{plan.unsupported.map((text) => <li key={text}>{text}</li>)}</ul></div>}
        {plan.steps.length > 0 && <ol class="steps" tabIndex={0} aria-label="Steps of the plan">{plan.steps.map(({ op, text }, i) => <li key={i}><span class="op">{op}</span><span>{text}</span></li>)}</ol>}
        {plan.issues.length > 0 && <IssueList issues={[...errors, ...plan.issues.filter((issue) => !errors.includes(issue))]} />}
        {diff !== '' && <details><summary>Difference of the texts, running to edited</summary><Diff text={diff} label="Difference from running to edited" /></details>}
      </>}
    </Dialog>
  );
}

function movesText(moves: number): string {
  return moves === 0 ? 'No live session moves.' : `${moves} live ${moves === 1 ? 'session moves' : 'sessions move'} to another server.`;
}
