import { it } from '@jest/globals';
import { hex } from '../../support/bytes.js';
import { describeOverTransports } from '../../support/test-broker.js';

/** CONNECT, SUBSCRIBE, PUBLISH at QoS 2, PUBREL, PINGREQ. */
const script = hex(
  `10 10 0004'MQTT' 05 02 0000 00 0003'abc'
   82 07 0001 00 0001'b' 00
   34 07 0001'a' 0009 00 "x"
   62 02 0009
   c0 00`,
);

describeOverTransports('4.2 Network connections', (start) => {
  it.each([1, 3, 7, script.length])(
    '[MQTT-4.2-1] are streams of bytes: packets cut into pieces of %d bytes',
    async (size) => {
      const broker = await start();
      const other = await broker.client();
      await other.subscribe('a');
      const client = await broker.open();

      for (let at = 0; at < script.length; at += size) client.send(script.subarray(at, at + size));

      await client.expect({ type: 2, reasonCode: 0, sessionPresent: false });
      await client.expectHex('90 04 0001 00 00');
      await client.expectHex('50 02 0009');
      await client.expectHex('70 02 0009');
      await client.expectHex('d0 00');
      await other.expectHex('30 05 0001 61 00 78');
    },
  );

  it('[MQTT-4.2-1] carry a packet that is larger than any buffer of theirs, both ways', async () => {
    const client = await (await start()).client();
    const payload = 'mqtt'.repeat(500_000);
    await client.subscribe('large');

    client.publish('large', { payload });

    await client.expectPublish('large', payload);
    await client.expectNothing();
  });
});
