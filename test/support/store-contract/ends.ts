import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { publishWhole } from '../exchanges.js';
import { leave, publishKept, resume, untilAway } from '../scenario.js';
import type { StartInPlace, StoreContractOptions } from '../store-contract.js';
import type { TestBroker } from '../test-broker.js';
import { connectDev, delayedWill } from '../will-steps.js';

const { PUBLISH, PUBREC } = PacketType;

/** Of a session that has ended nothing is left, in whatever way it ended. */
export function promisesOfEnds(start: StartInPlace, kept: StoreContractOptions['kept']): void {
  /** A session with something in every corner: subscriptions, a queue, in flight both ways, a will. */
  async function fill(node: TestBroker): Promise<void> {
    const client = await connectDev(node, { will: delayedWill(1000) });
    await client.subscribe(['a', '$share/g/a', 'b/#'], { qos: 2 });
    const publisher = await node.client();
    for (const qos of [1, 2] as const) await publishWhole(publisher, 'a', { payload: 'x', qos });
    client.publish('nobody', { qos: 2 });
    const types: number[] = [];
    while (types.length < 5) types.push((await client.next()).type);
    expect(types.filter((type) => type === PUBLISH)).toHaveLength(4);
    expect(types).toContain(PUBREC);
    client.drop();
    await untilAway(node, 'dev');
    await publishKept(publisher, 'b/x', { payload: 'waits', properties: { messageExpiryInterval: 5 } });
  }

  async function expectNothingLeft(node: TestBroker): Promise<void> {
    for (;;) {
      const left = (await kept?.()) ?? [];
      if (left.length === 0 && node.broker.topics.size === 0) break;
      node.clock.advance(1);
    }
    expect(node.broker.sessions.has('dev')).toBe(false);
    const again = await node.open();
    expect((await again.connect({ clientId: 'dev', cleanStart: false })).sessionPresent).toBe(false);
    await again.expectNothing();
  }

  it('[MQTT-4.1.0-2] leaves nothing of a session that has expired', async () => {
    const node = await start();
    await fill(node);

    node.clock.advance(101);

    await expectNothingLeft(node);
  });

  it('leaves nothing of a session that its client ends with DISCONNECT', async () => {
    const node = await start();
    await fill(node);
    const client = await connectDev(node);

    client.disconnect(0, { sessionExpiryInterval: 0 });

    await expectNothingLeft(node);
  });

  it('leaves nothing of a session that a clean start discards and that ends with its connection', async () => {
    const node = await start();
    await fill(node);
    const client = await node.client(5, { clientId: 'dev', cleanStart: true });

    await leave(client);

    await expectNothingLeft(node);
  });

  it('leaves nothing in the queue of a session that has unsubscribed and acknowledged everything', async () => {
    const node = await start();
    const publisher = await node.client();
    const client = await resume(node, 'dev');
    await client.subscribe(['a', 'b'], { qos: 1 });
    for (const topic of ['a', 'b']) {
      await publishKept(publisher, topic, { payload: topic });
      client.acknowledge(PacketType.PUBACK, (await client.expectPublish(topic, topic)).packetId);
    }
    client.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['a', 'b'] });
    await client.expect({ type: PacketType.UNSUBACK });
    for (const topic of ['a', 'b']) await publishKept(publisher, topic, { payload: 'late' });
    await client.expectNothing();
    await leave(client);

    await (await resume(node, 'dev')).expectNothing();
    expect(node.broker.topics.size).toBe(0);
  });
}
