import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { publishWhole, receiveWhole } from '../exchanges.js';
import { leave, payloadsOf, publishKept, readPublishes, resume, untilAway } from '../scenario.js';
import type { StartInPlace } from '../store-contract.js';

const { PUBACK } = PacketType;

/** Retained messages go to sessions that outlive their connections like others. */
export function promisesOfRetained(start: StartInPlace): void {
  it('[MQTT-3.3.1-9] brings the retained messages of a new subscription, at their QoS and before later ones', async () => {
    const node = await start();
    const publisher = await node.client();
    for (const qos of [0, 1, 2] as const) {
      await publishWhole(publisher, `a/${qos}`, { payload: String(qos), qos, retain: true });
    }
    await publishKept(publisher, 'a/gone', { payload: 'x', retain: true });
    await publishKept(publisher, 'a/gone', { payload: '', retain: true });
    const subscriber = await resume(node, 'sub');

    await subscriber.subscribe('a/#', { qos: 2 });

    const received = await readPublishes(subscriber, 3);
    expect(received.every(({ retain }) => retain)).toBe(true);
    expect(received.map(({ topic, qos }) => `${topic} ${qos}`).sort()).toEqual(['a/0 0', 'a/1 1', 'a/2 2']);
    await publishKept(publisher, 'a/1', { payload: 'live', retain: true });
    await subscriber.expectPublish('a/1', 'live', { retain: false });
    await subscriber.expectNothing();
  });

  it('sends a retained message again that was not acknowledged, and the rest when the client is back', async () => {
    const node = await start();
    const publisher = await node.client();
    for (const number of [1, 2, 3]) {
      await publishKept(publisher, `a/${number}`, { payload: String(number), retain: true });
    }
    const first = await resume(node, 'sub');
    await first.subscribe('a/+', { qos: 1 });
    const sent = await readPublishes(first, 3);
    first.acknowledge(PUBACK, sent[1].packetId);
    await first.settled();
    first.drop();
    await untilAway(node, 'sub');

    const again = await resume(node, 'sub');

    for (const { topic, payload, packetId } of [sent[0], sent[2]]) {
      await again.expectPublish(topic, payload.toString(), { retain: true, dup: true, packetId });
    }
    await again.expectNothing();
  });

  it('brings thousands of retained messages to one session, each once, as its client takes them', async () => {
    const node = await start();
    const publisher = await node.client();
    const count = 1200;
    for (let number = 0; number < count; number++) {
      publisher.publish(`a/${number}`, { payload: String(number), qos: 1, retain: true });
      if (number % 400 === 399) for (let left = 400; left > 0; left--) await publisher.expect({ type: PUBACK });
    }
    const subscriber = await resume(node, 'sub', { receiveMaximum: 10 });

    await subscriber.subscribe('a/+', { qos: 1 });

    const received = new Set<string>();
    for (let left = count; left > 0; left--) {
      const [publish] = await readPublishes(subscriber, 1);
      subscriber.acknowledge(PUBACK, publish.packetId);
      received.add(publish.payload.toString());
    }
    expect(received.size).toBe(count);
    await subscriber.expectNothing();
  });

  it('does not send retained messages for the subscriptions that a session comes back with', async () => {
    const node = await start();
    const publisher = await node.client();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 1 });
    await leave(first);
    await publishKept(publisher, 'a', { payload: 'x', retain: true });

    const again = await resume(node, 'sub');

    await receiveWhole(again, 'a', 'x', { retain: false });
    await again.expectNothing();
    await again.subscribe('a', { qos: 1 });
    expect(payloadsOf(await readPublishes(again, 1))).toEqual(['x']);
  });
}
