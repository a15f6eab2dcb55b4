/** CodeMirror for the configuration language: colours, completion and hints from the grammar, issues from the parser. */
import { autocompletion, closeBrackets, completionKeymap, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyField, historyKeymap, indentWithTab, redo, redoDepth, undo, undoDepth } from '@codemirror/commands';
import { HighlightStyle, StreamLanguage, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState, type Extension, type Text } from '@codemirror/state';
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { DocumentName } from '../../src/client/types.ts';
import { SECTIONS } from '../../src/config/grammar.ts';
import type { Issue } from '../../src/config/issue.ts';
import { hintAt, meaningAt, offersAt, type Offer } from '../../src/web/completion.ts';

export interface Code {
  setText(text: string): void;
  showIssues(issues: readonly Issue[]): void;
  /** Puts the cursor at a place and shows it. */
  goTo(line: number, col: number): void;
  undo(): void;
  redo(): void;
  close(): void;
}

interface CodeOptions {
  readonly parent: HTMLElement;
  readonly document: DocumentName;
  readonly value: string;
  readonly readOnly: boolean;
  readonly label: string;
  /** Keeps cursor and undo while another tab is shown. */
  readonly keep: boolean;
  readonly onChange: (text: string) => void;
  /** What the keyword at the cursor means; null: there is none. */
  readonly onHint: (hint: Offer | null) => void;
}

/** States of editors that are not shown: undo survives a look at another tab. */
const kept = new Map<DocumentName, EditorState>();

export function createCode(options: CodeOptions): Code {
  const { parent, document: name, onChange } = options;
  let quiet = false;
  const listener = EditorView.updateListener.of((update) => {
    if (update.docChanged && !quiet) onChange(update.state.doc.toString());
    if (update.docChanged || update.selectionSet || update.focusChanged) options.onHint(hintAt(name, textBefore(update.state, update.state.selection.main.head), wordAfter(update.state)));
    parent.dataset['undo'] = String(undoDepth(update.state));
    parent.dataset['redo'] = String(redoDepth(update.state));
  });
  const extensions = [listener, ...language(name), ...surroundings(options)];
  const before = options.keep ? kept.get(name) : undefined;
  const state = before !== undefined && before.doc.toString() === options.value
    ? EditorState.fromJSON(before.toJSON(HISTORY), { extensions }, HISTORY)
    : EditorState.create({ doc: options.value, extensions });
  const view = new EditorView({ state, parent });

  return {
    setText(text) {
      const doc = view.state.doc.toString();
      if (doc === text) return;
      quiet = true;
      view.dispatch({ changes: smallestChange(doc, text) });
      quiet = false;
    },
    showIssues: (issues) => view.dispatch(setDiagnostics(view.state, issues.filter(({ at }) => at.file === `${name}.conf`).map((issue) => diagnosticOf(issue, view.state.doc)))),
    goTo(line, col) {
      const position = offsetOf(view.state.doc, line, col);
      view.dispatch({ selection: { anchor: position }, effects: EditorView.scrollIntoView(position, { y: 'center' }) });
      view.focus();
    },
    undo() {
      undo(view);
      view.focus();
    },
    redo() {
      redo(view);
      view.focus();
    },
    close() {
      if (options.keep) kept.set(name, view.state);
      view.destroy();
    },
  };
}

/** What of a state is kept beside the text and the cursor. */
const HISTORY = { history: historyField };

function surroundings({ readOnly, label }: CodeOptions): Extension[] {
  const nonce = document.querySelector<HTMLMetaElement>('meta[name="weir-nonce"]')?.content ?? '';
  return [
    EditorView.cspNonce.of(nonce),
    lineNumbers(), history(), drawSelection(), highlightActiveLine(), highlightActiveLineGutter(), lintGutter(), closeBrackets(),
    indentUnit.of('    '),
    EditorState.readOnly.of(readOnly),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0', spellcheck: 'false', autocorrect: 'off', autocapitalize: 'off' }),
    keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap, { key: 'Escape', run: leave }, indentWithTab]),
    THEME,
    syntaxHighlighting(COLOURS),
  ];
}

/** Tab indents, so that Escape gives the keyboard a way out of the editor. */
function leave(view: EditorView): boolean {
  view.contentDOM.blur();
  view.dom.closest<HTMLElement>('.panel')?.querySelector<HTMLElement>('button:not(:disabled)')?.focus();
  return true;
}

function language(name: DocumentName): Extension[] {
  return [
    LANGUAGE,
    autocompletion({ override: [(context) => complete(name, context)], icons: false }),
    hoverTooltip((view, position) => {
      const line = view.state.doc.lineAt(position);
      const start = line.from + (/\S*$/.exec(line.text.slice(0, position - line.from))?.index ?? 0);
      const word = /^\S+/.exec(line.text.slice(start - line.from))?.[0];
      const offer = word === undefined ? undefined : meaningAt(name, textBefore(view.state, start), word);
      if (offer === undefined) return null;
      return {
        pos: start, end: start + offer.word.length, above: true,
        create: () => {
          const dom = document.createElement('div');
          dom.className = 'hint-box';
          const head = document.createElement('code');
          head.textContent = `${offer.word} ${offer.value}`.trim();
          dom.append(head, document.createElement('br'), offer.meaning.replaceAll('`', ''));
          return { dom };
        },
      };
    }),
  ];
}

