import { it } from '@jest/globals';
import { framed, hex } from '../../support/bytes.js';
import { connectBytes311 } from '../../support/connect-bytes-311.js';
import { describeOverTransports } from '../../support/test-broker.js';

const inConnect = (flags: string, payload: string) => connectBytes311({ flags, payload }).toString('hex');

/** Where a CONNECT has strings; only the first has to be one character. */
const connectFields = (text: string): [string, string][] => [
  ['client identifier', inConnect('02', text)],
  ['will topic', inConnect('06', `0001'c' ${text} 0001'm'`)],
  ['user name', inConnect('82', `0001'c' ${text}`)],
];

const packetFields = (text: string): [string, string][] => [
  ['topic name', framed(0x30, text)],
  ['topic filter of SUBSCRIBE', framed(0x82, `0001 ${text} 00`)],
  ['topic filter of UNSUBSCRIBE', framed(0xa2, `0001 ${text}`)],
];

const illFormed = { 'a stray byte': '0002[61ff]', 'a surrogate': '0003[eda080]', 'an overlong form': '0002[c0af]' };

describeOverTransports('MQTT 3.1.1, 1.5 Strings', (start) => {
  for (const [what, text] of Object.entries(illFormed)) {
    it.each(connectFields(text))(`[MQTT-1.5.3-1] closes for ${what} in a %s`, async (_where, bytes) => {
      const client = await (await start()).open(4);

      client.send(bytes);

      await client.expectClosed();
    });

    it.each(packetFields(text))(`[MQTT-1.5.3-1] closes for ${what} in a %s`, async (_where, bytes) => {
      const client = await (await start()).client(4);

      client.send(hex(bytes));

      await client.expectClosed();
    });
  }

  it.each(connectFields('0003[610062]'))('[MQTT-1.5.3-2] closes for U+0000 in a %s', async (_where, bytes) => {
    const client = await (await start()).open(4);

    client.send(bytes);

    await client.expectClosed();
  });

  it.each(packetFields('0003[610062]'))('[MQTT-1.5.3-2] closes for U+0000 in a %s', async (_where, bytes) => {
    const client = await (await start()).client(4);

    client.send(hex(bytes));

    await client.expectClosed();
  });

  it('[MQTT-1.5.3-3] never strips U+FEFF', async () => {
    const client = await (await start()).client(4);
    await client.subscribe(['a', '\ufeffa', 'a\ufeffb']);

    client.send(hex(framed(0x30, `0004[efbbbf61] "x"`)));
    await client.expectHex('30 07 0004 efbbbf61 78');
    client.send(hex(framed(0x30, `0005[61efbbbf62] "x"`)));
    await client.expectHex('30 08 0005 61efbbbf62 78');
    await client.expectNothing();
  });
});
