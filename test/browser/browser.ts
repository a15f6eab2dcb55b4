/** Debian's Chromium, a fresh profile each, and weir with its demo servers as a user starts it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createSocket, type Socket } from 'node:dgram';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';
import { ROOT, directory, start, type Running } from '../loopback/weir.ts';

export const PASSWORD = 'correct horse battery';
const PICTURES: readonly string[] = ['overview-1440-light', 'director-1440-light', 'layer4-1440-light', 'nat-rule-1440-light'];
/** Other work on the machine only ever makes things slower: what does not come in this time does not come. */
export const WAIT_MS = 30_000;
/** Of longer pages the top is enough to judge them by. */
const SHOT_HEIGHT_MAX = 2000;
export const SHOTS = join(ROOT, '.cache/screenshots');

const ARGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** Returns a browser that ends with the test. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS });
  t.after(() => browser.close());
  return browser;
}

/** weir with a state directory that outlives it, so that it can be started again. */
export interface Subject {
  readonly state: string;
  readonly url: string;
  /** Ends it, and starts it again with the same state and the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts `weir run FILE`; the text is the first configuration. */
export async function startWeir(t: TestContext, text: string): Promise<Subject> {
  const folder = directory(t);
  const state = join(folder, 'state');
  const file = join(folder, 'first.conf');
  const password = join(folder, 'password');
  writeFileSync(file, text);
  writeFileSync(password, `${PASSWORD}\n`);
  const begin = async (api: string, files: readonly string[]): Promise<Running> => {
    const running = start(t, ['run', ...files, '--api', api, '--password-file', password], { state });
    await running.said(/^ {2}state /m);
    return running;
  };
  let running = await begin('127.0.0.1:0', [file]);
  const { url } = JSON.parse(readFileSync(join(state, 'api.json'), 'utf8')) as { url: string };
  const stop = async (): Promise<void> => void (await running.stop('SIGTERM'));
  return {
    state, url, stop,
    async restart() {
      if (running.child.exitCode === null && running.child.signalCode === null) await stop();
      running = await begin(new URL(url).host, []);
    },
  };
}

/** Opens the pages in a profile of its own and signs in. Whatever the page complains of fails the test. */
export async function signIn(t: TestContext, browser: Browser, subject: Subject, options: { readonly width?: number; readonly dark?: boolean; readonly allow?: RegExp } = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: options.width ?? 1440, height: 900 }, colorScheme: options.dark === true ? 'dark' : 'light', reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
  page.on('console', (message) => {
    // Refused and lost calls are logged by the browser itself, beside what the page shows of them.
    // Chromium itself carries a style over when a selection in an editable element is replaced, and refuses it to itself: no script of ours (line 0).
    const isOwnEditing = message.text().startsWith('Applying inline style violates') && message.location().lineNumber === 0 && message.location().url === page.url();
    if (message.type() === 'error' && !isOwnEditing && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  t.after(() => {
    if (complaints.length > 0) throw new Error(`the page complained:\n${complaints.join('\n')}`);
  });
  await page.goto(subject.url);
  await fillSignIn(page);
  return page;
}

export async function fillSignIn(page: Page): Promise<void> {
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Tabs' }).waitFor();
}

export async function tab(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Tabs' }).getByRole('link', { name }).click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
}

/** Writes a text in the editor that is shown, in place of what is there. */
export async function write(page: Page, label: RegExp | string, text: string): Promise<void> {
  const editor = page.getByRole('textbox', { name: label });
  await editor.click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(text);
}

/** Opens the plan, applies it, waits until it is done. */
export async function apply(page: Page, button = 'Apply now'): Promise<void> {
  const dialog = page.getByRole('dialog', { name: 'Apply: what it will do' });
  await dialog.getByRole('button', { name: button }).click();
  await dialog.waitFor({ state: 'hidden' });
}

/** One client: a socket that keeps its port. */
export interface Client {
  port(): number;
  /** Sends a datagram; resolves with the name of the server that answered it. */
  ask(text: string): Promise<string>;
}

/** Returns a client of a director on 127.0.0.1 that goes with the test. */
export function client(t: TestContext, to: number): Client {
  const socket = createSocket('udp4').on('error', () => {});
  t.after(() => void socket.close());
  return {
    port: () => socket.address().port,
    ask: (text) => new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${text} from 127.0.0.1:${to}`)), WAIT_MS);
      socket.once('message', (payload) => {
        clearTimeout(timer);
        resolve(payload.toString().split(' ')[0] ?? '');
      });
      socket.send(text, to, '127.0.0.1');
    }),
  };
}

/** Sends one datagram from each of `count` sockets; resolves with the answers. */
export async function answers(t: TestContext, port: number, count: number): Promise<readonly string[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => answer(t, port, `n${i}`)));
}

function answer(t: TestContext, port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = createSocket('udp4');
    const timer = setTimeout(() => finish(() => reject(new Error(`no answer to ${text} from 127.0.0.1:${port}`))), WAIT_MS);
    const finish = (then: () => void): void => {
      clearTimeout(timer);
      socket.close(then);
    };
    t.after(() => clearTimeout(timer));
    socket.on('error', reject);
    socket.on('message', (payload) => finish(() => resolve(payload.toString())));
    socket.send(text, port, '127.0.0.1');
  });
}

/** Sends from so many clients, more and less of it, until the test ends. */
export function sendOn(t: TestContext, port: number, clients = 40): void {
  const sockets = Array.from({ length: clients }, () => createSocket('udp4').on('error', () => {}));
  let sent = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < (clients / 40) * (6 + 4 * Math.sin(sent / 300)); i++) sockets[(sent++ * 7) % sockets.length]?.send(`hello ${sent}`, port, '127.0.0.1');
  }, 40);
  t.after(() => {
    clearInterval(timer);
    for (const socket of sockets) socket.close();
  });
}

/** Keeps a picture for people to look at: of the whole page, or of what the window shows (a whole page resizes it, which closes menus). */
export async function shoot(page: Page, name: string, fullPage = true): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  // Nothing under the pointer: what it points at would look chosen.
  await page.mouse.move(0, 0);
  if (fullPage) await page.evaluate('scrollTo(0, 0)');
  const { width, height } = (await page.evaluate('({ width: innerWidth, height: document.documentElement.scrollHeight })')) as { width: number; height: number };
  const clip = { x: 0, y: 0, width, height: Math.min(height, SHOT_HEIGHT_MAX) };
  const picture = await page.screenshot({ path: join(SHOTS, `${name}.png`), ...(fullPage ? { fullPage, clip } : {}) });
  // README shows these; WEIR_UPDATE=1 takes them again.
  if (process.env['WEIR_UPDATE'] === '1' && PICTURES.includes(name)) writeFileSync(join(ROOT, 'docs/pictures', `${name}.png`), picture);
}
