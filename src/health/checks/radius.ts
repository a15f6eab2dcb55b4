/**
 * `option radiuscheck`: a Status-Server (RFC 5997) is answered, or a user is accepted (RFC 2865). Each request carries a
 * Message-Authenticator (RFC 3579 section 3.2); an answer counts only when it proves the secret. The secret is in no detail.
 */
import { createHash, createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { fail, pass, type Check, type Finding } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const CODE = { accessRequest: 1, accessAccept: 2, accessReject: 3, accountingResponse: 5, accessChallenge: 11, statusServer: 12, disconnectAck: 41, coaAck: 44 } as const;
const ATTRIBUTE = { userName: 1, userPassword: 2, nasIdentifier: 32, messageAuthenticator: 80 } as const;
const HEADER_BYTES = 20;
const MAX_BYTES = 4096;

type Login = { readonly user: string; readonly password: string } | null;

/** Returns a check that asks for the server's status, or signs `login` in. */
export function radiusCheck({ secret, login }: { readonly secret: string; readonly login: Login }): Check {
  const key = Buffer.from(secret, 'utf8');
  return exchangeCheck((_target, took) => {
    const request = radiusRequest(key, login, { id: randomInt(256), authenticator: randomBytes(16) });
    let unproven = false;
    return {
      payload: request,
      judge: (reply) => {
        if (reply.length < HEADER_BYTES || reply[1] !== request[1]) return null;
        if (!provesSecret(reply, request, key)) {
          // Anybody can make such a datagram; the server's own may yet come.
          unproven = true;
          return null;
        }
        return judgeCode(reply[0] ?? 0, login, took);
      },
      whenSilent: () => (unproven ? 'an answer came that does not prove the secret: compare `secret` with the server' : 'a server that does not know this client, or another secret, is silent too'),
    };
  });
}

/** Returns a request: Status-Server, or Access-Request with the password hidden as RFC 2865 section 5.2 says. */
export function radiusRequest(key: Buffer, login: Login, { id, authenticator }: { readonly id: number; readonly authenticator: Buffer }): Buffer {
  const attributes = [attribute(ATTRIBUTE.nasIdentifier, Buffer.from('weir'))];
  if (login !== null) {
    attributes.push(attribute(ATTRIBUTE.userName, Buffer.from(login.user, 'utf8')));
    attributes.push(attribute(ATTRIBUTE.userPassword, hidden(Buffer.from(login.password, 'utf8'), key, authenticator)));
  }
  const body = Buffer.concat([attribute(ATTRIBUTE.messageAuthenticator, Buffer.alloc(16)), ...attributes]);
  const request = Buffer.concat([Buffer.from([login === null ? CODE.statusServer : CODE.accessRequest, id, 0, 0]), authenticator, body]);
  request.writeUInt16BE(request.length, 2);
  createHmac('md5', key).update(request).digest().copy(request, HEADER_BYTES + 2);
  return request;
}

/** True when the reply's authenticators were made with `key` for this request (RFC 2865 section 3, RFC 3579 section 3.2). */
export function provesSecret(reply: Buffer, request: Buffer, key: Buffer): boolean {
  const length = reply.length < HEADER_BYTES ? 0 : reply.readUInt16BE(2);
  if (length < HEADER_BYTES || length > reply.length || length > MAX_BYTES) return false;
  const body = reply.subarray(0, length);
  const asked = request.subarray(4, HEADER_BYTES);
  const expected = createHash('md5').update(body.subarray(0, 4)).update(asked).update(body.subarray(HEADER_BYTES)).update(key).digest();
  if (!timingSafeEqual(expected, body.subarray(4, HEADER_BYTES))) return false;
  for (let at = HEADER_BYTES; at + 2 <= length; ) {
    const size = body[at + 1] ?? 0;
    if (size < 2 || at + size > length) return false;
    if (body[at] === ATTRIBUTE.messageAuthenticator) {
      if (size !== 18) return false;
      const blank = Buffer.from(body);
      asked.copy(blank, 4);
      blank.fill(0, at + 2, at + 18);
      return timingSafeEqual(createHmac('md5', key).update(blank).digest(), body.subarray(at + 2, at + 18));
    }
    at += size;
  }
  return true;
}

function judgeCode(code: number, login: Login, took: () => string): Finding {
  switch (code) {
    case CODE.accessAccept:
      return pass(`Access-Accept in ${took()}`);
    case CODE.accountingResponse:
      return login === null ? pass(`Accounting-Response in ${took()}`) : fail('Accounting-Response to an Access-Request');
    // The status of a CoA port (RFC 5997 section 4.2).
    case CODE.disconnectAck:
    case CODE.coaAck:
      return login === null ? pass(`code ${code} in ${took()}`) : fail(`code ${code} to an Access-Request`);
    case CODE.accessReject:
      return fail(login === null ? 'Access-Reject to a Status-Server' : 'Access-Reject: the user or the password is not accepted');
    case CODE.accessChallenge:
      return fail('Access-Challenge: this user is asked for more than a password');
    default:
      return fail(`an answer of code ${code}`);
  }
}

function attribute(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length + 2]), value]);
}

function hidden(password: Buffer, key: Buffer, authenticator: Buffer): Buffer {
  const padded = Buffer.alloc(Math.max(16, Math.ceil(password.length / 16) * 16));
  password.copy(padded);
  let last = authenticator;
  for (let at = 0; at < padded.length; at += 16) {
    const pad = createHash('md5').update(key).update(last).digest();
    for (let i = 0; i < 16; i++) padded[at + i] = (padded[at + i] ?? 0) ^ (pad[i] ?? 0);
    last = padded.subarray(at, at + 16);
  }
  return padded;
}
