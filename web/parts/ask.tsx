/** Asking before what cannot be undone: what will happen, and for the large things its name typed. */
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { Dialog } from './dialog.tsx';
import { Field } from './field.tsx';

interface Question {
  readonly title: string;
  readonly text: string;
  readonly button: string;
  /** To be typed before the button works. */
  readonly typed?: string;
  readonly run: () => Promise<void> | void;
}

const question = signal<Question | null>(null);

/** Opens the question; `run` is called on yes. */
export function ask(what: Question): void {
  question.value = what;
}

export function AskDialog() {
  const open = question.value;
  return open === null ? null : <Ask key={open.title} {...open} />;
}

function Ask({ title, text, button, typed, run }: Question) {
  const [given, setGiven] = useState('');
  const close = (): void => { question.value = null; };
  return (
    <Dialog title={title} size="narrow" onClose={close} footer={<>
      <button type="button" class="button" onClick={close}>Cancel</button>
      <button type="button" class="button danger" disabled={typed !== undefined && given.trim() !== typed} onClick={() => { close(); void run(); }}>{button}</button>
    </>}>
      <p>{text}</p>
      {typed !== undefined && <Field label={`Type ${typed} to go on`}><input class="input mono" value={given} onInput={(event) => setGiven(event.currentTarget.value)} autocomplete="off" spellcheck={false} /></Field>}
    </Dialog>
  );
}
