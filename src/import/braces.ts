/** Files of words, quotes and braces (keepalived.conf, nginx.conf) as a tree with line numbers. */

export interface Node {
  readonly line: number;
  readonly words: readonly string[];
  /** Null: it has no block. */
  readonly children: readonly Node[] | null;
}

export interface BraceDialect {
  /** Characters that begin a comment, at the start of a word. */
  readonly comments: string;
  /** `;` ends a statement (nginx); else the end of the line does (keepalived). */
  readonly ends: ';' | 'line';
}

type Token = { readonly line: number } & ({ readonly kind: 'word'; readonly text: string } | { readonly kind: '{' | '}' | 'end' });

/** Deeper than any real file. */
const MAX_DEPTH = 32;

/** Returns the statements of a text. What is left open is closed at the end, a brace too many is passed over: `problems` tells where. */
export function parseBraces(text: string, dialect: BraceDialect): { readonly nodes: readonly Node[]; readonly problems: readonly { readonly line: number; readonly what: string }[] } {
  const problems: { line: number; what: string }[] = [];
  const root: Node[] = [];
  const stack: { readonly children: Node[]; readonly line: number }[] = [{ children: root, line: 1 }];
  let words: string[] = [];
  let from = 1;
  const top = (): Node[] => stack.at(-1)?.children ?? root;
  const flush = (): void => {
    if (words.length > 0) top().push({ line: from, words, children: null });
    words = [];
  };
  for (const token of tokens(text, dialect)) {
    switch (token.kind) {
      case 'word':
        if (words.length === 0) from = token.line;
        words.push(token.text);
        break;
      case 'end':
        flush();
        break;
      case '{': {
        // A brace on a line of its own belongs to what stands before it.
        const last = words.length === 0 && dialect.ends === 'line' ? top().at(-1) : undefined;
        const adopted = last?.children === null ? last : undefined;
        if (adopted) top().pop();
        const children: Node[] = [];
        top().push({ line: adopted?.line ?? (words.length === 0 ? token.line : from), words: adopted?.words ?? words, children });
        words = [];
        if (stack.length < MAX_DEPTH) stack.push({ children, line: token.line });
        else problems.push({ line: token.line, what: `blocks deeper than ${MAX_DEPTH}` });
        break;
      }
      case '}':
        flush();
        if (stack.length > 1) stack.pop();
        else problems.push({ line: token.line, what: 'a closing brace that nothing opened' });
        break;
      default:
        token satisfies never;
    }
  }
  flush();
  for (const open of stack.slice(1)) problems.push({ line: open.line, what: 'a block that is not closed' });
  return { nodes: root, problems };
}

/** Returns the last child that begins with one of the words: a later one counts. */
export function last(node: Node, ...words: readonly string[]): Node | undefined {
  return node.children?.findLast(({ words: [word = ''] }) => words.includes(word));
}

function* tokens(text: string, { comments, ends }: BraceDialect): Generator<Token> {
  let line = 1;
  let i = 0;
  while (i < text.length) {
    const character = text[i] ?? '';
    if (character === '\n') {
      if (ends === 'line') yield { line, kind: 'end' };
      line++;
      i++;
    } else if (/\s/.test(character)) {
      i++;
    } else if (comments.includes(character)) {
      while (i < text.length && text[i] !== '\n') i++;
    } else if (character === '{' || character === '}') {
      yield { line, kind: character };
      i++;
    } else if (character === ';' && ends === ';') {
      yield { line, kind: 'end' };
      i++;
    } else if (character === '"' || character === "'") {
      const end = text.indexOf(character, i + 1);
      const stop = end < 0 ? text.length : end;
      const inner = text.slice(i + 1, stop);
      yield { line, kind: 'word', text: inner };
      line += inner.split('\n').length - 1;
      i = stop + 1;
    } else {
      let end = i;
      // `${name}` is one word.
      let braces = 0;
      for (; end < text.length; end++) {
        const c = text[end] ?? '';
        if (c === '{' && text[end - 1] === '$') braces++;
        else if (c === '}' && braces > 0) braces--;
        else if (/\s/.test(c) || c === '{' || c === '}' || (c === ';' && ends === ';')) break;
      }
      yield { line, kind: 'word', text: text.slice(i, end) };
      i = end;
    }
  }
}
