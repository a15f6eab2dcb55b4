/** What keepalived has that weir has no like of, and why that is no loss or what to do instead. */

const DROPPED: Readonly<Record<string, string>> = {
  user: 'a check program runs as weir\'s own user',
  alpha: 'weir takes an unchecked server for usable and says so: unknown',
  omega: 'weir runs no scripts',
  quorum: 'a director uses its servers as long as one is up',
  hysteresis: 'there is no quorum',
  quorum_up: 'weir runs no scripts: see weir events',
  quorum_down: 'weir runs no scripts: see weir events',
  notify_up: 'weir runs no scripts: see weir events',
  notify_down: 'weir runs no scripts: see weir events',
  smtp_alert: 'weir sends no mail: see weir events and the metrics',
  warmup: 'weir spreads the first checks by itself',
  delay_before_retry: 'weir asks again at the interval',
  ha_suspend: 'checks go on whoever has the address',
  persistence_engine: 'clients are told apart by address',
  uthreshold: 'a limit is per director: session max',
  lthreshold: 'a limit is per director: session max',
  snmp_name: 'the name of the director serves',
  sorry_server_inhibit: 'the sorry server is used when nothing else is left',
  sorry_server_lvs_method: 'a director has one mode',
  ip_family: 'the family is that of the addresses',
};

/** Returns why a word is not carried over. */
export function droppedWhy(word: string): string {
  return Object.hasOwn(DROPPED, word) ? DROPPED[word] ?? '' : 'not known';
}
