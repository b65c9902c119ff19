import { it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('3.11 UNSUBACK', (start) => {
  it('[MQTT-3.11.2-1] [MQTT-3.11.2-2] has no Reason String and no User Property that do not fit', async () => {
    const broker = await start();
    const client = await broker.client(5, { clientId: 'small', properties: { maximumPacketSize: 30 } });
    const filters = Array.from({ length: 25 }, (_, index) => `unknown/${index}`);

    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 1, filters });

    await client.expectHex(`b0 1c 0001 00 ${'11'.repeat(25)}`);
  });

  it('[MQTT-3.11.3-1] has its reason codes in the order of the filters', async () => {
    const client = await (await start()).client();
    await client.subscribe(['a', 'b']);

    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 2, filters: ['x', 'b', 'y', 'z', 'a'] });

    await client.expectHex('b0 08 0002 00 11 00 11 11 00');
  });

  it('[MQTT-3.11.3-2] says 0x00 to what was subscribed and 0x11 to what was not', async () => {
    const client = await (await start()).client();
    await client.subscribe({ filter: 'a', qos: 2 });

    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 3, filters: ['a'] });
    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 4, filters: ['a'] });

    await client.expectHex('b0 04 0003 00 00');
    await client.expectHex('b0 04 0004 00 11');
  });
});
