import { describe, expect, it } from '@jest/globals';
import { PacketType, type QoS } from '../../lib/protocol/packets.js';
import { cluster } from '../support/cluster.js';
import { payloads, publishWhole, receiveAll } from '../support/exchanges.js';
import { nodeProcesses, type NodeProcess } from '../support/node-process.js';
import { leave, packetIdsOf, payloadsOf, publishKept, readPublishes } from '../support/scenario.js';
import { Sender, Sequence } from '../support/sender.js';
import type { WireClient } from '../support/wire-client.js';

const { redis, prefix } = cluster();
const lease = { leaseMs: 1500, heartbeatMs: 300, sweepMs: 100 };
const start = nodeProcesses(() => ({ port: redis().port, keyPrefix: prefix(), ...lease }));
const { PUBACK, PUBCOMP, PUBREC, PUBREL, PUBLISH } = PacketType;

const gone = ({ program }: NodeProcess, { name }: NodeProcess): Promise<string> =>
  program.lines.find((line) => line === `node gone node=${name}: its lease has run out`);

describe('when one of three nodes is killed', () => {
  it('[A40] each of its wills is published once, seconds after the lease, whatever its kind', async () => {
    const [doomed, one, other] = [await start(), await start(), await start()];
    const watchers = [await one.client(), await other.resume('watcher')];
    for (const watcher of watchers) await watcher.subscribe('will/#', { qos: 2 });
    const expected: string[] = [];
    const leaveWill = async (name: string, qos: QoS, session: object, delay = 0) => {
      const properties = { willDelayInterval: delay };
      const will = { topic: `will/${name}`, payload: Buffer.from(name), qos, retain: false, properties };
      await doomed.client({ clientId: name, will, ...session });
      expected.push(name);
    };
    const durable = (seconds: number) => ({ cleanStart: false, properties: { sessionExpiryInterval: seconds } });
    for (const qos of [0, 1, 2] as const) {
      await leaveWill(`clean ${qos}`, qos, {});
      await leaveWill(`durable ${qos}`, qos, durable(100));
      await leaveWill(`delayed ${qos}`, qos, durable(100), 1);
      await leaveWill(`at the end ${qos}`, qos, durable(1), 100);
    }
    await leaveWill('clean and delayed', 1, {}, 100);
    const polite = { topic: 'will/none', payload: Buffer.from('none'), qos: 1, retain: false } as const;
    await leave(await doomed.client({ clientId: 'polite', will: polite }));

    doomed.program.kill('SIGKILL');

    const heard = await Promise.all(watchers.map((watcher) => receive(watcher, expected.length)));
    await Promise.race([gone(one, doomed), gone(other, doomed)]);
    // Nothing is left to do, and what was done before comes before this.
    await untilKeys((key) => key.includes(':w:'), 0);
    for (const node of [one, other]) await publishKept(await node.client(), 'will/last', { payload: 'last' });
    for (const [index, watcher] of watchers.entries()) heard[index].push(...(await receive(watcher, 2)));
    for (const names of heard) expect(names.sort()).toEqual([...expected, 'last', 'last'].sort());
  });

  it('[A40] [MQTT-4.4.0-1] its durable sessions go on elsewhere, before the lease is over and behind it', async () => {
    const [doomed, one, other] = [await start(), await start(), await start()];
    const publisher = await one.client();
    const sent = new Map<string, number[]>();
    const ids = ['early', 'late'];
    for (const clientId of ids) {
      const subscriber = await doomed.resume(clientId);
      await subscriber.subscribe('a', { qos: 2 });
      sent.set(clientId, []);
    }
    await publishKept(publisher, 'a', { payload: 'known' });
    const clients = new Map<string, WireClient>();
    for (const clientId of ids) {
      const subscriber = await doomed.resume(clientId);
      clients.set(clientId, subscriber);
      await receiveAll(subscriber);
    }
    for (const [payload, qos] of [['1', 1], ['2', 2], ['3', 2], ['4', 1]] as const) await publishWhole(publisher, 'a', { payload, qos }); // prettier-ignore
    for (const [clientId, subscriber] of clients) {
      const packetIds = packetIdsOf(await readPublishes(subscriber, 4));
      sent.set(clientId, packetIds);
      subscriber.acknowledge(PUBACK, packetIds[0]).acknowledge(PUBREC, packetIds[1]);
      await subscriber.expect({ type: PUBREL, packetId: packetIds[1] });
      await subscriber.settled();
    }

    doomed.program.kill('SIGKILL');
    await doomed.program.finished;

    for (const payload of ['5', '6']) await publishKept(publisher, 'a', { payload });
    for (const clientId of ids) {
      if (clientId === 'late') await Promise.race([gone(one, doomed), gone(other, doomed)]);
      const again = await other.open();
      expect((await again.connect({ clientId, cleanStart: false })).sessionPresent).toBe(true);
      const packets = [];
      while (packets.length < 5) packets.push(await again.next());
      const published = packets.filter(({ type }) => type === PUBLISH);
      const [, second, third, fourth] = sent.get(clientId)!;
      expect(payloadsOf(published)).toEqual(['3', '4', '5', '6']);
      expect(published.slice(0, 2)).toMatchObject([
        { packetId: third, dup: true },
        { packetId: fourth, dup: true },
      ]);
      expect(packets.filter(({ type }) => type === PUBREL)).toMatchObject([{ packetId: second }]);
      again.acknowledge(PUBCOMP, second);
      await again.expectNothing();
    }
  });

  it('[A40] nothing that was acknowledged is lost, and the order stays', async () => {
    const [doomed, one, other] = [await start(), await start(), await start()];
    const heard = new Sequence();
    const subscriber = await doomed.resume('sub');
    await subscriber.subscribe('a', { qos: 1 });
    const sender = new Sender(one);

    const sent = sender.send(600);
    while (heard.next < 100) heard.take(payloads(await receiveAll(subscriber)));
    doomed.program.kill('SIGKILL');
    await doomed.program.finished;
    const again = await other.resume('sub');
    while (heard.next < 600) heard.take(payloads(await receiveAll(again)));
    await sent;

    expect(heard.gaps).toEqual([]);
  });

  it('[A34] [MQTT-4.1.0-2] its sessions end with messages in flight, and no key of theirs is left', async () => {
    const [doomed, one] = [await start(), await start()];
    const session = { properties: { sessionExpiryInterval: 1 } };
    const subscriber = await doomed.resume('sub', session);
    await subscriber.subscribe(['a', '$share/g/a'], { qos: 2 });
    const publisher = await doomed.resume('pub', session);
    for (const qos of [1, 2] as const) await publishWhole(publisher, 'a', { payload: 'x', qos });
    publisher.publish('a', { payload: 'half', qos: 2 });
    await publisher.expect({ type: PUBREC });
    await readPublishes(subscriber, 6);
    const will = { topic: 'w', payload: Buffer.from('w'), qos: 1, retain: false } as const;
    await doomed.client({ clientId: 'clean', will });

    doomed.program.kill('SIGKILL');

    await gone(one, doomed);
    await untilKeys(() => true, 0);
    const again = await one.open();
    expect((await again.connect({ clientId: 'sub', cleanStart: false })).sessionPresent).toBe(false);
  });
});

async function receive(client: WireClient, count: number): Promise<string[]> {
  const received: string[] = [];
  while (received.length < count) received.push(...payloads(await receiveAll(client)));
  return received;
}

/** Waits until Redis has so many keys of sessions of this kind. */
async function untilKeys(isMeant: (key: string) => boolean, count: number): Promise<void> {
  const deadline = performance.now() + 8000;
  for (;;) {
    const keys = (await redis().keysOfSessions(prefix())).filter(isMeant);
    if (keys.length === count) return;
    if (performance.now() > deadline) throw new Error(`${count} keys expected, not ${keys.join(' ')}`);
  }
}
