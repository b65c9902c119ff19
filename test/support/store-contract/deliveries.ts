import { expect, it } from '@jest/globals';
import { PacketType, type PublishPacket } from '../../../lib/protocol/packets.js';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { acknowledgeWhole, publishWhole, receiveWhole } from '../exchanges.js';
import { leave, packetIdsOf, payloadsOf, publishKept, readAll, readPublishes, resume, untilAway } from '../scenario.js';
import type { StartInPlace } from '../store-contract.js';

const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** What is in flight, in both directions, is unfinished business of the session and goes on with it. */
export function promisesOfDeliveries(start: StartInPlace): void {
  it('[MQTT-4.4.0-1] sends again what was not acknowledged, with DUP and its packet identifier: PUBLISH, and PUBREL', async () => {
    const node = await start();
    const publisher = await node.client();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 2 });
    for (const [index, qos] of ([1, 2, 1, 2, 2] as const).entries()) {
      await publishWhole(publisher, 'a', { payload: String(index), qos });
    }
    const sent = packetIdsOf(await readPublishes(first, 5));
    first.acknowledge(PUBREC, sent[1]);
    await first.expect({ type: PUBREL, packetId: sent[1] });
    first.acknowledge(PUBACK, sent[2]);
    first.acknowledge(PUBREC, sent[4]);
    await first.expect({ type: PUBREL, packetId: sent[4] });
    first.acknowledge(PUBCOMP, sent[4]);
    await first.settled();
    first.drop();
    await untilAway(node, 'sub');

    const again = await resume(node, 'sub');

    const packets = await readAll(again);
    const published = packets.filter(({ type }) => type === PUBLISH);
    expect(published).toMatchObject([
      { packetId: sent[0], qos: 1, dup: true },
      { packetId: sent[3], qos: 2, dup: true },
    ]);
    expect(payloadsOf(published)).toEqual(['0', '3']);
    expect(packets.filter(({ type }) => type === PUBREL)).toMatchObject([{ packetId: sent[1] }]);
    expect(packets).toHaveLength(3);
  });

  it('sends again as often as the client comes back, and no more once it has acknowledged', async () => {
    const node = await start();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 2 });
    await publishWhole(await node.client(), 'a', { payload: 'x', qos: 2 });
    const publish = await first.expectPublish('a', 'x', { dup: false });
    await leave(first);

    for (let round = 0; round < 3; round++) {
      const again = await resume(node, 'sub');
      await again.expectPublish('a', 'x', { dup: true, packetId: publish.packetId });
      if (round === 2) await acknowledgeWhole(again, publish);
      await again.settled();
      again.drop();
      await untilAway(node, 'sub');
    }

    await (await resume(node, 'sub')).expectNothing();
  });

  it('goes on with the exchange where it was: PUBREC and PUBCOMP on later connections', async () => {
    const node = await start();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 2 });
    await publishWhole(await node.client(), 'a', { payload: 'x', qos: 2 });
    const { packetId } = await first.expectPublish('a', 'x');
    await leave(first);
    const second = await resume(node, 'sub');
    await second.expectPublish('a', 'x', { dup: true, packetId });
    second.acknowledge(PUBREC, packetId);
    await second.expect({ type: PUBREL, packetId });
    await leave(second);

    const third = await resume(node, 'sub');
    await third.expect({ type: PUBREL, packetId });
    third.acknowledge(PUBCOMP, packetId);
    await third.settled();
    await leave(third);

    await (await resume(node, 'sub')).expectNothing();
  });

  it('gives new messages packet identifiers that nothing in flight has', async () => {
    const node = await start();
    const publisher = await node.client();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 1 });
    const ids = new Set<number>();
    for (let round = 0; round < 4; round++) {
      await publishKept(publisher, 'a', { payload: `live ${round}` });
      const again = await resume(node, 'sub');
      const received = await readPublishes(again, round * 2 + 1);
      for (const id of packetIdsOf(received)) ids.add(id);
      expect(new Set(packetIdsOf(received)).size).toBe(received.length);
      await leave(again);
      await publishKept(publisher, 'a', { payload: `queued ${round}` });
    }

    const last = await readPublishes(await resume(node, 'sub'), 8);

    expect(payloadsOf(last)).toEqual([0, 1, 2, 3].flatMap((round) => [`live ${round}`, `queued ${round}`]));
    expect(packetIdsOf(last).slice(0, 7)).toEqual([...ids]);
    expect(last.map(({ dup }) => dup)).toEqual([...Array<boolean>(7).fill(true), false]);
  });

  it('[MQTT-4.9.0-2] keeps to the Receive Maximum of the new connection with what it sends again', async () => {
    const node = await start();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 1 });
    const publisher = await node.client();
    for (const payload of ['1', '2', '3']) await publishKept(publisher, 'a', { payload });
    await readPublishes(first, 3);
    await leave(first);
    await publishKept(publisher, 'a', { payload: '4' });

    const again = await resume(node, 'sub', { receiveMaximum: 1 });

    for (const payload of ['1', '2', '3', '4']) {
      const { packetId } = await again.expectPublish('a', payload, { dup: payload !== '4' });
      await again.expectNothing();
      again.acknowledge(PUBACK, packetId);
    }
    await again.expectNothing();
  });

  it('[MQTT-4.3.3-10] knows of a QoS 2 message that its publisher sends again: nobody gets it twice', async () => {
    const node = await start();
    const subscriber = await node.client();
    await subscriber.subscribe('a', { qos: 2 });
    await (await resume(node, 'queued')).subscribe('a', { qos: 2 });
    const first = await resume(node, 'pub');
    const packetId = first.publish('a', { payload: 'x', qos: 2 });
    await first.expect({ type: PUBREC, packetId });
    first.drop();
    await untilAway(node, 'pub');

    const again = await resume(node, 'pub');
    again.publish('a', { payload: 'x', qos: 2, packetId, dup: true });
    await again.expect({ type: PUBREC, packetId });
    again.acknowledge(PUBREL, packetId);
    await again.expect({ type: PUBCOMP, packetId, reasonCode: ReasonCode.Success });

    await receiveWhole(subscriber, 'a', 'x', { qos: 2 });
    await subscriber.expectNothing();
    const queued = await resume(node, 'queued');
    await receiveWhole(queued, 'a', 'x', { qos: 2 });
    await queued.expectNothing();
  });

  it('[MQTT-4.3.3-11] frees the packet identifier with PUBREL, also when that comes on a later connection', async () => {
    const node = await start();
    const subscriber = await node.client();
    await subscriber.subscribe('a', { qos: 0 });
    const first = await resume(node, 'pub');
    const packetId = first.publish('a', { payload: 'x', qos: 2 });
    await first.expect({ type: PUBREC, packetId });
    await leave(first);

    const again = await resume(node, 'pub');
    again.acknowledge(PUBREL, packetId);
    await again.expect({ type: PUBCOMP, packetId, reasonCode: ReasonCode.Success });
    again.acknowledge(PUBREL, packetId);
    await again.expect({ type: PUBCOMP, packetId, reasonCode: ReasonCode.PacketIdentifierNotFound });
    await publishWhole(again, 'a', { payload: 'new', qos: 2, packetId });

    await subscriber.expectPublish('a', 'x');
    await subscriber.expectPublish('a', 'new');
    await subscriber.expectNothing();
  });

  it('leaves a message out that the client cannot take, and sends those behind it', async () => {
    const node = await start();
    const publisher = await node.client();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 1 });
    await leave(first);
    for (const payload of ['1', 'x'.repeat(500), '2']) await publishKept(publisher, 'a', { payload });

    const again = await resume(node, 'sub', { maximumPacketSize: 100 });

    for (const payload of ['1', '2']) await receiveWhole(again, 'a', payload, { qos: 1 });
    await again.settled();
    await leave(again);
    await (await resume(node, 'sub')).expectNothing();
  });

  it('keeps all properties of a message, and bytes as they are', async () => {
    const node = await start();
    const first = await resume(node, 'sub');
    await first.subscribe('a', { qos: 2 });
    await leave(first);
    const payload = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const properties = {
      payloadFormatIndicator: 0,
      contentType: 'text/ä',
      responseTopic: 'answer/here',
      correlationData: Buffer.from([0, 255, 13, 10]),
      userProperties: [
        ['k', 'v'],
        ['k', 'w'],
        ['', ''],
      ] as [string, string][],
    };
    await publishWhole(await node.client(), 'a', { payload, qos: 2, properties });

    const publish = (await (await resume(node, 'sub')).next(PUBLISH)) as PublishPacket;

    expect(publish.payload).toEqual(payload);
    expect(publish.properties).toEqual(properties);
  });
}
