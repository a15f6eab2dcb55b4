/**
 * What a request got wrong, in words: expected, found, nearest known. Values are named only where they cannot be secret
 * (one of a few words, a number); of a string only its length is told.
 */
import type { FastifyRequest } from 'fastify';
import { ApiFault } from './errors.ts';
import { nearest } from './nearest.ts';

/** One complaint of the validator (ajv's shape; `data` and `parentSchema` come with `verbose`). */
export interface Complaint {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly data?: unknown;
  readonly parentSchema?: { readonly properties?: Readonly<Record<string, unknown>>; readonly description?: string };
}

const SECRET = /password|token|secret|csrf/i;

/** Returns one line that names every complaint. `where` is `body`, `querystring`, `params` or `headers`. */
export function validationMessage(complaints: readonly Complaint[], where: string): string {
  const part = where === 'querystring' ? 'query' : where === 'params' ? 'path' : where;
  return complaints.slice(0, 8).map((c) => complaintText(c, part)).join('; ');
}

function complaintText(c: Complaint, part: string): string {
  const field = [part, ...c.instancePath.split('/').slice(1).map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'))].join('.');
  const found = foundText(c.data, field);
  switch (c.keyword) {
    case 'additionalProperties': {
      const name = String(c.params['additionalProperty']);
      const near = nearest(name, Object.keys(c.parentSchema?.properties ?? {}));
      return `${field}: unknown field ${printable(name)}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
    }
    case 'required':
      return `${field}: expected the field ${String(c.params['missingProperty'])}, found none`;
    case 'minProperties':
      return `${field}: expected at least one of ${Object.keys(c.parentSchema?.properties ?? {}).join(', ')}, found none`;
    case 'enum': {
      const allowed = (c.params['allowedValues'] as readonly unknown[]).map(String);
      const near = typeof c.data === 'string' ? nearest(c.data, allowed) : undefined;
      return `${field}: expected one of ${allowed.join(', ')}; found ${SECRET.test(field) || typeof c.data !== 'string' ? found : printable(c.data)}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
    }
    case 'type':
      return `${field}: expected ${String(c.params['type'])}; found ${found}`;
    case 'minLength':
      return `${field}: expected at least ${String(c.params['limit'])} characters; found ${found}`;
    case 'maxLength':
      return `${field}: expected at most ${String(c.params['limit'])} characters; found ${found}`;
    case 'minimum':
    case 'maximum':
      return `${field}: expected ${String(c.params['comparison'])} ${String(c.params['limit'])}; found ${found}`;
    case 'pattern':
      return `${field}: expected ${c.parentSchema?.description ?? `text like ${String(c.params['pattern'])}`}; found ${found}`;
    default:
      return `${field}: ${c.message ?? c.keyword}`;
  }
}

function foundText(value: unknown, field: string): string {
  if (typeof value === 'string') return `text of ${value.length} characters`;
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if ((typeof value === 'number' || typeof value === 'boolean') && !SECRET.test(field)) return String(value);
  return value === undefined ? 'nothing' : typeof value;
}

/** Returns `text` cut to 64 characters, everything but printable ASCII escaped, in quotes: safe in a log and a terminal. */
export function printable(text: string): string {
  const cut = text.length > 64 ? `${text.slice(0, 64)}…` : text;
  return JSON.stringify(cut).replace(/[^\x20-\x7e…]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * Makes path and query values what their schema says before validation: only plain decimal digits become an integer
 * (never `1e3`, `0x10`, ` 5`), and an absent body counts as {}. Throws ApiFault on a body where the call takes none.
 */
export function prepareRequest(request: FastifyRequest): void {
  const schema = request.routeOptions.schema as RouteSchema | undefined;
  decimals(request.params, schema?.params);
  decimals(request.query, schema?.querystring);
  if (request.method === 'GET' || request.method === 'HEAD') return;
  if (schema?.body !== undefined) {
    if (request.body === undefined) request.body = {};
    return;
  }
  const body: unknown = request.body;
  if (body === undefined || (typeof body === 'object' && body !== null && Object.keys(body).length === 0)) return;
  throw new ApiFault('BAD_REQUEST', 'body: expected none, or {}', { cure: 'leave out the body' });
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, { readonly type?: unknown }>>;
}
interface RouteSchema {
  readonly params?: ObjectSchema;
  readonly querystring?: ObjectSchema;
  readonly body?: unknown;
}

function decimals(values: unknown, schema: ObjectSchema | undefined): void {
  if (schema?.properties === undefined || typeof values !== 'object' || values === null) return;
  const record = values as Record<string, unknown>;
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = record[name];
    if (property.type === 'integer' && typeof value === 'string' && /^(0|[1-9]\d{0,14})$/.test(value)) record[name] = Number(value);
  }
}
