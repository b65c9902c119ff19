import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { payloads, publishWhole, receiveAll } from '../exchanges.js';
import { leave, payloadsOf, publishKept, readPublishes, resume, untilAway } from '../scenario.js';
import type { StartInPlace } from '../store-contract.js';
import type { TestBroker } from '../test-broker.js';
import type { WireClient } from '../wire-client.js';
import { heardInTime } from './in-time.js';

const group = '$share/g/a';

/** What the sessions of a group's members have not finished goes to the others where it may. */
export function promisesOfGroups(start: StartInPlace): void {
  async function member(node: TestBroker, clientId: string, receiveMaximum = 100): Promise<WireClient> {
    const client = await resume(node, clientId, { sessionExpiryInterval: 60, receiveMaximum });
    await client.subscribe(group, { qos: 2 });
    return client;
  }

  it('keeps messages for a group whose members are all away: each message for one of them', async () => {
    const node = await start();
    for (const clientId of ['one', 'two']) await leave(await member(node, clientId));
    const publisher = await node.client();

    for (const payload of ['1', '2', '3', '4']) await publishKept(publisher, 'a', { payload });

    const received = [];
    for (const clientId of ['one', 'two']) {
      const client = await resume(node, clientId);
      await client.settled();
      received.push(...(await receiveAll(client)));
    }
    expect(payloads(received).sort()).toEqual(['1', '2', '3', '4']);
  });

  it('gives no message to a member that is away while another one is connected', async () => {
    const node = await start();
    await leave(await member(node, 'away'));
    const here = await member(node, 'here');
    const publisher = await node.client();

    for (const payload of ['1', '2', '3']) await publishKept(publisher, 'a', { payload });

    expect(payloadsOf(await readPublishes(here, 3))).toEqual(['1', '2', '3']);
    await (await resume(node, 'away')).expectNothing();
  });

  it('[MQTT-4.8.2-4] hands on what waits for a member that goes away, what it has in flight not', async () => {
    const node = await start();
    const gone = await member(node, 'gone', 1);
    const publisher = await node.client();
    for (const payload of ['sent', '1', '2']) await publishWhole(publisher, 'a', { payload, qos: 2 });
    const { packetId } = await gone.expectPublish('a', 'sent');
    await gone.expectNothing();
    const heir = await member(node, 'heir');

    gone.drop();

    for (const payload of ['1', '2']) await heir.expectPublish('a', payload, { qos: 2, dup: false });
    await heir.expectNothing();
    const again = await resume(node, 'gone');
    await again.expectPublish('a', 'sent', { dup: true, packetId });
    await again.expectNothing();
  });

  it('[MQTT-4.8.2-5] hands on what was sent at QoS 1 when the session ends, what was sent at QoS 2 to nobody', async () => {
    const node = await start();
    const gone = await member(node, 'gone');
    const publisher = await node.client();
    await publishWhole(publisher, 'a', { payload: 'done', qos: 1 });
    await publishWhole(publisher, 'a', { payload: 'open', qos: 1 });
    await publishWhole(publisher, 'a', { payload: 'exact', qos: 2 });
    const [{ packetId }] = await readPublishes(gone, 3);
    gone.acknowledge(PacketType.PUBACK, packetId);
    await gone.settled();
    const heir = await member(node, 'heir');
    gone.drop();
    await untilAway(node, 'gone');

    node.clock.advance(50);
    await heir.expectNothing();

    const heard = await heardInTime(node, heir);
    expect(heard).toMatchObject([{ type: PacketType.PUBLISH, qos: 1, dup: false }]);
    expect(payloadsOf(heard)).toEqual(['open']);
    await heir.expectNothing();
  });

  it('hands on to the same group only, and only what came on its behalf', async () => {
    const node = await start();
    const publisher = await node.client();
    const gone = await resume(node, 'gone', { receiveMaximum: 1 });
    await gone.subscribe(
      [
        { filter: group, qos: 1 },
        { filter: 'b', qos: 1 },
      ],
      {},
    );
    for (const topic of ['a', 'b', 'a', 'b']) await publishKept(publisher, topic, { payload: topic });
    await gone.expectPublish('a', 'a');
    await gone.settled();
    const other = await node.client();
    await other.subscribe(['$share/h/a', '$share/g/b'], { qos: 1 });

    gone.drop();
    await untilAway(node, 'gone');

    const again = await resume(node, 'gone');
    expect(payloadsOf(await readPublishes(again, 4))).toEqual(['a', 'b', 'a', 'b']);
    await other.expectNothing();
  });
}
