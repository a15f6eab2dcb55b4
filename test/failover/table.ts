/** The failover table as text: a line a cell, as `npm run bench -- failover` prints it and docs/reference/failover.md shows it. */
import type { Row } from './run.ts';

/** Returns the table of one engine as Markdown; ends with a newline. */
export function failoverTable(rows: readonly Row[]): string {
  const lines = rows.map(({ cell, fate, refused, outcome, bound, fault }) => {
    const cells = outcome === null || bound === null
      ? [`refused: ${refused}`, '', '', '', '']
      : [fate ?? '', String(outcome.lost), fate === 'dropped' ? '—' : `${outcome.gapMs} ms`, fate === 'dropped' ? 'all' : `${bound.lost}, ${bound.gapMs} ms`, fault ?? 'held'];
    return `| ${[cell.event, cell.kind, cell.action, ...cells].join(' | ')} |`;
  });
  return ['| event | session | on | the flow | lost | gap | bound | |', '|---|---|---|---|---|---|---|---|', ...lines, ''].join('\n');
}
