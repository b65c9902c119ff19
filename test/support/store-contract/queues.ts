import { expect, it } from '@jest/globals';
import type { Limits } from '../../../lib/broker/limits.js';
import { PacketType } from '../../../lib/protocol/packets.js';
import { acknowledgeWhole, publishWhole } from '../exchanges.js';
import { leave, payloadsOf, publishKept, readAll, readPublishes, resume, untilAway } from '../scenario.js';
import type { StartInPlace } from '../store-contract.js';
import type { TestBroker } from '../test-broker.js';
import type { WireClient } from '../wire-client.js';

const { PUBACK } = PacketType;

/** What waits for a client that is away, or slow. */
export function promisesOfQueues(start: StartInPlace): void {
  /** A broker with the session `sub`, whose client is away. */
  async function absent(limits: Partial<Limits> = {}): Promise<[node: TestBroker, publisher: WireClient]> {
    const node = await start({ limits });
    const client = await resume(node, 'sub');
    await client.subscribe('a/#', { qos: 2 });
    await leave(client);
    return [node, await node.client()];
  }

  it('keeps QoS 1 and 2 messages in order for a client that is away, and sends them as new', async () => {
    const [node, publisher] = await absent();
    const qosOf = (number: number) => (number % 3 === 0 ? 1 : 2);
    for (let number = 0; number < 9; number++) {
      await publishWhole(publisher, `a/${number % 2}`, { payload: String(number), qos: qosOf(number) });
    }
    await publishWhole(publisher, 'a/0', { payload: 'lost', qos: 0 });

    const again = await resume(node, 'sub');

    for (const [number, publish] of (await readPublishes(again, 9)).entries()) {
      const expected = { topic: `a/${number % 2}`, payload: Buffer.from(String(number)), qos: qosOf(number) };
      expect(publish).toMatchObject({ ...expected, dup: false, retain: false });
      await acknowledgeWhole(again, publish);
    }
    await again.expectNothing();
  });

  it('[MQTT-4.6.0-6] puts what comes in while the client returns behind what waited', async () => {
    const [node, publisher] = await absent();
    const count = 300;
    await publishNumbers(publisher, 'a/x', 0, count);

    const again = await node.open();
    again.sendConnect({ clientId: 'sub', cleanStart: false, properties: { sessionExpiryInterval: 100 } });
    await publishNumbers(publisher, 'a/x', count, 2 * count, 20);
    await again.expect({ type: PacketType.CONNACK, sessionPresent: true });

    expect(await readAcknowledged(again, 2 * count)).toEqual(numbers(2 * count));
    await again.expectNothing();
  });

  it('brings a queue longer than what is held in memory in its order, at a small Receive Maximum', async () => {
    const [node, publisher] = await absent();
    const count = 1500;
    await publishNumbers(publisher, 'a/x', 0, count);

    const again = await resume(node, 'sub', { receiveMaximum: 20 });
    expect(await readAcknowledged(again, 700)).toEqual(numbers(700));
    await again.settled();
    again.drop();
    await untilAway(node, 'sub');

    const last = await resume(node, 'sub', { receiveMaximum: 50 });
    expect(await readAcknowledged(last, count - 700)).toEqual(numbers(count).slice(700));
    await last.expectNothing();
  });

  it('lets a slow client have everything in order while its queue grows behind what is in flight', async () => {
    const node = await start();
    const publisher = await node.client();
    const slow = await resume(node, 'sub', { receiveMaximum: 2 });
    await slow.subscribe('a/#', { qos: 1 });
    const count = 800;
    await publishNumbers(publisher, 'a/x', 0, count);

    expect(await readAcknowledged(slow, count)).toEqual(numbers(count));
    await slow.expectNothing();
  });

  it('dropNewest: what comes to a full queue is dropped and counted, and acknowledged to its publisher', async () => {
    const [node, publisher] = await absent({ maximumQueuedMessages: 3 });

    for (let number = 0; number < 5; number++) await publishKept(publisher, 'a/x', { payload: String(number) });

    expect(node.broker.counters.messagesDropped).toBe(2);
    const again = await resume(node, 'sub');
    expect(payloadsOf(await readPublishes(again, 3))).toEqual(['0', '1', '2']);
    await again.expectNothing();
  });

  it('dropOldest: what waits longest gives way, what is in flight does not', async () => {
    const limits = { maximumQueuedMessages: 2, onQueueFull: 'dropOldest' } as const;
    const node = await start({ limits });
    const publisher = await node.client();
    const first = await resume(node, 'sub', { receiveMaximum: 2 });
    await first.subscribe('a/#', { qos: 1 });

    for (let number = 0; number < 8; number++) await publishKept(publisher, 'a/x', { payload: String(number) });

    expect(payloadsOf(await readPublishes(first, 2))).toEqual(['0', '1']);
    await leave(first);
    const again = await resume(node, 'sub');
    expect(payloadsOf(await readPublishes(again, 4))).toEqual(['0', '1', '6', '7']);
    expect(node.broker.counters.messagesDropped).toBe(4);
    await again.expectNothing();
  });

  it.each(['dropNewest', 'dropOldest'] as const)('%s: what has expired gives way first', async (onQueueFull) => {
    const [node, publisher] = await absent({ maximumQueuedMessages: 3, onQueueFull });
    const expiring = { properties: { messageExpiryInterval: 10 } };
    await publishKept(publisher, 'a/x', { payload: '1' });
    await publishKept(publisher, 'a/x', { payload: 'expired', ...expiring });
    await publishKept(publisher, 'a/x', { payload: '2' });
    node.clock.advance(11);

    await publishKept(publisher, 'a/x', { payload: '3' });

    const again = await resume(node, 'sub');
    expect(payloadsOf(await readPublishes(again, 3))).toEqual(['1', '2', '3']);
    expect(node.broker.counters.messagesDropped).toBe(1);
    await again.expectNothing();
  });

  it('bounds the bytes of a queue as well, where one message always fits', async () => {
    const [node, publisher] = await absent({ maximumQueuedBytes: 20_000 });

    for (const letter of ['a', 'b', 'c', 'd']) {
      await publishKept(publisher, 'a/x', { payload: letter.repeat(9_000) });
    }
    const again = await resume(node, 'sub');
    expect((await readAcknowledged(again, 2)).map((payload) => payload[0])).toEqual(['a', 'b']);
    await again.expectNothing();
    await leave(again);
    await publishKept(publisher, 'a/x', { payload: 'e'.repeat(30_000) });

    const last = await resume(node, 'sub');
    expect((await readAcknowledged(last, 1)).map((payload) => payload[0])).toEqual(['e']);
    expect(node.broker.counters.messagesDropped).toBe(2);
  });

  it('has room again when a full queue has emptied, round after round', async () => {
    const [node, publisher] = await absent({ maximumQueuedMessages: 3 });

    for (let round = 1; round <= 4; round++) {
      for (let number = 0; number < 4; number++) await publishKept(publisher, 'a/x', { payload: String(number) });
      const again = await resume(node, 'sub');
      expect(await readAcknowledged(again, 3)).toEqual(['0', '1', '2']);
      await again.expectNothing();
      await leave(again);
      expect(node.broker.counters.messagesDropped).toBe(round);
    }
  });

  it('[MQTT-3.3.2-5] leaves out what expired while it waited, and takes the time off that the rest has waited', async () => {
    const [node, publisher] = await absent();
    const lasting = (messageExpiryInterval: number) => ({ properties: { messageExpiryInterval } });
    await publishKept(publisher, 'a/x', { payload: 'short', ...lasting(5) });
    await publishKept(publisher, 'a/x', { payload: 'long', ...lasting(100) });

    node.clock.advance(30);

    const again = await resume(node, 'sub');
    // [MQTT-3.3.2-6]
    await again.expectPublish('a/x', 'long', { properties: { messageExpiryInterval: 70 } });
    await again.expectNothing();
  });

  it('sends a message again that expired after it was sent', async () => {
    const node = await start();
    const first = await resume(node, 'sub');
    await first.subscribe('a/#', { qos: 1 });
    const properties = { messageExpiryInterval: 5 };
    await publishKept(await node.client(), 'a/x', { payload: 'sent', properties });
    const { packetId } = await first.expectPublish('a/x', 'sent');
    await leave(first);

    node.clock.advance(30);

    await (await resume(node, 'sub')).expectPublish('a/x', 'sent', { dup: true, packetId });
  });

  it('keeps one queue for each session, whatever they share', async () => {
    const node = await start();
    for (const clientId of ['one', 'two', 'three']) {
      const client = await resume(node, clientId);
      await client.subscribe(['a/x', 'a/#'], { qos: 1 });
      await leave(client);
    }
    await publishKept(await node.client(), 'a/x', { payload: 'x' });
    const one = await resume(node, 'one');
    expect(await readAcknowledged(one, 1)).toEqual(['x']);
    await one.settled();
    await leave(one);

    for (const [clientId, expected] of [
      ['one', []],
      ['two', ['x']],
      ['three', ['x']],
    ] as const) {
      const again = await resume(node, clientId);
      const received = await readPublishes(again, expected.length);
      expect(payloadsOf([...received, ...(await readAll(again))])).toEqual(expected);
    }
  });
}

/** The payloads of the next `count` messages, each acknowledged as it comes. */
async function readAcknowledged(client: WireClient, count: number): Promise<string[]> {
  const payloads: string[] = [];
  while (payloads.length < count) {
    const [{ packetId, payload }] = await readPublishes(client, 1);
    client.acknowledge(PUBACK, packetId);
    payloads.push(payload.toString());
  }
  return payloads;
}

/** Publishes numbers at QoS 1, `atOnce` of them before it waits for their acknowledgements. */
async function publishNumbers(
  publisher: WireClient,
  topic: string,
  first: number,
  end: number,
  atOnce = 500,
): Promise<void> {
  for (let start = first; start < end; start += atOnce) {
    const some = numbers(Math.min(end, start + atOnce)).slice(start);
    for (const payload of some) publisher.publish(topic, { payload, qos: 1 });
    for (const _ of some) await publisher.expect({ type: PUBACK });
  }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, number) => String(number));
