/** Server-sent events read from a byte stream (WHATWG HTML 9.2.6), as the messages of weir. */
import type { EventView, SampleView, StreamMessage } from './types.ts';

/** The daemon sends a comment each 15 s; nothing for three of them means the connection is dead. */
export const SILENCE_MS = 45_000;
/** More than this without the end of a message is not our daemon. */
const MAX_MESSAGE_CHARS = 32 * 1024 * 1024;

/** Reads until the stream ends or `signal` aborts. Throws on silence, an oversize message or data that is not JSON. */
export async function readStream(body: ReadableStream<Uint8Array>, onMessage: (message: StreamMessage) => void, signal: AbortSignal, silenceMs: number = SILENCE_MS): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = createParser(onMessage);
  const stop = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const { done, value } = await withLimit(reader.read(), silenceMs);
      if (done || signal.aborted) return;
      parser(decoder.decode(value, { stream: true }));
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Returns a function that takes text in any pieces and calls back once per whole message. Unknown event types are passed over. */
export function createParser(onMessage: (message: StreamMessage) => void): (piece: string) => void {
  let rest = '';
  let type = '';
  let data: string[] = [];
  let size = 0;

  const line = (text: string): void => {
    if (text === '') {
      const whole = data.join('\n');
      const had = data.length > 0;
      const kind = type;
      [type, data, size] = ['', [], 0];
      if (had && kind === 'event') onMessage({ type: 'event', event: JSON.parse(whole) as EventView });
      else if (had && kind === 'sample') onMessage({ type: 'sample', sample: JSON.parse(whole) as SampleView });
      return;
    }
    const colon = text.indexOf(':');
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') type = value;
    else if (field === 'data') {
      data.push(value);
      size += value.length;
    }
  };

  /** `rest` holds no end of line before this. */
  let scanned = 0;
  return (piece) => {
    rest += piece;
    // A \r at the very end waits: the \n that belongs to it may come with the next piece.
    const endOfLine = /\r\n|\n|\r(?!$)/g;
    endOfLine.lastIndex = scanned;
    let from = 0;
    for (let match = endOfLine.exec(rest); match !== null; match = endOfLine.exec(rest)) {
      line(rest.slice(from, match.index));
      from = endOfLine.lastIndex;
    }
    rest = rest.slice(from);
    scanned = rest.endsWith('\r') ? rest.length - 1 : rest.length;
    if (rest.length + size > MAX_MESSAGE_CHARS) throw new Error(`a message is longer than ${MAX_MESSAGE_CHARS} characters`);
  };
}

async function withLimit<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
