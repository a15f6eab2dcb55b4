/** A unified diff as coloured lines; the signs stay, so that colour is never alone. */
export function Diff({ text, label }: { readonly text: string; readonly label: string }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    <div class="diff" role="region" aria-label={label} tabIndex={0}>
      <div>{lines.map((line, i) => <span key={i} class={kindOf(line)}>{line}</span>)}</div>
    </div>
  );
}

function kindOf(line: string): string {
  if (line.startsWith('+++') || line.startsWith('---')) return 'file';
  if (line.startsWith('@@')) return 'at';
  return line.startsWith('+') ? 'plus' : line.startsWith('-') ? 'minus' : '';
}