/** The text up to a place, from its section on: what came before does not change what may stand here, and may be long. */
function textBefore(state: EditorState, position: number): string {
  let { number } = state.doc.lineAt(position);
  while (number > 1 && /^(\s|#|$)/.test(state.doc.line(number).text)) number--;
  return state.sliceDoc(state.doc.line(number).from, position);
}

/** What of the word at the cursor is still to come. */
function wordAfter(state: EditorState): string {
  const { head } = state.selection.main;
  const line = state.doc.lineAt(head);
  return /^\S*/.exec(line.text.slice(head - line.from))?.[0] ?? '';
}

function complete(name: DocumentName, context: CompletionContext): CompletionResult | null {
  const { typed, offers } = offersAt(name, textBefore(context.state, context.pos));
  if (offers.length === 0 || (typed === 0 && !context.explicit)) return null;
  return { from: context.pos - typed, validFor: /^\S*$/, options: offers.map(({ word, value, meaning }) => ({ label: word, detail: value, info: meaning.replaceAll('`', '') })) };
}

const SECTION_WORDS: readonly string[] = SECTIONS.map(({ word }) => word);

const LANGUAGE = StreamLanguage.define<{ place: 'section' | 'name' | 'keyword' | 'rest' }>({
  startState: () => ({ place: 'section' }),
  token(stream, state) {
    if (stream.sol()) state.place = /\s/.test(stream.peek() ?? '') ? 'keyword' : 'section';
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return 'comment';
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return 'string';
    stream.match(/^\S+/);
    const word = stream.current();
    if (state.place === 'section') {
      state.place = 'name';
      return SECTION_WORDS.includes(word) ? 'keyword' : 'invalid';
    }
    if (state.place === 'name') {
      state.place = 'rest';
      return 'heading';
    }
    if (state.place === 'keyword') {
      state.place = word === 'server' ? 'name' : 'rest';
      return 'propertyName';
    }
    return /^[\d[]/.test(word) ? 'number' : /^[a-z][a-z-]*$/.test(word) ? 'atom' : null;
  },
});

const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--accent)', fontWeight: '700' },
  { tag: tags.heading, fontWeight: '700' },
  { tag: tags.propertyName, color: 'var(--accent)' },
  { tag: tags.number, color: 'var(--text)' },
  { tag: tags.atom, color: 'var(--good)' },
  { tag: tags.string, color: 'var(--warn)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--bad)' },
]);

const THEME = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'var(--surface)' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--text)', padding: '8px 0' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55', minHeight: 'inherit' },
  '.cm-gutters': { minHeight: 'inherit !important', backgroundColor: 'var(--sunken)', color: 'var(--muted)', borderRight: '1px solid var(--line)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--accent) 7%, transparent)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)', borderLeftWidth: '2px' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'color-mix(in srgb, var(--accent) 28%, transparent) !important' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--text)', border: '1px solid var(--line-strong)', borderRadius: '6px', boxShadow: 'var(--shadow-high)', maxWidth: 'min(480px, 90vw)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-completionDetail': { fontStyle: 'normal', opacity: '0.8' },
  '.cm-diagnostic': { padding: '6px 10px', borderLeftWidth: '3px', whiteSpace: 'pre-wrap' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--warn)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad) 1.5px', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn) 1.5px', textUnderlineOffset: '3px' },
  '.cm-lint-marker': { width: '1em', height: 'auto', textAlign: 'center', lineHeight: '1.55' },
  '.cm-lint-marker-error': { content: 'normal', color: 'var(--bad)', fontWeight: '700' },
  '.cm-lint-marker-error::before': { content: '"✕"' },
  '.cm-lint-marker-warning': { content: 'normal', color: 'var(--warn)' },
  '.cm-lint-marker-warning::before': { content: '"▲"' },
  '.hint-box': { padding: '6px 10px' },
});

function diagnosticOf({ at, severity, message, nearest, hint }: Issue, doc: Text): Diagnostic {
  const from = offsetOf(doc, at.line, at.col);
  const lines = [message, ...(nearest === undefined ? [] : [`Did you mean ${nearest}?`]), ...(hint === undefined ? [] : [hint])];
  return {
    from, to: Math.max(from, offsetOf(doc, at.line, at.endCol)), severity, message: lines.join('\n'),
    ...(nearest === undefined ? {} : { actions: [{ name: `Write ${nearest}`, apply: (view: EditorView, start: number, end: number) => view.dispatch({ changes: { from: start, to: end, insert: nearest } }) }] }),
  };
}

function offsetOf(doc: Text, line: number, col: number): number {
  const { from, length } = doc.line(Math.max(1, Math.min(line, doc.lines)));
  return from + Math.min(Math.max(0, col - 1), length);
}

/** The part that differs: cursor and undo stay where they are. */
function smallestChange(before: string, after: string): { from: number; to: number; insert: string } {
  let head = 0;
  const most = Math.min(before.length, after.length);
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  return { from: head, to: before.length - tail, insert: after.slice(head, after.length - tail) };
}
