/** The menu of a row: a button that opens a short list of acts, by pointer or by keys. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { More } from './icons.tsx';

export interface MenuItem {
  readonly label: string;
  readonly run: () => void;
  readonly danger?: boolean;
}

export function Menu({ label, items }: { readonly label: string; readonly items: readonly MenuItem[] }) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = (refocus: boolean): void => {
    setOpen(false);
    if (refocus) button.current?.focus();
  };
  return (
    <>
      <button ref={button} type="button" class="button quiet icon small" aria-label={label} title="More" aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined} onClick={() => setOpen(!open)}
        onKeyDown={(event) => { if (event.key === 'ArrowDown' && !open) { event.preventDefault(); setOpen(true); } }}><More /></button>
      {open && button.current !== null && <List id={id} label={label} items={items} at={button.current} onClose={close} />}
    </>
  );
}

function List({ id, label, items, at, onClose }: { readonly id: string; readonly label: string; readonly items: readonly MenuItem[]; readonly at: HTMLElement; readonly onClose: (refocus: boolean) => void }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = list.current;
    if (element === null) return undefined;
    // The row's box scrolls and clips: the list stands above the page, at the button, where there is room.
    element.showPopover();
    const place = at.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = element;
    element.style.left = `${Math.max(8, Math.min(place.right - offsetWidth, innerWidth - offsetWidth - 8))}px`;
    element.style.top = `${place.bottom + offsetHeight + 8 > innerHeight ? Math.max(8, place.top - offsetHeight - 4) : place.bottom + 4}px`;
    element.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
    const away = (event: Event): void => { if (event.target instanceof Node && !element.contains(event.target) && !at.contains(event.target)) onClose(false); };
    const scrolled = (): void => onClose(false);
    document.addEventListener('pointerdown', away);
    addEventListener('scroll', scrolled, { capture: true, passive: true });
    addEventListener('resize', scrolled);
    return () => {
      document.removeEventListener('pointerdown', away);
      removeEventListener('scroll', scrolled, { capture: true });
      removeEventListener('resize', scrolled);
    };
  }, []);
  const onKey = (event: KeyboardEvent): void => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
    const now = all.findIndex((item) => item === document.activeElement);
    const to = { ArrowDown: (now + 1) % all.length, ArrowUp: (now - 1 + all.length) % all.length, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      onClose(true);
    } else if (to !== undefined) {
      event.preventDefault();
      all[to]?.focus();
    }
  };
  return (
    <div ref={list} id={id} class="menu" role="menu" aria-label={label} popover="manual" onKeyDown={onKey}>
      {items.map((item) => <button key={item.label} type="button" role="menuitem" tabIndex={-1} class={item.danger === true ? 'danger' : ''} onClick={() => { onClose(true); item.run(); }}>{item.label}</button>)}
    </div>
  );
}
