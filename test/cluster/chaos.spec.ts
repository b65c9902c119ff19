import { describe, expect, it } from '@jest/globals';
import { cluster } from '../support/cluster.js';
import { nodeProcesses, type NodeProcess } from '../support/node-process.js';
import { SteadyPublisher, SteadySubscriber, until } from '../support/steady-clients.js';
import { proxies, type TcpProxy } from '../support/tcp-proxy.js';

const { redis, prefix } = cluster({ keepsOnDisk: true });
const settings = { leaseMs: 1500, heartbeatMs: 300, sweepMs: 100, retryMs: 50, commandTimeoutMs: 800 };
const startProcess = nodeProcesses(() => ({ keyPrefix: prefix(), ...settings }));
const proxy = proxies();

const seconds = process.env.MQTTD_TEST_LONG ? 300 : 15;
const seed = Number(process.env.MQTTD_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));

describe(`nodes and Redis that fail at random, with MQTTD_CHAOS_SEED=${seed}`, () => {
  it(
    '[A40] [A41] [A42] [A43] what is acknowledged arrives, at QoS 2 once, and each publisher’s order stays',
    async () => {
      const random = randomFrom(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
      const nodes: Node[] = [];
      for (let index = 0; index < 3; index++) nodes.push(await startNode());
      const ports = () => nodes[Math.floor(Math.random() * nodes.length)].process.port;
      const subscribers = [1, 2].map((number) => new SteadySubscriber(`sub ${number}`, ports, 'a/#').start());
      const publishers: SteadyPublisher[] = [];
      const done: string[] = [];
      try {
        await until(() => subscribers.every(({ isThere }) => isThere));
        for (const topic of ['1/1', '1/2', '2/1', '2/2']) {
          const limit = () => Math.min(...subscribers.map(({ next }) => next.get(`a/${topic}`) ?? 0)) + 1000;
          const qos = topic.startsWith('1') ? 1 : 2;
          publishers.push(new SteadyPublisher(`pub ${topic}`, ports, `a/${topic}`, qos, limit).start());
        }
        const acknowledged = () => publishers.reduce((sum, publisher) => sum + publisher.acknowledged, 0);
        const more = async (count: number) => {
          const wanted = acknowledged() + count;
          await until(() => acknowledged() >= wanted);
        };
        const faults: Record<string, () => Promise<void>> = {
          'kill a node': async () => {
            const index = Math.floor(random() * nodes.length);
            nodes[index].process.program.kill('SIGKILL');
            await more(50);
            nodes[index] = await startNode();
          },
          'shut a node down': async () => {
            const index = Math.floor(random() * nodes.length);
            nodes[index].process.program.kill('SIGTERM');
            await more(50);
            nodes[index] = await startNode();
          },
          'stop a node for a moment': async () => {
            const { program } = pick(nodes).process;
            program.kill('SIGSTOP');
            await more(100);
            program.kill('SIGCONT');
          },
          'stop a node for longer than its lease': async () => {
            const [stopped, ...others] = shuffled(nodes, random);
            stopped.process.program.kill('SIGSTOP');
            const gone = `node gone node=${stopped.process.name}`;
            const isGone = ({ process }: Node) => process.program.lines.all.some((line) => line.startsWith(gone));
            await until(() => others.some(isGone));
            stopped.process.program.kill('SIGCONT');
          },
          'kill Redis': async () => {
            await redis().kill();
            await redis().run();
          },
          'cut a link': async () => {
            const { link } = pick(nodes);
            link.cut();
            await more(100);
            link.restore();
          },
          'freeze a link': async () => {
            const { link } = pick(nodes);
            link.freeze();
            await more(100);
            link.restore();
          },
        };

        const end = performance.now() + seconds * 1000;
        while (performance.now() < end) {
          const fault = pick(Object.keys(faults));
          done.push(fault);
          await faults[fault]();
          await more(Math.floor(random() * 400));
        }
        for (const publisher of publishers) publisher.goal = publisher.acknowledged + 50;
        await until(() => publishers.every(({ acknowledged: count, goal }) => count >= goal));
        const hasAll = ({ next }: SteadySubscriber) =>
          publishers.every(({ topic, acknowledged: count }) => (next.get(topic) ?? 0) >= count);
        await until(() => subscribers.every(hasAll));
      } catch (error) {
        const state = {
          published: publishers.map(({ topic, acknowledged }) => [topic, acknowledged]),
          heard: subscribers.map(({ next }) => [...next]),
          faults: [...subscribers, ...publishers].flatMap(({ faults }) => faults).slice(0, 10),
        };
        throw new Error(`${done.join(', ')}: ${JSON.stringify(state)}`, { cause: error });
      } finally {
        for (const node of nodes) {
          node.process.program.kill('SIGCONT');
          node.link.restore();
        }
        await Promise.all([...subscribers, ...publishers].map((client) => client.stop()));
      }

      expect([...subscribers, ...publishers].flatMap(({ faults }) => faults)).toEqual([]);
      expect(done.length).toBeGreaterThan(3);
    },
    (seconds + 60) * 1000,
  );
});

interface Node {
  readonly process: NodeProcess;
  /** Between the node and Redis. */
  readonly link: TcpProxy;
}

async function startNode(): Promise<Node> {
  const link = await proxy(() => redis().port);
  return { link, process: await startProcess({ port: link.port, nodeId: 'chaos' }) };
}

/** Mulberry32. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return [...list].map((item) => [random(), item] as const).sort(([one], [other]) => one - other).map(([, item]) => item); // prettier-ignore
}
