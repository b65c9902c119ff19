import { it } from '@jest/globals';
import { hex } from '../../support/bytes.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 3.4 to 3.7 Acknowledgements', (start) => {
  it.each(['60', '61', '63', '66', '6a', '6f'])(
    '[MQTT-3.6.1-1] closes for a PUBREL that begins with %s',
    async (first) => {
      const client = await (await start()).client(4);
      client.publish('a', { qos: 2, packetId: 1 });
      await client.expectHex('50 02 0001');

      client.send(`${first} 02 0001`);

      await client.expectClosed();
    },
  );

  it.each(['40 01 00', '40 03 0001 00', '50 03 0001 00', '62 03 0001 00', '70 03 0001 00'])(
    'closes for the acknowledgement %s, which has not two bytes',
    async (bytes) => {
      const client = await (await start()).client(4);

      client.send(hex(bytes));

      await client.expectClosed();
    },
  );

  it('are sent without reason code, for unknown identifiers too', async () => {
    const client = await (await start()).client(4);

    client.send('50 02 0007');
    await client.expectHex('62 02 0007');
    client.send('62 02 0008');
    await client.expectHex('70 02 0008');
    client.send('40 02 0009').send('70 02 0009');
    await client.expectNothing();
  });
});
