/** The table of `npm run bench -- xdp`. */
import type { SubjectName } from './args.ts';
import { cellText, type RateResult } from './rates.ts';
import { microsText, rateText, ratioText, renderTable } from './table.ts';

const HEAD = ['subject', 'clients', 'servers', 'round trips/s', 'rounds', 'ns each', 'of limit', 'of nftables', 'of nginx', 'p50 at half', 'p99 at half', 'misdelivered'];

/** Returns the results as a table, with ratios to the peers of the same clients, servers and frame length. `ns each` is the core's time for one round trip. */
export function xdpTable(results: readonly RateResult[]): string {
  const rows = results.map((result) => {
    const ratio = (name: SubjectName) => ratioText(result.rate, results.find((other) => other.subject === name && sameLoad(other, result))?.rate);
    return [
      result.subject,
      String(result.clients),
      String(result.servers),
      cellText(result),
      roundsText(result.rounds),
      result.rate > 0 ? (1e9 / result.rate).toFixed(0) : '-',
      ratio('limit'),
      ratio('nftables'),
      ratio('nginx'),
      microsText(result.half?.p50Us ?? Number.NaN),
      microsText(result.half?.p99Us ?? Number.NaN),
      String(result.misdelivered),
    ];
  });
  return renderTable(HEAD, rows);
}

/** Returns the lowest and highest of the rounds: how far the figures can be believed. A round in which nothing held is `-`. */
export function roundsText(rounds: readonly number[]): string {
  const text = (rate: number) => (rate > 0 ? rateText(rate) : '-');
  const low = Math.min(...rounds);
  const high = Math.max(...rounds);
  return rounds.length < 2 ? '' : `${text(low)} .. ${text(high)}`;
}

function sameLoad(a: RateResult, b: RateResult): boolean {
  return a.clients === b.clients && a.servers === b.servers && a.frameBytes === b.frameBytes;
}
