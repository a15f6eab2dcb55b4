/** A new director as the fields of the Insert form, and as text. */
export interface ServerForm {
  readonly name: string;
  readonly address: string;
  readonly weight: string;
}

export interface DirectorForm {
  readonly name: string;
  readonly address: string;
  readonly protocol: 'UDP' | 'TCP';
  readonly balance: string;
  readonly mode: string;
  readonly session: string;
  /** `''` does not check, `default` checks without an option, else the word of an option such as `dnscheck`. */
  readonly check: string;
  readonly servers: readonly ServerForm[];
}

export const EMPTY_DIRECTOR: DirectorForm = {
  name: '', address: '', protocol: 'UDP', balance: 'leastconn', mode: 'nat', session: 'two-way', check: 'default',
  servers: [{ name: 'srv1', address: '', weight: '10' }, { name: 'srv2', address: '', weight: '10' }],
};

/** Returns the director's section; servers without an address are left out, an empty one of all fields is not written. */
export function directorText(form: DirectorForm): string {
  const servers = form.servers.filter(({ address }) => address.trim() !== '').map(({ name, address, weight }) =>
    `    server ${name.trim()} ${address.trim()}${weight.trim() === '' ? '' : ` weight ${weight.trim()}`}${form.check === '' ? '' : ' check'}`);
  return [
    `director ${form.name.trim()} ${form.address.trim()} ${form.protocol}`,
    `    balance ${form.balance}`,
    `    mode ${form.mode}`,
    ...(form.session === 'two-way' ? [] : [`    session ${form.session}`]),
    ...(form.check === '' ? [] : ['    check interval 10s timeout 2s']),
    ...(form.check === '' || form.check === 'default' ? [] : [`    option ${form.check}`]),
    ...servers,
    '',
  ].join('\n');
}
