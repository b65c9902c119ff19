import { it } from '@jest/globals';
import type { Client } from '../../../lib/broker/client.js';
import { hex } from '../../support/bytes.js';
import { GuardedAuth } from '../../support/guarded-auth.js';
import { SlowStore } from '../../support/slow-store.js';
import { describeOverTransports } from '../../support/test-broker.js';

/** Cannot decide about `fault`. */
class FaultyAuth extends GuardedAuth {
  override mayPublish(client: Client, topic: string): boolean {
    if (topic === 'fault') throw new Error('the directory does not answer');
    return super.mayPublish(client, topic);
  }
}

describeOverTransports('MQTT 3.1.1, 4.8 Handling errors', (start) => {
  it.each([
    ['a packet that only servers send', '20 02 00 00'],
    ['a packet that ends inside a field', "82 05 0001 0005'a'"],
    ['a packet that goes on behind its end', "82 07 0001 0001'a' 00 00"],
    ['a Remaining Length of five bytes', '30 ff ff ff ff 01'],
    ['a packet of a type that does not exist', 'f0 00'],
  ])('[MQTT-4.8.0-1] closes for %s, and goes on with the others', async (_what, bytes) => {
    const broker = await start();
    const other = await broker.client(4);
    const client = await broker.client(4);

    client.send(hex(bytes));

    await client.expectClosed();
    await other.expectNothing();
  });

  it('[MQTT-4.8.0-2] closes the connection whose packet met a transient error, and only that', async () => {
    const broker = await start({ auth: new FaultyAuth() });
    const other = await broker.client(4);
    await other.subscribe('#');
    const client = await broker.client(4);

    client.publish('fault', { qos: 1, payload: 'x' });

    await client.expectClosed();
    await other.expectNothing();
  });

  it('[MQTT-4.8.0-2] closes without PUBACK when the message cannot be kept', async () => {
    const store = new SlowStore();
    const broker = await start({ store });
    const other = await broker.client(4);
    await other.subscribe('a');
    const client = await broker.client(4);

    const settle = store.hold();
    client.publish('a', { qos: 1, payload: 'x' });
    await other.expectPublish('a', 'x');
    settle(new Error('the disk is full'));

    await client.expectClosed();
    const again = await broker.client(4);
    again.publish('a', { qos: 1, packetId: 9, payload: 'x' });
    await again.expectHex('40 02 0009');
  });
});
