/** A refusal of the daemon in its own words, with every issue it names. */
import type { ErrorView } from '../../src/client/types.ts';
import type { Issue } from '../../src/config/issue.ts';
import { State } from './state.tsx';

export function Problem({ error }: { readonly error: ErrorView }) {
  return (
    <div class="problem" role="alert">
      <strong>{error.message}</strong>
      {error.cure !== undefined && <span class="hint">{error.cure}</span>}
    </div>
  );
}

/** Issues as a list; each goes to its place when `onGo` is given. */
export function IssueList({ issues, onGo }: { readonly issues: readonly Issue[]; readonly onGo?: (issue: Issue) => void }) {
  // Beside one text its name is clear; of several each issue names its own.
  const isMixed = new Set(issues.map(({ at }) => at.file)).size > 1;
  return (
    <ul class={isMixed ? 'issues mixed' : 'issues'}>
      {issues.slice(0, 100).map((issue, i) => (
        <li key={`${issue.at.file}:${issue.at.line}:${issue.at.col}:${issue.code}:${i}`}>
          <button type="button" onClick={() => onGo?.(issue)}>
            <State word={issue.severity} />
            <span class="where">{issue.at.file === 'weir' ? 'weir' : `${isMixed ? `${issue.at.file}:` : ''}${issue.at.line}:${issue.at.col}`}</span>
            <span>{issue.message}{issue.nearest !== undefined && <> Did you mean <code>{issue.nearest}</code>?</>}{issue.hint !== undefined && <span class="hint">{issue.hint}</span>}</span>
          </button>
        </li>
      ))}
      {issues.length > 100 && <li class="muted">and {issues.length - 100} more</li>}
    </ul>
  );
}
