import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Address6 } from 'ip-address';
import { cidrContains, cidrText, networkOf, parseCidr, prefixOfNetmask } from './cidr.ts';
import { endpointText, hostPortText, parseEndpoint } from './endpoint.ts';
import { ipBytes, ipFromBytes, parseIp, type Ip } from './ip.ts';
import { parsePort, parsePortRange, portCount, portRangeText, portsOverlap } from './ports.ts';

const FIXED = { seed: 1, numRuns: 1000 };
const ip = (text: string): Ip => parseIp(text) ?? assert.fail(`${text} is an address`);

describe('parseIp', () => {
  it('accepts strict forms only', () => {
    for (const text of ['', '10.1', '10.0.0.256', '010.0.0.1', '0x7f.0.0.1', '1.2.3.4.5', ' 1.2.3.4', '1.2.3.4\n', '1.2.3.4/8', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8', 'fe80::1%eth0', '::1/128', '12345::', 'g::', '1.2.3.4::', '::1.2.3', '::1.2.3.4:5', '[::1]', ':1::', '1::2:']) {
      assert.equal(parseIp(text), undefined, JSON.stringify(text));
    }
  });
  it('gives one text for every spelling (RFC 5952)', () => {
    const cases = { '::': '::', '0:0:0:0:0:0:0:0': '::', '2001:DB8:0:0:1:0:0:1': '2001:db8::1:0:0:1', '1:0:2:3:4:5:6:7': '1:0:2:3:4:5:6:7', '1:0:0:2:0:0:0:3': '1:0:0:2::3', '::FFFF:1.2.3.4': '::ffff:1.2.3.4', '::ffff:102:304': '::ffff:1.2.3.4', '64:ff9b::1.2.3.4': '64:ff9b::102:304', '1::': '1::', '::1': '::1', '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0' };
    for (const [written, canonical] of Object.entries(cases)) assert.equal(parseIp(written)?.text, canonical, written);
  });
  it('reads what it wrote, and its bytes give it back', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((b) => Uint8Array.from(b))), (bytes) => {
        const address = ipFromBytes(bytes);
        assert.deepEqual(parseIp(address.text), address);
        assert.deepEqual(ipBytes(address), bytes);
      }),
      FIXED,
    );
  });
  it('agrees with ip-address on what an IPv6 address is and on its text', () => {
    const piece = fc.constantFrom('0', '1', 'ab', 'FFFF', '00ff', ':', ':', ':', '::', '1.2.3.4', '.', 'g');
    fc.assert(
      fc.property(fc.oneof(fc.ipV6(), fc.array(piece, { maxLength: 18 }).map((parts) => `${parts.join('')}:1`)), (text) => {
        const mine = parseIp(text);
        assert.equal(mine !== undefined, text.length <= 45 && Address6.isValid(text), text);
        if (mine && !mine.text.includes('.')) assert.equal(mine.text, new Address6(text).correctForm());
      }),
      { ...FIXED, numRuns: 3000 },
    );
  });
  it('refuses byte arrays of another length', () => {
    assert.throws(() => ipFromBytes(new Uint8Array(5)), RangeError);
    assert.equal(ipFromBytes(Uint8Array.of(1), 16).text, '::1');
  });
});

describe('networks', () => {
  it('refuse host bits and bad prefixes', () => {
    for (const text of ['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/08', '2001:db8::1/32', '10.0.0.0/', 'x/8', '::/129']) assert.equal(parseCidr(text), undefined, text);
  });
  it('contain the addresses that share their prefix, never across families', () => {
    const net = parseCidr('10.0.0.0/9') ?? assert.fail();
    assert.deepEqual(['10.127.255.255', '10.128.0.0', '::a00:1'].map((text) => cidrContains(net, ip(text))), [true, false, false]);
    assert.equal(cidrText(net), '10.0.0.0/9');
    assert.equal(cidrText(parseCidr('::1') ?? assert.fail()), '::1');
    assert.equal(networkOf(ip('2001:db8:ffff::1'), 33).text, '2001:db8:8000::');
  });
  it('know the prefix of a netmask', () => {
    assert.deepEqual(['255.255.255.0', '0.0.0.0', '255.0.255.0', 'ffff:ff00::'].map((text) => prefixOfNetmask(ip(text))), [24, 0, undefined, 24]);
  });
});

describe('endpoints and ports', () => {
  it('write and read IPv6 in brackets', () => {
    const six = parseEndpoint('[2001:DB8::1]:53') ?? assert.fail();
    assert.equal(endpointText(six), '[2001:db8::1]:53');
    assert.equal(hostPortText(six.ip, 0), '2001:db8::1');
    for (const text of ['2001:db8::1:53', '[10.0.0.1]:53', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:65536', '10.0.0.1:053']) assert.equal(parseEndpoint(text), undefined, text);
  });
  it('read ranges with the lower port first', () => {
    for (const text of ['', '-', '1-', '-1', '2-1', '1-2-3', '0', '65536', '01', '1 - 2']) assert.equal(parsePortRange(text), undefined, text);
    const range = parsePortRange('50000-51000') ?? assert.fail();
    assert.deepEqual([portRangeText(range), portCount(range), portRangeText({ first: 5, last: 5 }), parsePort('65535')], ['50000-51000', 1001, '5', 65535]);
    assert.deepEqual([portsOverlap({ first: 1, last: 5 }, { first: 5, last: 9 }), portsOverlap({ first: 1, last: 4 }, { first: 5, last: 9 })], [true, false]);
  });
});
