/** `option a2scheck`: a Source or GoldSource game server answers A2S_INFO, after its challenge when it asks one (Valve's "Server queries"). */
import { fail, pass, type Check, type Finding } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const SINGLE = 0xffff_ffff;
const SPLIT = 0xffff_fffe;
const REQUEST = Buffer.from('\xff\xff\xff\xffTSource Engine Query\0', 'latin1');
const TYPE = { challenge: 0x41, info: 0x49, goldSource: 0x6d } as const;
/** A server that answers each challenge with another one is broken. */
const MAX_CHALLENGES = 2;

/** A check that asks for the server's info. */
export const a2sCheck: Check = exchangeCheck((_target, took) => {
  let challenges = 0;
  return {
    payload: REQUEST,
    judge(reply, send) {
      const challenge = challengeOf(reply);
      if (challenge === null) return judgeA2s(reply, took);
      if (++challenges > MAX_CHALLENGES) return fail(`${challenges} challenges and no answer`);
      send(Buffer.concat([REQUEST, challenge]));
      return null;
    },
  };
});

/** Returns the challenge of an S2C_CHALLENGE, or null when `reply` is none. */
export function challengeOf(reply: Buffer): Buffer | null {
  return reply.length === 9 && reply.readUInt32BE(0) === SINGLE && reply[4] === TYPE.challenge ? reply.subarray(5, 9) : null;
}

/** Returns what a datagram says to A2S_INFO, or null when it is none of this protocol. */
export function judgeA2s(reply: Buffer, took: () => string): Finding | null {
  if (reply.length < 5) return null;
  const head = reply.readUInt32BE(0);
  // An answer in several datagrams is an answer; nothing of it is needed.
  if (head === SPLIT) return pass(`answer in several datagrams in ${took()}`);
  if (head !== SINGLE) return null;
  if (reply[4] === TYPE.goldSource) return pass(`info in ${took()}`);
  if (reply[4] !== TYPE.info) return reply.subarray(0, REQUEST.length).equals(REQUEST) ? null : fail(`an answer of type 0x${(reply[4] ?? 0).toString(16)}`);
  const players = playersOf(reply);
  return pass(`info${players === null ? '' : `, ${players}`} in ${took()}`);
}

/** Returns `3 of 24 players` of an A2S_INFO answer: after the protocol come name, map, folder and game, then the app's id; null when it is cut off. */
function playersOf(reply: Buffer): string | null {
  let at = 6;
  for (let strings = 0; strings < 4; strings++) {
    const end = reply.indexOf(0, at);
    if (end < 0) return null;
    at = end + 1;
  }
  const players = reply[at + 2];
  const max = reply[at + 3];
  return players === undefined || max === undefined ? null : `${players} of ${max} players`;
}
