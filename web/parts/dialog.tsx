/** A modal dialog: the browser's own, so that focus, Escape and what lies behind are right. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Close } from './icons.tsx';

export function Dialog({ title, size = '', onClose, children, footer }: {
  readonly title: string;
  readonly size?: '' | 'narrow' | 'wide';
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly footer: ComponentChildren;
}) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => { if (before instanceof HTMLElement && before.isConnected) before.focus(); };
  }, []);
  return (
    <dialog ref={element} class={size} aria-labelledby={id} onCancel={(event) => { event.preventDefault(); onClose(); }}>
      <header><h2 id={id} class="grow">{title}</h2><button type="button" class="button quiet icon small" aria-label="Close" onClick={onClose}><Close /></button></header>
      <div class="body">{children}</div>
      <footer>{footer}</footer>
    </dialog>
  );
}
