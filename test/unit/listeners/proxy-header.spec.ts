import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseProxyHeader } from '../../../lib/listeners/proxy-header.js';

const signature = '0d0a0d0a000d0a515549540a';
const v2 = (command: string, family: string, body: string): Buffer =>
  Buffer.from(`${signature}${command}${family}${(body.length / 2).toString(16).padStart(4, '0')}${body}`, 'hex');

/** 203.0.113.7:56324 to 192.0.2.1:1883. */
const ipv4 = 'cb007107c0000201dc04075b';
const ipv6 = '20010db800000000000000000000000720010db8000000000000000000000001dc04075b';
const tlv = (type: string, value: string) => `${type}${(value.length / 2).toString(16).padStart(4, '0')}${value}`;
const name = (text: string) => tlv('22', Buffer.from(text).toString('hex'));

describe('a PROXY header', () => {
  it.each<[string, Buffer, object]>([
    [
      'version 1, IPv4',
      Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 56324 1883\r\n'),
      { remoteAddress: '203.0.113.7', remotePort: 56_324 },
    ],
    [
      'version 1, IPv6',
      Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 56324 1883\r\n'),
      { remoteAddress: '2001:db8::7', remotePort: 56_324 },
    ],
    ['version 1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), {}],
    ['version 1, unknown with addresses', Buffer.from('PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n'), {}],
    ['version 2, IPv4', v2('21', '11', ipv4), { remoteAddress: '203.0.113.7', remotePort: 56_324 }],
    ['version 2, IPv6', v2('21', '21', ipv6), { remoteAddress: '2001:db8::7', remotePort: 56_324 }],
    ['version 2, of the proxy itself', v2('20', '00', ''), {}],
    ['version 2, unspecified', v2('21', '00', ''), {}],
    ['version 2, over a Unix socket', v2('21', '31', '00'.repeat(216)), {}],
    [
      'version 2, with values that mean nothing here',
      v2('21', '11', ipv4 + tlv('03', '00000000') + tlv('04', '')),
      { remoteAddress: '203.0.113.7', remotePort: 56_324 },
    ],
    [
      'version 2, TLS without a certificate',
      v2('21', '11', ipv4 + tlv('20', `0100000001${tlv('21', '544c53')}`)),
      { tls: true, certificateName: undefined },
    ],
    [
      'version 2, TLS with a verified certificate',
      v2('21', '11', ipv4 + tlv('20', `0700000000${name('device-7')}`)),
      { tls: true, certificateName: 'device-7' },
    ],
    [
      'version 2, TLS with a certificate that was not verified',
      v2('21', '11', ipv4 + tlv('20', `0700000001${name('device-7')}`)),
      { tls: true, certificateName: undefined },
    ],
    ['version 2, no TLS', v2('21', '11', ipv4 + tlv('20', `0000000001`)), { tls: false }],
  ])('of %s is read', (_title, bytes, peer) => {
    const header = parseProxyHeader(Buffer.concat([bytes, Buffer.from('10')]));
    expect(header?.length).toBe(bytes.length);
    expect(header?.peer).toMatchObject(peer);
    // However it is cut, it is waited for.
    for (let length = 0; length < bytes.length; length++)
      expect(parseProxyHeader(bytes.subarray(0, length))).toBeUndefined();
  });

  it.each<[string, Buffer]>([
    ['that is none', Buffer.from('\x10\x0c\x00\x04MQTT')],
    ['without an end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`)],
    ['with an address that is none', Buffer.from('PROXY TCP4 300.0.0.1 192.0.2.1 1 1883\r\n')],
    ['with an address of the other family', Buffer.from('PROXY TCP4 2001:db8::7 2001:db8::1 1 1883\r\n')],
    ['with a port that is none', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 65536 1883\r\n')],
    ['of a family that is none', Buffer.from('PROXY UDP4 203.0.113.7 192.0.2.1 1 1883\r\n')],
    ['of version 3', v2('31', '11', ipv4)],
    ['with a command that is none', v2('22', '11', ipv4)],
    ['of another family', v2('21', '41', ipv4)],
    ['shorter than its addresses', v2('21', '11', ipv4.slice(2))],
    ['with a value that is cut off', v2('21', '11', `${ipv4}200005ff`)],
    ['with too little about TLS', v2('21', '11', ipv4 + tlv('20', '01'))],
    ['that is too long', v2('21', '11', ipv4 + tlv('04', '00'.repeat(5000)))],
  ])('%s is refused', (_title, bytes) => {
    expect(() => parseProxyHeader(bytes)).toThrow(/PROXY header/);
  });

  it('gives back every address and port, and leaves what is behind it', () => {
    const port = fc.integer({ min: 0, max: 65_535 });
    fc.assert(
      fc.property(fc.ipV4(), port, fc.uint8Array(), fc.boolean(), (address, remotePort, rest, isText) => {
        const octets = Buffer.from(address.split('.').map(Number));
        const ports = Buffer.alloc(4);
        ports.writeUInt16BE(remotePort, 0);
        const header = isText
          ? Buffer.from(`PROXY TCP4 ${address} 192.0.2.1 ${remotePort} 1883\r\n`)
          : v2('21', '11', Buffer.concat([octets, octets, ports]).toString('hex'));
        expect(parseProxyHeader(Buffer.concat([header, rest]))).toEqual({
          peer: { remoteAddress: address, remotePort },
          length: header.length,
        });
      }),
    );
  });

  it('is read, waited for or refused, whatever bytes come', () => {
    const begins = [Buffer.from(signature, 'hex'), Buffer.from('PROXY TCP4 '), Buffer.alloc(0)];
    fc.assert(
      fc.property(fc.constantFrom(...begins), fc.uint8Array({ maxLength: 300 }), (begin, bytes) => {
        try {
          const header = parseProxyHeader(Buffer.concat([begin, bytes]));
          if (header) expect(header.length).toBeLessThanOrEqual(begin.length + bytes.length);
        } catch (error) {
          expect(String(error)).toMatch(/PROXY header/);
        }
      }),
    );
  });
});
