/** A form control with its label and a note; the note describes the control and is no part of its name. */
import { cloneElement, type VNode } from 'preact';
import { useId } from 'preact/hooks';

export function Field({ label, note, children }: { readonly label: string; readonly note?: string | undefined; readonly children: VNode<{ id?: string; 'aria-describedby'?: string }> }) {
  const id = useId();
  const noteId = `${id}-note`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {cloneElement(children, { id, ...(note === undefined ? {} : { 'aria-describedby': noteId }) })}
      {note !== undefined && <small id={noteId}>{note}</small>}
    </div>
  );
}

/** Returns what is written in a named control of a form. */
export function textIn(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  return typeof value === 'string' ? value : '';
}
