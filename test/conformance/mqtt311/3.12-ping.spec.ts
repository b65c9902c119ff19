import { it } from '@jest/globals';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 3.12 PINGREQ', (start) => {
  it('[MQTT-3.12.4-1] is answered by PINGRESP, each of them', async () => {
    const client = await (await start()).client(4);

    client.send('c000').send('c000 c000');

    for (let count = 0; count < 3; count++) await client.expectHex('d000');
    await client.expectNothing();
  });

  it('closes when it has a body', async () => {
    const client = await (await start()).client(4);

    client.send('c00100');

    await client.expectClosed();
  });
});
