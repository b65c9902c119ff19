import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster, until, type ClusterNode } from '../support/cluster.js';
import { payloads, publishWhole, receiveAll } from '../support/exchanges.js';
import { leave } from '../support/scenario.js';
import type { WireClient } from '../support/wire-client.js';

const { start } = cluster();
const share = '$share/g/a/#';

describe('a shared subscription with members on several nodes', () => {
  it('[MQTT-4.8.2] gives each message to exactly one member over all nodes', async () => {
    const nodes = [await start(), await start(), await start()];
    const members: WireClient[] = [];
    for (const node of nodes.slice(1)) members.push(await memberOn(node), await memberOn(node));
    await untilShared(nodes[0], 2);
    const publisher = await nodes[0].client();

    for (let number = 0; number < 40; number++) {
      await publishWhole(publisher, 'a/b', { payload: String(number), qos: 1 });
    }

    const counts: number[] = [];
    const all: string[] = [];
    while (all.length < 40) {
      for (const [index, member] of members.entries()) {
        const received = payloads(await receiveAll(member));
        counts[index] = (counts[index] ?? 0) + received.length;
        all.push(...received);
      }
    }
    expect(all.map(Number).sort((one, other) => one - other)).toEqual(
      Array.from({ length: 40 }, (_, number) => number),
    );
    // Node by node, and member by member there.
    expect(counts).toEqual([10, 10, 10, 10]);
  });

  it('prefers members on the node where the message entered', async () => {
    const [one, other] = [await start(), await start()];
    const far = await memberOn(other);
    const near = await memberOn(one);
    await untilShared(one, 1);
    const publisher = await one.client();

    for (const payload of ['x', 'y']) await publishWhole(publisher, 'a/b', { payload });

    await near.expectPublish('a/b', 'x');
    await near.expectPublish('a/b', 'y');
    await far.expectNothing();
  });

  it('goes to the other node when nobody is online here, and comes back when somebody is', async () => {
    const [one, other] = [await start(), await start()];
    const far = await memberOn(other);
    const near = await memberOn(one, { clientId: 'near', properties: { sessionExpiryInterval: 100 } });
    await untilShared(one, 1);
    await leave(near);
    const publisher = await one.client();

    await publishWhole(publisher, 'a/b', { payload: 'x', qos: 1 });
    await far.expectPublish('a/b', 'x');
    const back = await one.open();
    await back.connect({ clientId: 'near', cleanStart: false });
    await publishWhole(publisher, 'a/b', { payload: 'y', qos: 1 });

    await back.expectPublish('a/b', 'y');
    await far.expectNothing();
  });

  it('waits on a node where all members are away, when there are none online anywhere', async () => {
    const [one, other] = [await start(), await start()];
    const far = await memberOn(other, { clientId: 'far', properties: { sessionExpiryInterval: 100 } });
    await untilShared(one, 1);
    await leave(far);
    const publisher = await one.client();

    await publishWhole(publisher, 'a/b', { payload: 'x', qos: 1 });
    const session = other.broker.sessions.get('far')!;
    await until(() => session.queued === 1);

    const back = await other.open();
    await back.connect({ clientId: 'far', cleanStart: false });
    await back.expectPublish('a/b', 'x');
  });

  it('hands what a leaving member had not finished to a member on another node', async () => {
    const [one, other] = [await start(), await start()];
    const near = await memberOn(one);
    const far = await memberOn(other);
    await untilShared(one, 1);
    const publisher = await one.client();
    await publishWhole(publisher, 'a/b', { payload: 'x', qos: 1 });
    await near.expectPublish('a/b', 'x');

    near.drop();

    await far.expectPublish('a/b', 'x');
  });

  it('stands beside plain subscriptions and other groups: each gets its copy', async () => {
    const [one, other] = [await start(), await start()];
    const client = await other.client();
    await client.subscribe(['a/b', share, '$share/h/+/b'], { qos: 1 });
    await untilShared(one, 2);
    await until(() => one.broker.topics.match('a/b').targets.length === 3);
    const publisher = await one.client();

    publisher.publish('a/b', { payload: 'x', qos: 1 });

    for (let copy = 0; copy < 3; copy++) await client.expectPublish('a/b', 'x');
    await client.expectNothing();
  });

  it('is forgotten with its last member', async () => {
    const [one, other] = [await start(), await start()];
    const far = await memberOn(other);
    await untilShared(one, 1);

    far.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: [share] });

    await untilShared(one, 0);
    expect(one.broker.topics.size).toBe(0);
  });
});

async function memberOn(node: ClusterNode, options: Parameters<ClusterNode['client']>[1] = {}): Promise<WireClient> {
  const member = await node.client(5, options);
  await member.subscribe(share, { qos: 1 });
  return member;
}

/** Waits until so many groups of other nodes are known to `node`. */
async function untilShared({ router }: ClusterNode, groups: number): Promise<void> {
  await until(() => sharedRoutes(router) === groups);
}

const sharedRoutes = (router: ClusterNode['router']): number =>
  router.otherRoutes.filter(({ filter }) => filter.startsWith('$share/')).length;
