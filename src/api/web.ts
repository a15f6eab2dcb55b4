/**
 * The web UI's files, read once into memory: the page with a fresh nonce for CodeMirror's styles each time, its assets by their hashed names.
 * Nothing of a URL ever becomes a path: a name is looked up among the files read at the start.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ApiFault } from './errors.ts';
import type { Api } from './route.ts';
import { strict } from './schemas.ts';

/** The built pages. */
export interface WebFiles {
  readonly index: string;
  readonly assets: ReadonlyMap<string, WebAsset>;
}

interface WebAsset {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

/** What index.html holds where the nonce of a request goes. */
export const NONCE_PLACE = '__WEIR_NONCE__';

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.woff2': 'font/woff2',
};

/** Returns the built pages of a directory, or null when it holds none. */
export function readWebFiles(directory: string): WebFiles | null {
  const index = join(directory, 'index.html');
  if (!existsSync(index)) return null;
  const assets = new Map<string, WebAsset>();
  const folder = join(directory, 'assets');
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const plain = readFileSync(join(folder, name));
    assets.set(name, { type, plain, gzip: gzipSync(plain, { level: 9 }) });
  }
  return { index: readFileSync(index, 'utf8'), assets };
}

/** Adds the page at / and its assets; without built pages, / says how to build them. */
export function webRoutes(app: Api, files: WebFiles | null): void {
  const config = { access: 'public' } as const;
  const schema = { hide: true };

  app.get('/', { config, schema }, async (_request, reply) => {
    if (files === null) return reply.type('text/plain; charset=utf-8').send('The web pages are not built: run npm run build in the clone of weir, then start it again.\n');
    const nonce = randomBytes(18).toString('base64');
    return reply.header('content-security-policy', policy(nonce)).type('text/html; charset=utf-8').send(files.index.replaceAll(NONCE_PLACE, nonce));
  });

  app.get('/assets/:name', { config, schema: { hide: true, params: strict({ name: Type.String({ maxLength: 128 }) }) } }, async (request, reply) => {
    const asset = files?.assets.get(request.params.name);
    if (asset === undefined) throw new ApiFault('NOT_FOUND', 'no file of the web pages has this name', { cure: 'load the page again: it names the files of this version' });
    void reply.headers({ 'cache-control': 'public, max-age=31536000, immutable', vary: 'accept-encoding' }).type(asset.type);
    if (!takesGzip(request)) return reply.send(asset.plain);
    return reply.header('content-encoding', 'gzip').send(asset.gzip);
  });
}

function policy(nonce: string): string {
  return [
    "default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`, "img-src 'self' data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  ].join('; ');
}

/** RFC 9110 12.5.3, as far as browsers and curl go: `gzip` named, not with q=0. */
function takesGzip(request: FastifyRequest): boolean {
  const header = request.headers['accept-encoding'];
  return typeof header === 'string' && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(header);
}
