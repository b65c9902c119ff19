import { expect, it } from '@jest/globals';
import { framed, hex } from '../../support/bytes.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 3.9 SUBACK', (start) => {
  it('[MQTT-3.9.3-1] has its return codes in the order of the filters', async () => {
    const client = await (await start({ auth: new GuardedAuth() })).client(4);

    client.send(hex(framed(0x82, "0102 0001'a' 02 0006'secret' 02 0001'b' 00 0007'secret/' 01 0001'c' 01")));

    await client.expectHex('90 07 0102 02 80 00 80 01');
  });

  it('[MQTT-3.9.3-2] says 0x80 for every failure, whatever the reason', async () => {
    const broker = await start({
      auth: new GuardedAuth(),
      limits: { maximumSubscriptions: 1 },
      capabilities: { sharedSubscriptionAvailable: false, wildcardSubscriptionAvailable: false },
    });
    const client = await broker.client(4);

    const { reasonCodes } = await client.subscribe(['secret', '+', '#', '$share/g/a', 'a', 'b']);

    expect(reasonCodes).toEqual([0x80, 0x80, 0x80, 0x80, 0, 0x80]);
  });
});
