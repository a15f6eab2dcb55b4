/** One `server` line of a director. */
import { isUnspecified } from '../net/ip.ts';
import { SERVER_WORDS } from './grammar.ts';
import type { Line } from './lex.ts';
import type { Server } from './model.ts';
import type { Reporter } from './report.ts';
import { MAX_WEIGHT } from '../balance/terms.ts';
import { badValue, takeAddress, takeName, takeNumber } from './values.ts';
import { unknownWord, WordTable } from './words.ts';

const WORDS = new WordTable(SERVER_WORDS);
const WEIGHT = { min: 0, max: MAX_WEIGHT };

/** Returns the server, or undefined when it has no usable name or address; everything wrong with the line is reported. `server` has been taken. */
export function readServer(line: Line, report: Reporter): Server | undefined {
  const name = takeName(line, report, 'server', "a server's name");
  if (name === undefined && line.peek() === undefined) return undefined;
  const at = Object.freeze(line.at());
  const address = takeAddress(line, report, `server ${name ?? ''}`.trimEnd());
  if (address?.ports && address.ports.first !== address.ports.last) {
    badValue(line, report, 'bad-port', 'one port after the address of a server', 'leave the port out to keep the port the client used');
  }
  if (address && isUnspecified(address.ip)) badValue(line, report, 'bad-address', 'the address of a host');
  const said = { weight: false, check: false, sorry: false, drain: false, disabled: false };
  let weight = 1;
  for (let written = line.take(); written !== undefined; written = line.take()) {
    const word = WORDS.find(written);
    if (word === undefined) {
      unknownWord(line, report, WORDS, 'a word of a server');
      line.index = line.words.length;
      break;
    }
    if (said[word]) report.add('given-twice', line.at(), `expected '${word}' once on a server line, found it again`);
    said[word] = true;
    if (word === 'weight') weight = takeNumber(line, report, word, WEIGHT) ?? weight;
  }
  if (name === undefined || !address) return undefined;
  return Object.freeze({
    name,
    ip: address.ip,
    port: address.ports?.first ?? null,
    weight,
    checked: said.check,
    sorry: said.sorry,
    drain: said.drain,
    disabled: said.disabled,
    at,
  });
}
