import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { cluster } from '../support/cluster.js';
import { openClient } from '../support/nest-app.js';
import { nodeProcesses, type NodeProcess } from '../support/node-process.js';
import { Sequence } from '../support/sender.js';
import { SteadyPublisher, SteadySubscriber, until } from '../support/steady-clients.js';
import { proxies } from '../support/tcp-proxy.js';

const { redis, prefix } = cluster();
const soon = { heartbeatMs: 200, commandTimeoutMs: 500, retryMs: 50, sweepMs: 100 };
const start = nodeProcesses(() => ({ port: redis().port, keyPrefix: prefix(), ...soon }));
const proxy = proxies();

interface Break {
  readonly how: 'cut' | 'freeze';
  readonly lastsMs: number;
  readonly leaseMs: number;
}

const breaks: readonly Break[] = process.env.MQTTD_TEST_LONG
  ? [
      { how: 'cut', lastsMs: 5000, leaseMs: 15_000 },
      { how: 'freeze', lastsMs: 5000, leaseMs: 15_000 },
      { how: 'cut', lastsMs: 60_000, leaseMs: 120_000 },
      { how: 'freeze', lastsMs: 60_000, leaseMs: 120_000 },
      { how: 'cut', lastsMs: 60_000, leaseMs: 15_000 },
    ]
  : [
      { how: 'cut', lastsMs: 1000, leaseMs: 15_000 },
      { how: 'freeze', lastsMs: 1500, leaseMs: 15_000 },
      { how: 'cut', lastsMs: 2000, leaseMs: 1000 },
    ];

describe('the link between one node and Redis', () => {
  it.each(breaks)(
    '[A43] $how for $lastsMs ms with a lease of $leaseMs ms, under QoS 1: none is lost, and the order stays',
    async ({ how, lastsMs, leaseMs }) => {
      const link = await proxy(() => redis().port);
      const [broken, other] = [await start({ port: link.port, leaseMs }), await start({ leaseMs })];
      const nodes = [broken, other];
      const topics = ['a/broken', 'a/other'];
      const portOf = (node: NodeProcess) => () => node.port;
      const durable = nodes.map((node, index) => new SteadySubscriber(`sub ${index}`, portOf(node), 'a/#').start());
      // A node that was given up has nothing for clean sessions: at most once.
      const clean = lastsMs < leaseMs ? await Promise.all(nodes.map((node) => CleanSubscriber.start(node))) : [];
      const publishers: SteadyPublisher[] = [];
      try {
        await until(() => durable.every(({ isThere }) => isThere));
        for (const [index, topic] of topics.entries()) {
          const limit = () => Math.min(...[...durable, ...clean].map((one) => one.next.get(topic) ?? 0)) + 2000;
          publishers.push(new SteadyPublisher(`pub ${index}`, portOf(nodes[index]), topic, 1, limit).start());
        }
        const isHeard = (count: number) =>
          [...durable, ...clean].every(({ next }) => topics.every((topic) => (next.get(topic) ?? 0) >= count));
        await until(() => isHeard(200));

        link[how]();
        const end = performance.now() + lastsMs;
        await until(() => performance.now() > end, lastsMs * 2);
        link.restore();

        await broken.program.lines.find((line) => line.startsWith('Redis is back'));
        for (const publisher of publishers) publisher.goal = publisher.acknowledged + 500;
        await until(() => publishers.every(({ acknowledged, goal }) => acknowledged >= goal));
        await until(() => isHeard(Math.min(...publishers.map(({ goal }) => goal))));
        for (const { topic, goal } of publishers)
          await until(() => [...durable, ...clean].every(({ next }) => next.get(topic) === goal));
      } finally {
        link.restore();
        await Promise.all([...durable, ...publishers].map((client) => client.stop()));
        for (const client of clean) client.stop();
      }

      expect([...durable, ...publishers, ...clean].flatMap(({ faults }) => faults)).toEqual([]);
    },
    120_000,
  );
});

/** Has one connection for all its life, and no session beyond it. */
class CleanSubscriber {
  readonly faults: string[] = [];
  private readonly topics = new Map<string, Sequence>();

  private constructor(private readonly client: Awaited<ReturnType<typeof openClient>>) {}

  static async start({ port }: NodeProcess): Promise<CleanSubscriber> {
    const client = await openClient(port, 5, 100_000);
    await client.connect();
    await client.subscribe('a/#', { qos: 1 });
    const subscriber = new CleanSubscriber(client);
    void subscriber.listen();
    return subscriber;
  }

  /** By topic: the number that comes next. */
  get next(): ReadonlyMap<string, number> {
    return new Map([...this.topics].map(([topic, { next }]) => [topic, next]));
  }

  stop(): void {
    this.client.drop();
  }

  private async listen(): Promise<void> {
    try {
      for (;;) {
        const packet = await this.client.next();
        if (packet.type !== PacketType.PUBLISH) continue;
        const sequence = this.topics.get(packet.topic) ?? new Sequence();
        this.topics.set(packet.topic, sequence);
        sequence.take([packet.payload.toString()]);
        if (sequence.gaps.length > this.faults.length) this.faults.push(`${packet.topic}: a gap at ${sequence.next}`);
        this.client.acknowledge(PacketType.PUBACK, packet.packetId);
      }
    } catch {
      // The connection is closed: what does not come any more is missed.
    }
  }
}
