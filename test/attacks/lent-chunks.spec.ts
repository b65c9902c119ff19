import { expect, it } from '@jest/globals';
import { beatMs } from '../../lib/broker/silence.js';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { describeInMemory, publishKept } from '../support/scenario.js';
import type { TestBroker } from '../support/test-broker.js';

const fillerBytes = 60_000;

const publish = (topic: string, payload: Buffer, qos: 0 | 1 = 0): Buffer => {
  const fields = { type: PacketType.PUBLISH, dup: false, retain: false, packetId: qos } as const;
  return encodePacket({ ...fields, topic, payload, qos }, 4);
};

/** Bytes of memory that the one message of a session keeps alive. */
function heldBy({ broker }: TestBroker, clientId: string): number {
  const [{ delivery }] = broker.sessions.get(clientId)!.deliveries.all();
  return delivery.message.payload.buffer.byteLength;
}

describeInMemory('a message that nobody acknowledges', (start) => {
  /** A small message that came together with much else, to a receiver who keeps it in flight. */
  async function sendAmongOthers(broker: TestBroker) {
    const payload = Buffer.from('kept');
    const receiver = await broker.client(4, { clientId: 'receiver' });
    await receiver.subscribe('a', { qos: 1 });
    const publisher = await broker.client(4);
    publisher.send(Buffer.concat([publish('a', payload, 1), publish('other', Buffer.alloc(fillerBytes))]));
    await publisher.expect({ type: PacketType.PUBACK, packetId: 1 });
    await receiver.expect({ type: PacketType.PUBLISH, topic: 'a', payload: 'kept' });
    expect(heldBy(broker, 'receiver')).toBeGreaterThan(fillerBytes);
    return publisher;
  }

  it('[A17] does not keep what came with it alive for longer than a moment', async () => {
    const broker = await start();
    await sendAmongOthers(broker);

    broker.clock.advance(beatMs);

    expect(heldBy(broker, 'receiver')).toBeLessThan(fillerBytes / 4);
  });

  it('[A17] does not keep it alive while much comes in', async () => {
    const broker = await start();
    const publisher = await sendAmongOthers(broker);

    for (let sent = 0; sent < 5_000_000; sent += fillerBytes)
      publisher.publish('other', { payload: 'x'.repeat(fillerBytes) });
    await publishKept(publisher, 'other');

    expect(heldBy(broker, 'receiver')).toBeLessThan(fillerBytes / 4);
  });

  it('is sent again as it was, when its client comes back', async () => {
    const broker = await start();
    const receiver = await broker.client(4, { clientId: 'receiver', cleanStart: false });
    await receiver.subscribe('a', { qos: 1 });
    const publisher = await broker.client(4);
    const payloads = ['one', 'two', 'three'];
    publisher.send(Buffer.concat(payloads.map((payload) => publish('a', Buffer.from(payload), 1))));
    for (const _ of payloads) await publisher.next(PacketType.PUBACK);
    for (const payload of payloads) await receiver.expect({ type: PacketType.PUBLISH, payload, dup: false });

    broker.clock.advance(beatMs);
    const again = await broker.client(4, { clientId: 'receiver', cleanStart: false });

    for (const payload of payloads) await again.expect({ type: PacketType.PUBLISH, topic: 'a', payload, dup: true });
  });
});
