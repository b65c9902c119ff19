import { expect, it } from '@jest/globals';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { PacketType, type Packet } from '../../lib/protocol/packets.js';
import { expectRefused } from '../support/scenario.js';
import { describeOverTransports } from '../support/test-broker.js';

const pingreq = { type: PacketType.PINGREQ } as const;

describeOverTransports('first packets and those that only a broker sends', (start) => {
  it('[A1] closes a CONNECT that announces 256 MB at once, with nothing held for it', async () => {
    const broker = await start();
    const client = await broker.open();

    client.send('10 ff ff ff 7f 0004');

    await client.expectClosed();
    expect(broker.broker.sessions.size).toBe(0);
  });

  it.each(['', '10', '10 80', '10 80 80', '10 80 80 04', '10 20 0004 4d515454 05'])(
    '[A1] closes a connection that goes silent after "%s" at the connect timeout, not before',
    async (bytes) => {
      const broker = await start({ limits: { connectTimeoutMs: 10_000 } });
      const client = await broker.open();
      if (bytes !== '') client.send(bytes);
      const other = await broker.client();
      await other.expectNothing();

      broker.clock.advance(9.5);
      await other.expectNothing();
      expect(broker.broker.connections.size).toBe(2);
      broker.clock.advance(1);

      await client.expectClosed();
      await other.expectNothing();
    },
  );

  it('[A1] holds for an unfinished CONNECT about as much as has come, whatever it announces', async () => {
    const broker = await start();
    const clients = await Promise.all(Array.from({ length: 50 }, () => broker.open()));
    const other = await broker.client();
    await other.expectNothing();
    const before = process.memoryUsage().arrayBuffers;

    for (const client of clients) client.send('10 ff ff 1f 0004 4d515454 05');
    await other.expectNothing();

    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * 524_288 * 0.5);
    broker.clock.advance(11);
    for (const client of clients) await client.expectClosed();
  });

  it('[A1] a CONNECT that drips in byte by byte is closed at the connect timeout', async () => {
    const broker = await start({ limits: { connectTimeoutMs: 10_000 } });
    const client = await broker.open();
    const other = await broker.client();
    const defaults = { cleanStart: true, keepAlive: 0, clientId: 'c' } as const;
    const bytes = encodePacket({ type: PacketType.CONNECT, protocolVersion: 5, ...defaults }, 5);

    for (const byte of bytes.subarray(0, 12)) {
      client.send(Buffer.from([byte]));
      await other.expectNothing();
      broker.clock.advance(1);
    }

    await client.expectClosed();
    expect(broker.broker.sessions.size).toBe(1);
  });

  it('[A4] closes a connection whose first packet is not a CONNECT, without an answer', async () => {
    const broker = await start();
    for (const first of [
      '30 05 0001 61 00 78',
      'c0 00',
      'e0 00',
      'f0 00',
      '82 06 0001 00 0001 61 00',
      '20 03 00 00 00',
    ]) {
      const client = await broker.open();

      client.send(first);

      await client.expectClosed();
    }
    expect(broker.broker.sessions.size).toBe(0);
  });

  it('[A4] closes the connection on a second CONNECT', async () => {
    const broker = await start();
    const client = await broker.client(5, { clientId: 'c' });

    client.sendConnect({ clientId: 'c' });

    await expectRefused(client, 0x82);
    expect(broker.broker.sessions.size).toBe(0);
  });

  it('[A4] closes the connection when a client sends what only a broker does', async () => {
    const broker = await start();
    const packets: Packet[] = [
      { type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 },
      { type: PacketType.SUBACK, packetId: 1, reasonCodes: [0] },
      { type: PacketType.UNSUBACK, packetId: 1, reasonCodes: [0] },
      { type: PacketType.PINGRESP },
    ];
    for (const packet of packets) {
      const client = await broker.client();

      client.send(packet).send(pingreq);

      await expectRefused(client, 0x81, 0x82);
    }
  });

  it('[A4] closes a 3.1.1 connection on the same, without DISCONNECT', async () => {
    const broker = await start();
    for (const bytes of ['20 02 00 00', '90 03 0001 00', 'b0 02 0001', 'd0 00', 'f0 00', '00 00']) {
      const client = await broker.client(4);

      client.send(bytes).send('c0 00');

      await client.expectClosed();
    }
    await (await broker.client(4)).expectNothing();
  });

  it('[A4] refuses an AUTH of a client whose CONNECT named no method', async () => {
    const broker = await start();
    const client = await broker.client();

    client.send('f0 00');

    await expectRefused(client, 0x82);
  });
});
