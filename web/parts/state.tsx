/** A state as a word, a shape and a colour: any one of them is enough to tell it. */
type Tone = 'good' | 'warn' | 'bad' | 'idle';

const TONES: Readonly<Record<string, Tone>> = {
  up: 'good', running: 'good', degraded: 'warn', drain: 'warn', sorry: 'warn', warning: 'warn', down: 'bad', failed: 'bad', error: 'bad', unknown: 'idle', disabled: 'idle', stopped: 'idle',
};

export function State({ word, title }: { readonly word: string; readonly title?: string }) {
  const tone = TONES[word] ?? 'idle';
  return <span class={`state ${tone}`} title={title}><Shape tone={tone} word={word} />{word}</span>;
}

/** Disc: fine. Half disc or triangle: look at it. Square with a cross: broken. Ring: not taking part. */
function Shape({ tone, word }: { readonly tone: Tone; readonly word: string }) {
  return (
    <svg viewBox="0 0 12 12" aria-hidden="true">
      {tone === 'good' && <circle cx="6" cy="6" r="4.5" fill="currentColor" />}
      {tone === 'warn' && (word === 'drain'
        ? <><circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.6" /><path d="M6 2a4 4 0 010 8z" fill="currentColor" /></>
        : <path d="M6 1.2l5.2 9.3H.8z" fill="currentColor" />)}
      {tone === 'bad' && <><rect x="1" y="1" width="10" height="10" rx="1.5" fill="currentColor" /><path d="M4 4l4 4M8 4l-4 4" stroke="var(--surface)" stroke-width="1.5" /></>}
      {tone === 'idle' && <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.6" />}
    </svg>
  );
}
