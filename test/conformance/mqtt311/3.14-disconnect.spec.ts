import { it } from '@jest/globals';
import { hex } from '../../support/bytes.js';
import { publishWhole } from '../../support/exchanges.js';
import { describeOverTransports } from '../../support/test-broker.js';

const will = { topic: 'will', payload: Buffer.from('gone'), qos: 0, retain: false } as const;

describeOverTransports('MQTT 3.1.1, 3.14 DISCONNECT', (start) => {
  it.each(['e1', 'e2', 'e8', 'ef'])(
    '[MQTT-3.14.1-1] is a violation with the first byte %s: closes and publishes the will',
    async (first) => {
      const broker = await start();
      const other = await broker.client(4);
      await other.subscribe('will');
      const client = await broker.client(4, { clientId: 'c', will });

      client.send(`${first}00`);

      await client.expectClosed();
      await other.expectPublish('will', 'gone');
    },
  );

  it('is a violation with a body, such as the reason code of MQTT 5', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will');
    const client = await broker.client(4, { clientId: 'c', will });

    client.send('e00100');

    await client.expectClosed();
    await other.expectPublish('will', 'gone');
  });

  it('[MQTT-3.14.4-1] is followed by the end of the connection, on this side where the client forgets', async () => {
    const client = await (await start()).client(4);

    client.send('e000');

    await client.expectClosed();
  });

  it('[MQTT-3.14.4-2] is the last packet that is handled', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('#');
    const client = await broker.client(4);

    client.send(hex(`e000 32 06 0001'a' 0001 "x" c000`));

    await client.expectClosed();
    await other.expectNothing();
  });

  it('[MQTT-3.14.4-3] discards the will', async () => {
    const broker = await start();
    const other = await broker.client(4);
    await other.subscribe('will');
    const client = await broker.client(4, { clientId: 'c', will });

    client.send('e000');

    await client.expectClosed();
    await other.expectNothing();
  });

  it('is handled behind what was sent before it', async () => {
    const broker = await start();
    const client = await broker.client(4);

    client.send(hex(`30 07 0004'kept' "x" 31 07 0004'kept' "y" e000`));

    await client.expectClosed();
    const late = await broker.client(4);
    await publishWhole(late, 'other');
    await late.subscribe('kept');
    await late.expectPublish('kept', 'y', { retain: true });
  });
});
