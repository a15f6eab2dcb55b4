/** docs/reference/api.md, made from the OpenAPI document and the table of errors; a test holds the file to it. */
import { ERRORS } from './errors.ts';

/** The parts of an OpenAPI document that are read here. */
export interface OpenApiDocument {
  readonly openapi: string;
  readonly tags?: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}
export interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean; readonly description?: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>>;
}
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly (string | null)[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

const INTRODUCTION = `<!-- Made from the schemas of src/api by the tests; WEIR_UPDATE=1 writes it again. -->
# API

The daemon serves this API on \`127.0.0.1:8440\` unless told otherwise (\`weir run --api HOST:PORT\`). The CLI and the web UI use nothing else. \`GET /api/v1/openapi.json\` is the same as an OpenAPI 3.1 document.

**Who may call.** Send \`Authorization: Bearer <token>\`: the file \`cli.token\` in the state directory holds one for the CLI (made again at a start when it is missing or revoked), \`POST /api/v1/tokens\` makes more. A browser signs in with \`POST /api/v1/sign-in\`, gets a cookie, and sends \`x-weir-csrf\` with every call but GET. Roles: \`admin\` may do everything; \`viewer\` may read, check, plan and explain, and sees \`***\` in place of secrets in configuration text. A token stays good until it expires or is revoked; a new password ends the user's other sign-ins and leaves tokens alone.

**From where.** The Host header must name loopback, the address the connection came to, or an allowed host (421 otherwise); a page's Origin must be that host (403 otherwise). Other origins never get in: there is no CORS. An address that is not loopback needs TLS, or \`insecure\`.

**Bodies** are JSON; unknown fields, in bodies and in queries, are refused with the nearest known one. Documents may take 64 MiB in one request, four such at the same time; every other body 64 KiB.

**Entity tags.** \`GET /api/v1/documents/…\` answers with an \`ETag\` and takes \`If-None-Match\`; editing and applying take \`If-Match\` and answer 412 when somebody else was faster.

**Refusals** are an [ErrorView](#errorview) with one of the codes [below](#errors). Times are ms since 1970, bytes are UDP payload bytes.
`;

/** Returns the text of docs/reference/api.md. */
export function apiReference(document: OpenApiDocument): string {
  const parts = [INTRODUCTION];
  for (const { name: tag } of document.tags ?? []) {
    parts.push(`## ${tag[0]?.toUpperCase()}${tag.slice(1)}\n`);
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) if (operation.tags?.includes(tag)) parts.push(operationText(method, path, operation));
    }
  }
  parts.push('## Objects\n');
  for (const [name, schema] of Object.entries(document.components.schemas)) parts.push(`### ${name}\n\n${fieldsText(schema)}`);
  const rows = Object.entries(ERRORS).map(([code, [status, meaning, cure]]) => `| \`${code}\` | ${status} | ${meaning} | ${cure ?? ''} |`);
  parts.push(`## Errors\n\n| code | status | meaning | cure, unless the answer names a better one |\n|---|---|---|---|\n${rows.join('\n')}\n`);
  return parts.join('\n');
}

function operationText(method: string, path: string, operation: Operation): string {
  const lines = [`### ${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, '<$1>')}\n`, `${operation.summary ?? ''}. ${operation.description ?? ''}\n`];
  const parameters = operation.parameters ?? [];
  if (parameters.length > 0) {
    const rows = parameters.map((p) => `| \`${p.name}\` | ${p.in}${p.required === true ? '' : ', optional'} | ${typeText(p.schema)} | ${p.description ?? p.schema.description ?? ''} |`);
    lines.push(`| parameter | where | type | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`);
  }
  const body = operation.requestBody?.content['application/json']?.schema;
  if (body !== undefined) lines.push(`Body${body.description === undefined ? '' : ` (${body.description})`}:\n\n${fieldsText(body)}`);
  const answers = Object.entries(operation.responses)
    .filter(([status]) => !/XX$/i.test(status))
    .map(([status, response]) => {
      const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
      if (content === undefined) return `${status}, no body`;
      const inline = content.schema.properties === undefined ? typeText(content.schema) : Object.keys(content.schema.properties).map((name) => `\`${name}\``).join(', ');
      return `${status}, ${type === 'application/json' ? inline : `\`${type}\``}`;
    });
  lines.push(`Answers: ${answers.join('; ')}.\n`);
  return lines.join('\n');
}

function fieldsText(schema: Schema): string {
  const rows = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => `| \`${name}\`${schema.required?.includes(name) === true ? '' : ' (optional)'} | ${typeText(field)} | ${field.description ?? ''} |`,
  );
  return rows.length === 0 ? `${typeText(schema)}\n` : `| field | type | meaning |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function typeText(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.enum !== undefined) return schema.enum.map((word) => (word === null ? 'null' : `\`${word}\``)).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(' or ');
  if (schema.items !== undefined) return `list of ${typeText(schema.items)}`;
  if (schema.properties !== undefined) return `object: ${Object.entries(schema.properties).map(([name, field]) => `\`${name}\` ${typeText(field)}`).join(', ')}`;
  if (typeof schema.additionalProperties === 'object') return `${typeText(schema.additionalProperties)} by name`;
  return `${[schema.type ?? 'anything'].flat().join(' or ')}${boundsText(schema)}`;
}

function boundsText({ minimum, maximum, minLength, maxLength }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return ` ${minimum}..${maximum}`;
  if (minLength !== undefined && maxLength !== undefined) return `, ${minLength}..${maxLength} characters`;
  if (maxLength !== undefined) return `, at most ${maxLength} characters`;
  return '';
}
