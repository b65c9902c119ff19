import { expect, it } from '@jest/globals';
import { AllowAllAuth } from '../../../lib/auth/allow-all.auth.js';
import { encodePacket } from '../../../lib/protocol/packet-encoder.js';
import { PacketType, type AcknowledgePacket } from '../../../lib/protocol/packets.js';
import { legalReasonCodes } from '../../../lib/protocol/reason-codes.js';
import { expectRefused } from '../../support/scenario.js';
import { describeOverTransports, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

/** Refuses everything below `forbidden/`. */
class SomeAuth extends AllowAllAuth {
  override mayPublish(_client: unknown, topic: string): boolean {
    return !topic.startsWith('forbidden/');
  }
}

const publishCodes = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const releaseCodes = [0x00, 0x92];
const rows = [
  { type: PacketType.PUBACK, name: 'PUBACK', section: '3.4.2', first: '40', qos: 1, legal: publishCodes },
  { type: PacketType.PUBREC, name: 'PUBREC', section: '3.5.2', first: '50', qos: 2, legal: publishCodes },
  { type: PacketType.PUBREL, name: 'PUBREL', section: '3.6.2', first: '62', qos: 2, legal: releaseCodes },
  { type: PacketType.PUBCOMP, name: 'PUBCOMP', section: '3.7.2', first: '70', qos: 2, legal: releaseCodes },
] as const;
const illegalCodes = [0x01, 0x11, 0x81, 0x82, 0x93, 0xff];

/** A subscriber to which packet 1 is on its way, so far that `type` is what it has to send next. */
async function receiver(broker: TestBroker, type: number): Promise<WireClient> {
  const subscriber = await broker.client();
  const publisher = await broker.client();
  if (type === PacketType.PUBREL) {
    subscriber.publish('a', { qos: 2, packetId: 1 });
    await subscriber.next(PacketType.PUBREC);
    return subscriber;
  }
  await subscriber.subscribe('a', { qos: 2 });
  publisher.publish('a', { qos: type === PacketType.PUBACK ? 1 : 2, payload: 'x' });
  await subscriber.expectPublish('a', 'x', { packetId: 1 });
  if (type === PacketType.PUBCOMP) {
    subscriber.acknowledge(PacketType.PUBREC, 1);
    await subscriber.expectHex('62 02 0001');
  }
  return subscriber;
}

describeOverTransports('3.4-3.7 PUBACK, PUBREC, PUBREL, PUBCOMP', (start) => {
  for (const { type, name, section, first, qos, legal } of rows) {
    it(`[MQTT-${section}-1] takes the reason codes of ${name}, in the long form and the short one`, async () => {
      for (const code of legal) {
        const client = await receiver(await start(), type);

        client.send(encodePacket({ type, packetId: 1, reasonCode: code, properties: { reasonString: 'why' } }, 5));

        if (type === PacketType.PUBREL) await client.expectHex('70 02 0001');
        if (type === PacketType.PUBREC && code < 0x80) await client.expectHex('62 02 0001');
        await client.expectNothing();
      }
      const client = await receiver(await start(), type);
      client.send(`${first} 03 0001 00`);
      if (type === PacketType.PUBREL) await client.expectHex('70 02 0001');
      if (type === PacketType.PUBREC) await client.expectHex('62 02 0001');
      await client.expectNothing();
    });

    it(`[MQTT-${section}-1] closes the connection on a reason code that ${name} does not have`, async () => {
      const others = type === PacketType.PUBREL || type === PacketType.PUBCOMP ? [0x10, 0x80] : [0x92];
      for (const code of [...illegalCodes, ...others]) {
        const client = await receiver(await start(), type);

        client.send(`${first} 03 0001 ${code.toString(16).padStart(2, '0')}`);

        await expectRefused(client, 0x81, 0x82);
      }
    });

    it(`[MQTT-${section}-1] sends ${name} only with its own reason codes`, async () => {
      const broker = await start({ auth: new SomeAuth() });
      const client = await broker.client();
      await client.subscribe('mine', { qos: 2 });

      for (const packet of await provoke(client, type, qos)) {
        expect(packet.type).toBe(type);
        expect(legal).toContain(packet.reasonCode);
      }
      expect(legalReasonCodes[type]).toEqual(new Set<number>(legal));
    });

    it(`[MQTT-${section}-2] [MQTT-${section}-3] leaves out what makes ${name} larger than the client takes`, async () => {
      const broker = await start({ auth: new SomeAuth() });
      const client = await broker.client(5, { clientId: 'c', properties: { maximumPacketSize: 30 } });
      await client.subscribe('mine', { qos: 2 });

      for (const packet of await provoke(client, type, qos)) {
        expect(packet.type).toBe(type);
        expect(encodePacket(packet, 5).length).toBeLessThanOrEqual(30);
      }
    });

    it(`[MQTT-${section}-2] [MQTT-${section}-3] takes a Reason String once and User Properties in ${name}`, async () => {
      const client = await receiver(await start(), type);
      client.send(`${first} 15 0001 00 11 1f 0002 6f6b 26 0001 61 0001 62 26 0000 0000`);
      if (type === PacketType.PUBREL) await client.expectHex('70 02 0001');
      if (type === PacketType.PUBREC) await client.expectHex('62 02 0001');
      await client.expectNothing();

      const other = await receiver(await start(), type);
      other.send(`${first} 0e 0001 00 0a 1f 0002 6f6b 1f 0002 6f6b`);
      await expectRefused(other, 0x82);
    });
  }

  /** Lets the broker send `type` in every way that a client can bring about, refusals included. */
  async function provoke(client: WireClient, type: number, qos: 1 | 2): Promise<AcknowledgePacket[]> {
    const packets: AcknowledgePacket[] = [];
    const next = async () => packets.push((await client.next()) as AcknowledgePacket);
    if (type === PacketType.PUBACK || type === PacketType.PUBREC) {
      for (const topic of ['nobody', 'forbidden/a', '$SYS/a']) {
        client.publish(topic, { qos });
        await next();
      }
    } else if (type === PacketType.PUBREL) {
      client.acknowledge(PacketType.PUBREC, 77);
      await next();
      client.publish('mine', { qos: 2, payload: 'x' });
      const { packetId } = await client.expectPublish('mine', 'x');
      await client.next(PacketType.PUBREC);
      client.acknowledge(PacketType.PUBREC, packetId);
      await next();
    } else {
      client.acknowledge(PacketType.PUBREL, 77);
      await next();
      client.publish('nobody', { qos: 2, packetId: 5 });
      await client.next(PacketType.PUBREC);
      client.acknowledge(PacketType.PUBREL, 5);
      await next();
    }
    return packets;
  }

  it.each(['60', '61', '63', '64', '66', '6a', '6f'])(
    '[MQTT-3.6.1-1] closes the connection on a PUBREL with the first byte %s',
    async (first) => {
      const client = await receiver(await start(), PacketType.PUBREL);

      client.send(`${first} 02 0001`);

      await expectRefused(client, 0x81);
    },
  );

  it('[MQTT-3.6.1-1] sends PUBREL with the flags 0010, also for an unknown packet identifier', async () => {
    const client = await receiver(await start(), PacketType.PUBREC);

    client.acknowledge(PacketType.PUBREC, 1);
    await client.expectHex('62 02 0001');
    client.acknowledge(PacketType.PUBREC, 0x1234);
    await client.expectHex('62 03 1234 92');
  });

  it('[MQTT-3.7.2-1] answers a PUBREL for an unknown packet identifier with PUBCOMP 0x92', async () => {
    const broker = await start();
    const client = await broker.client();

    client.acknowledge(PacketType.PUBREL, 0x1234);

    await client.expectHex('70 03 1234 92');
  });

  it('[MQTT-3.4.2-1] [MQTT-3.5.2-1] tells 0x87 in PUBACK and PUBREC when the topic is not allowed', async () => {
    const broker = await start({ auth: new SomeAuth() });
    const subscriber = await broker.client();
    const client = await broker.client();
    await subscriber.subscribe('#', { qos: 2 });

    client.publish('forbidden/a', { qos: 1 });
    await client.expect({ type: PacketType.PUBACK, packetId: 1, reasonCode: 0x87 });
    client.publish('forbidden/a', { qos: 2 });
    await client.expect({ type: PacketType.PUBREC, packetId: 2, reasonCode: 0x87 });
    client.publish('forbidden/a');
    await client.expectNothing();
    await subscriber.expectNothing();
  });
});
