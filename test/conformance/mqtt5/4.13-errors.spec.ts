import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { framed, hex, propertyBlock } from '../../support/bytes.js';
import { collectBytes, connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { malformedCases } from '../../support/malformed-cases.js';
import { VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

const afterConnect = malformedCases.filter(({ version }) => version === 5);

/** Protocol errors that only show when a packet is handled, and what the standard says of them. */
const protocolErrors = [
  ['a PINGRESP from a client', 'd0 00', 0x82],
  ['a CONNACK from a client', '20 03 00 00 00', 0x82],
  ['a SUBACK from a client', '90 04 0001 00 00', 0x82],
  ['an UNSUBACK from a client', 'b0 04 0001 00 00', 0x82],
  ['a PUBLISH without topic name and alias', '30 03 0000 00', 0x82],
  ['a topic alias that was never set', '30 06 0000 03 23 0001', 0x82],
  ['a topic alias of 0', '30 07 0001 74 03 23 0000', 0x94],
  ['a SUBSCRIBE without a filter', '82 03 0001 00', 0x82],
  ['an UNSUBSCRIBE without a filter', 'a2 03 0001 00', 0x82],
  ['No Local on a shared subscription', framed(0x82, "0001 00 000a'$share/g/t' 04"), 0x82],
  ['a Payload Format Indicator that stands twice', framed(0x30, "0001't' 04{01 00 01 00}"), 0x82],
  ['a Content Type that stands twice', framed(0x30, `0001't' ${propertyBlock("03 0001'a' 03 0001'a'")}`), 0x82],
  ['a property of CONNACK in PUBLISH', framed(0x30, "0001't' 03{13 0001}"), 0x82],
  ['a Will Delay Interval outside the will', framed(0x30, "0001't' 05{18 00000001}"), 0x82],
] as const;

const notAvailable = [
  ['wildcardSubscriptionAvailable', "0001 00 0003'a/+' 00", 0xa2],
  ['wildcardSubscriptionAvailable', "0001 00 0003'a/#' 00", 0xa2],
  ['subscriptionIdentifiersAvailable', "0001 02{0b 01} 0001'a' 00", 0xa1],
  ['sharedSubscriptionAvailable', "0001 00 000a'$share/g/t' 00", 0x9e],
] as const;

describeOverTransports('4.13.1 Malformed Packet and Protocol Errors', (start) => {
  it.each(afterConnect)('[MQTT-4.13.1-1] closes with $reasonCode at $name', async ({ notation, reasonCode }) => {
    const broker = await start();
    const client = await broker.client();

    client.send(hex(notation));

    // A CONNECT among the cases is the second one on its connection.
    const code = notation.startsWith('10') ? [reasonCode, 0x82] : [reasonCode];
    const packet = await client.next(PacketType.DISCONNECT);
    expect(code).toContain('reasonCode' in packet && packet.reasonCode);
    await client.expectClosed();
    expect(broker.logged.filter((line) => !/^(?:log|debug) /.test(line))).toEqual([]);
  });

  it.each(protocolErrors)('[MQTT-4.13.1-1] closes at %s', async (_, notation, reasonCode) => {
    const client = await (await start()).client();

    client.send(hex(notation));

    await client.expectDisconnect(reasonCode);
  });

  it.each(notAvailable)('[MQTT-4.13.1-1] closes without %s at SUBSCRIBE %s', async (capability, body, reasonCode) => {
    const client = await (await start({ capabilities: { [capability]: false } })).open();

    const { properties } = await client.connect();
    client.send(hex(framed(0x82, body)));

    expect(properties?.[capability]).toBe(false);
    await client.expectDisconnect(reasonCode);
  });

  it('[MQTT-4.13.1-1] closes when more messages are in flight than Receive Maximum allows', async () => {
    const client = await (await start({ limits: { receiveMaximum: 2 } })).client();

    for (let count = 0; count < 3; count++) client.publish('t', { qos: 2 });

    let packet = await client.next();
    while (packet.type === PacketType.PUBREC) packet = await client.next();
    expect(packet).toMatchObject({ type: PacketType.DISCONNECT, reasonCode: 0x93 });
    await client.expectClosed();
  });

  it('[MQTT-4.13.1-1] does not close another connection', async () => {
    const broker = await start();
    const other = await broker.client();
    const client = await broker.client();

    client.send('c1 00');
    await client.expectDisconnect(0x81);

    await other.expectNothing();
  });
});

describeOverTransports('4.13.2 Reason Codes of 0x80 and above', (start) => {
  it('[MQTT-4.13.2-1] closes after a CONNACK that carries one', async () => {
    const client = await (await start({ auth: new VerdictAuth('dev', 0x88) })).open();

    client.send(connectBytes());

    await expectConnectRefused(client, 0x88);
  });

  it('[MQTT-4.13.2-1] closes after a DISCONNECT that carries one', async () => {
    const client = await (await start()).client();

    client.send('f1 00');

    await client.expectDisconnect(0x81);
  });

  it('[MQTT-4.13.2-1] closes when it cannot tell why', async () => {
    const client = await (await start({ auth: new VerdictAuth('dev', 0x88) })).open();
    const received = collectBytes(client);

    client.send(connectBytes({ properties: '27 00000002' }));

    await client.expectClosed();
    expect(received()).toHaveLength(0);
  });

  it.each(['80', '81', '82', '93', '98', 'a2'])(
    '[MQTT-4.13.2-1] closes when the client sends DISCONNECT %s',
    async (code) => {
      const client = await (await start()).client();

      client.send(`e0 01 ${code}`);

      await client.expectClosed();
    },
  );

  it('[MQTT-4.13.2-1] keeps the connection after a refusal in another packet', async () => {
    const client = await (await start({ limits: { maximumSubscriptions: 0 } })).client();

    const { reasonCodes } = await client.subscribe('t');

    expect(reasonCodes).toEqual([0x97]);
    await client.expectNothing();
  });
});
