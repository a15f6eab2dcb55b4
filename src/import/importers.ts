/** The importers by the name of what they read. */
import type { Imported } from './draft.ts';
import { importIpvsadm } from './ipvsadm.ts';
import { importKeepalived } from './keepalived.ts';
import { importLdirectord } from './ldirectord.ts';
import { importNginx } from './nginx.ts';

export const IMPORTERS = {
  keepalived: importKeepalived,
  ldirectord: importLdirectord,
  ipvsadm: importIpvsadm,
  nginx: importNginx,
} as const satisfies Record<string, (text: string) => Imported>;

export type ImportKind = keyof typeof IMPORTERS;
export const IMPORT_KINDS = Object.keys(IMPORTERS) as readonly ImportKind[];
