import { describe, expect, it } from '@jest/globals';
import { framed, hex, propertyBlock } from '../../support/bytes.js';
import { collectBytes, connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { describeOverTransports } from '../../support/test-broker.js';

const illFormed = [
  ['a byte that UTF-8 does not have', '0001[ff]'],
  ['a lone continuation byte', '0002[6180]'],
  ['a sequence that is cut off', '0001[c3]'],
  ['an overlong slash', '0002[c0af]'],
  ['the lowest surrogate', '0003[eda080]'],
  ['the highest surrogate', '0003[edbfbf]'],
  ['a pair of surrogates', '0006[eda0bdedb880]'],
  ['a code point above U+10FFFF', '0004[f4908080]'],
] as const;

/** Each place of a string in a packet that a connected client sends. */
const places: readonly (readonly [name: string, packet: (text: string) => string])[] = [
  ['the topic name of PUBLISH', (text) => framed(0x30, `${text} 00`)],
  ['the content type of PUBLISH', (text) => framed(0x30, `0001't' ${propertyBlock(`03 ${text}`)}`)],
  ['the response topic of PUBLISH', (text) => framed(0x30, `0001't' ${propertyBlock(`08 ${text}`)}`)],
  ['a filter of SUBSCRIBE', (text) => framed(0x82, `0001 00 ${text} 00`)],
  ['a filter of UNSUBSCRIBE', (text) => framed(0xa2, `0001 00 ${text}`)],
  ['the reason string of PUBACK', (text) => framed(0x40, `0001 00 ${propertyBlock(`1f ${text}`)}`)],
  ['the reason string of DISCONNECT', (text) => framed(0xe0, `00 ${propertyBlock(`1f ${text}`)}`)],
];

const connectPlaces: readonly (readonly [name: string, packet: (text: string) => Buffer])[] = [
  ['the client identifier', (text) => connectBytes({ payload: text })],
  ['the will topic', (text) => connectBytes({ flags: '06', payload: `0003'dev' 00 ${text} 0000` })],
  ['the will content type', (text) => connectBytes({ flags: '06', payload: willWith(`03 ${text}`) })],
  ['the user name', (text) => connectBytes({ flags: '82', payload: `0003'dev' ${text}` })],
  ['the authentication method', (text) => connectBytes({ properties: `15 ${text}` })],
];

const willWith = (property: string) => `0003'dev' ${propertyBlock(property)} 0001't' 0000`;

describeOverTransports('1.5.4 UTF-8 Encoded String', (start) => {
  it.each(illFormed)('[MQTT-1.5.4-1] refuses %s in a topic name', async (_, text) => {
    const client = await (await start()).client();

    client.send(hex(framed(0x30, `${text} 00`)));

    await client.expectDisconnect(0x81);
  });

  it.each(places)('[MQTT-1.5.4-1] refuses a surrogate in %s', async (_, packet) => {
    const client = await (await start()).client();

    client.send(hex(packet('0003[eda080]')));

    await client.expectDisconnect(0x81);
  });

  it.each(connectPlaces)('[MQTT-1.5.4-1] refuses a surrogate in %s of CONNECT', async (_, packet) => {
    const client = await (await start()).open();

    client.send(packet('0003[eda080]'));

    await expectConnectRefused(client, 0x81);
  });

  it.each(places)('[MQTT-1.5.4-2] refuses U+0000 in %s', async (_, packet) => {
    const client = await (await start()).client();

    client.send(hex(packet('0003[610062]')));

    await client.expectDisconnect(0x81);
  });

  it.each(connectPlaces)('[MQTT-1.5.4-2] refuses U+0000 in %s of CONNECT', async (_, packet) => {
    const client = await (await start()).open();

    client.send(packet('0003[610062]'));

    await expectConnectRefused(client, 0x81);
  });

  it('[MQTT-1.5.4-1] passes on characters of two, three and four bytes as they came', async () => {
    const client = await (await start()).client();
    const topic = 'c3a9 e282ac f09f9a80';

    client.send(`82 0f 0001 00 0009 ${topic} 00`);
    await client.expectHex('90 04 0001 00 00');
    client.send(`30 0e 0009 ${topic} 00 6869`);

    await client.expectHex(`30 0e 0009 ${topic} 00 6869`);
  });

  it('[MQTT-1.5.4-3] keeps U+FEFF at the start of a topic name, a filter and a property', async () => {
    const client = await (await start()).client();

    client.send('82 0a 0001 00 0004 efbbbf61 00');
    await client.expectHex('90 04 0001 00 00');
    client.send('30 04 0001 61 00');
    client.send('30 0e 0004 efbbbf61 07 03 0004 efbbbf74');

    await client.expectHex('30 0e 0004 efbbbf61 07 03 0004 efbbbf74');
    await client.expectNothing();
  });
});

describeOverTransports('1.5.5 Variable Byte Integer', (start) => {
  it.each([
    ['a remaining length of two bytes for 0', 'c0 80 00'],
    ['a remaining length of five bytes', 'c0 80 80 80 80 01'],
    ['a property length of two bytes for 0', framed(0x30, "0001't' 80 00")],
    ['a property length of five bytes', framed(0x30, "0001't' 80 80 80 80 01")],
    ['a property identifier of two bytes', framed(0x30, "0001't' 03{81 00 01}")],
    ['a subscription identifier of two bytes for 5', framed(0x82, "0001 03{0b 85 00} 0001'f' 00")],
  ])('[MQTT-1.5.5-1] refuses %s', async (_, notation) => {
    const client = await (await start()).client();

    client.send(hex(notation));

    await client.expectDisconnect(0x81);
  });

  describe.each([
    [127, '7f'],
    [128, '8001'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2_097_151, 'ffff7f'],
    [2_097_152, '80808001'],
  ])('with a remaining length of %i', (remainingLength, encoded) => {
    it(`[MQTT-1.5.5-1] sends it as ${encoded}`, async () => {
      const client = await (await start()).client();
      await client.subscribe('t');
      const received = collectBytes(client);
      const payload = Buffer.alloc(remainingLength - 4, 'x');

      client.publish('t', { payload });
      await client.next();

      const header = received().subarray(0, 1 + encoded.length / 2);
      expect(header.toString('hex')).toBe(`30${encoded}`);
      expect(received()).toHaveLength(header.length + remainingLength);
    });
  });
});

describeOverTransports('1.5.7 UTF-8 String Pair', (start) => {
  it.each([
    ['ill-formed UTF-8 in the name', "0001[ff] 0001'v'"],
    ['ill-formed UTF-8 in the value', "0001'k' 0001[ff]"],
    ['U+0000 in the name', "0001[00] 0001'v'"],
    ['U+0000 in the value', "0001'k' 0001[00]"],
  ])('[MQTT-1.5.7-1] refuses a user property with %s', async (_, pair) => {
    const client = await (await start()).client();

    client.send(hex(framed(0x30, `0001't' ${propertyBlock(`26 ${pair}`)}`)));

    await client.expectDisconnect(0x81);
  });

  it('[MQTT-1.5.7-1] passes a pair on as it came', async () => {
    const client = await (await start()).client();
    await client.subscribe('t');
    const packet = hex(framed(0x30, `0001't' ${propertyBlock('26 0002[c3a9] 0003[efbbbf]')}`));

    client.send(packet);

    await client.expectHex(packet.toString('hex'));
  });
});
