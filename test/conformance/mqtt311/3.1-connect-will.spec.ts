import { it } from '@jest/globals';
import type { WillFields } from '../../../lib/protocol/packets.js';
import { connectBytes311 } from '../../support/connect-bytes-311.js';
import { breakOff } from '../../support/connection-steps.js';
import { everyQoS } from '../../support/exchanges.js';
import { leave, untilAway } from '../../support/scenario.js';
import { describeAlsoInRedis } from '../../support/test-broker.js';

const will = (fields: Partial<WillFields> = {}): WillFields => ({
  topic: 'will/c',
  payload: Buffer.from('gone'),
  qos: 0,
  retain: false,
  ...fields,
});

describeAlsoInRedis('MQTT 3.1.1, 3.1 CONNECT: the will', (start) => {
  it.each(everyQoS)('[MQTT-3.1.2-8] is published at QoS %d when the connection breaks', async (qos) => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+', { qos: 2 });
    const client = await broker.client(4, { clientId: 'c', will: will({ qos }) });

    client.drop();

    await other.expectPublish('will/c', 'gone', { qos, retain: false });
    await other.expectNothing();
  });

  it('[MQTT-3.1.2-8] is published when the client breaks the protocol', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+');
    const client = await broker.client(4, { clientId: 'c', will: will() });

    client.send('00 00');

    await client.expectClosed();
    await other.expectPublish('will/c', 'gone');
  });

  it('[MQTT-3.1.2-8] is published when the client is silent for too long', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+');
    const client = await broker.client(4, { clientId: 'c', keepAlive: 10, will: will() });

    broker.clock.advance(16);

    await client.expectClosed();
    await other.expectPublish('will/c', 'gone');
  });

  it.each([true, false])('[MQTT-3.1.2-8] is published when the client is taken over, clean %s', async (cleanStart) => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+');
    const client = await broker.client(4, { clientId: 'c', cleanStart, will: will() });

    await broker.client(4, { clientId: 'c', cleanStart });

    await client.expectClosed();
    await other.expectPublish('will/c', 'gone');
    await other.expectNothing();
  });

  it('[MQTT-3.1.2-8] is published for a session that goes on, at once', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+');
    const client = await broker.client(4, { clientId: 'c', cleanStart: false, will: will() });

    client.drop();

    await other.expectPublish('will/c', 'gone');
  });

  it('[MQTT-3.1.2-10] [MQTT-3.14.4-3] is not published after DISCONNECT', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+');

    await leave(await broker.client(4, { clientId: 'c', will: will() }));
    await leave(await broker.client(4, { clientId: 'd', cleanStart: false, will: will() }));

    broker.clock.advance(10_000);
    await other.expectNothing();
  });

  it('[MQTT-3.1.2-10] [MQTT-3.1.2-12] is gone once published: a CONNECT without a will has none', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+');
    const client = await broker.client(4, { clientId: 'c', cleanStart: false, will: will() });
    client.drop();
    await other.expectPublish('will/c', 'gone');

    const again = await broker.client(4, { clientId: 'c', cleanStart: false });
    await breakOff(again);
    await untilAway(broker, 'c');

    await other.expectNothing();
  });

  it('[MQTT-3.1.2-16] is not retained with Will Retain 0', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+');
    (await broker.client(4, { clientId: 'c', will: will() })).drop();
    await other.expectPublish('will/c', 'gone');

    await other.subscribe('will/c');

    await other.expectNothing();
  });

  it('[MQTT-3.1.2-17] is retained with Will Retain 1', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will/+', { qos: 1 });
    (await broker.client(4, { clientId: 'c', will: will({ retain: true, qos: 1 }) })).drop();
    await other.expectPublish('will/c', 'gone', { retain: false });

    const late = await broker.client(4);
    await late.subscribe('will/c', { qos: 1 });

    await late.expectPublish('will/c', 'gone', { retain: true, qos: 1 });
  });

  it.each([
    ['[MQTT-3.1.2-9] closes when the will topic is missing', '06', "0001'c'"],
    ['[MQTT-3.1.2-9] closes when the will message is missing', '06', "0001'c' 0001'w'"],
    ['[MQTT-3.1.2-11] closes for will fields without the flag', '02', "0001'c' 0001'w' 0001'm'"],
    ['[MQTT-3.1.2-11] [MQTT-3.1.2-13] closes for a will QoS without the flag', '0a', "0001'c'"],
    ['[MQTT-3.1.2-14] closes for the will QoS 3', '1e', "0001'c' 0001'w' 0001'm'"],
    ['[MQTT-3.1.2-15] closes for Will Retain without the flag', '22', "0001'c'"],
  ])('%s', async (_title, flags, payload) => {
    const client = await (await start()).open(4);

    client.send(connectBytes311({ flags, payload }));

    await client.expectClosed();
  });

  it('takes a will message of no bytes', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('w');
    const client = await broker.open(4);
    client.send(connectBytes311({ flags: '06', payload: "0001'c' 0001'w' 0000" }));
    await client.expectHex('20 02 00 00');

    client.drop();

    await other.expectPublish('w', '');
  });
});
