import { it } from '@jest/globals';
import { expectRefused, leave, publishOf, resume, sendTogether } from '../support/scenario.js';
import { describeOverTransports } from '../support/test-broker.js';

describeOverTransports('topic aliases', (start) => {
  it.each([
    ['0', 0, 'a', [0x94]],
    ['above the maximum', 65, 'a', [0x94]],
    ['65,535', 65_535, '', [0x94, 0x82]],
    ['that was never set', 1, '', [0x82]],
  ] as const)('[A11] closes the connection on an alias %s', async (_what, topicAlias, topic, reasonCodes) => {
    const broker = await start();
    const subscriber = await broker.client();
    const client = await broker.client();
    await subscriber.subscribe('#');

    client.publish(topic, { qos: 1, payload: 'x', properties: { topicAlias } });

    await expectRefused(client, ...reasonCodes);
    await subscriber.expectNothing();
  });

  it('[A11] closes the connection on an empty topic without alias', async () => {
    const broker = await start();
    const client = await broker.client();

    client.publish('', { payload: 'x' });

    await expectRefused(client, 0x81, 0x82, 0x90);
  });

  it('[A11] an alias does not outlive its connection, however that ended', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('#');
    for (const end of ['leave', 'drop', 'takeover']) {
      const first = await resume(broker, 'publisher');
      first.publish('secret', { payload: 'x', properties: { topicAlias: 1 } });
      await first.settled();
      await subscriber.expectPublish('secret', 'x');
      if (end === 'leave') await leave(first);
      if (end === 'drop') first.drop();

      const second = await resume(broker, 'publisher');
      second.publish('', { payload: 'x', properties: { topicAlias: 1 } });

      await expectRefused(second, 0x82);
      await subscriber.expectNothing();
    }
  });

  it('[A11] a topic that is refused sets no alias that others could use', async () => {
    const broker = await start();
    const subscriber = await broker.client();
    await subscriber.subscribe('#');
    const client = await broker.client();

    sendTogether(client, [
      publishOf('a', { payload: 'one', properties: { topicAlias: 1 } }),
      publishOf('b', { payload: 'two', properties: { topicAlias: 0 } }),
      publishOf('', { payload: 'three', properties: { topicAlias: 1 } }),
    ]);

    await expectRefused(client, 0x94);
    await subscriber.expectPublish('a', 'one');
    await subscriber.expectNothing();
  });
});
