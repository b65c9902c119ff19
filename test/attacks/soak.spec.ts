import { describe, expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { builtLib } from '../support/built-lib.js';
import { until } from '../support/cluster.js';
import { publishWhole } from '../support/exchanges.js';
import { accepted, openClient } from '../support/nest-app.js';
import { programs } from '../support/programs.js';

const { UNSUBSCRIBE } = PacketType;
const seconds = process.env.MQTTD_TEST_LONG ? 3600 : 6;

interface Measured {
  readonly heap: number;
  readonly handles: number;
  readonly connections: number;
  readonly sessions: number;
  readonly filters: number;
  readonly retained: number;
}

describe('a broker that runs for long', () => {
  const built = builtLib();
  const run = programs();

  const source = (): string => `
    import { Broker } from '${built()}/broker/broker.js';
    import { AllowAllAuth } from '${built()}/auth/allow-all.auth.js';
    import { TcpListener } from '${built()}/listeners/tcp.listener.js';
    import { DirectRouter } from '${built()}/routers/direct.router.js';
    import { MemoryStore } from '${built()}/stores/memory.store.js';
    const log = { log: console.log, warn: console.log, error: console.log, debug() {} };
    const listener = new TcpListener({ port: 0, host: '127.0.0.1' });
    const broker = new Broker({ listeners: [listener], auth: new AllowAllAuth(), router: new DirectRouter(), store: new MemoryStore(), log });
    await broker.start();
    process.on('SIGUSR2', () => {
      gc();
      const { connections, sessions, topics, retained } = broker;
      console.log('measured=' + JSON.stringify({
        heap: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length,
        connections: connections.size, sessions: sessions.size, filters: topics.size, retained: retained.size,
      }));
    });
    console.log('port=' + listener.port + ' ready');`;

  it(
    '[A49] keeps nothing of what has come and gone: heap, handles, sessions and topics stay flat',
    async () => {
      const program = run(process.execPath, '--expose-gc', '--input-type=module', '--eval', source());
      const line = await program.lines.find((one) => one.endsWith(' ready'));
      const port = Number(/^port=(\d+)/.exec(line)![1]);
      let measurements = 0;
      const measure = async (): Promise<Measured> => {
        program.kill('SIGUSR2');
        const wanted = ++measurements;
        const lines = () => program.lines.all.filter((one) => one.startsWith('measured='));
        await until(() => lines().length === wanted);
        return JSON.parse(lines().at(-1)!.slice('measured='.length)) as Measured;
      };

      let round = 0;
      /** One client's life, never twice the same: ids, topics and filters are all its own. */
      const live = async (): Promise<void> => {
        const number = round++;
        const will = { topic: `will/${number}`, payload: Buffer.from('x'), qos: 1, retain: false } as const;
        const session = { clientId: `client-${number}`, cleanStart: false, properties: { sessionExpiryInterval: 1 } };
        const client = await accepted(await openClient(port), { ...session, will });
        await client.subscribe([`own/${number}/+/#`, `$share/g${number}/jobs/${number}`, `plain/${number}`], {
          qos: 2,
        });
        for (const qos of [1, 2] as const) await publishWhole(client, `other/${number}/${qos}`, { qos, payload: 'x' });
        await publishWhole(client, `kept/${number}`, { qos: 1, payload: 'x', retain: true });
        await publishWhole(client, `kept/${number}`, { qos: 1, payload: '', retain: true });
        client.publish(`plain/${number}`, { qos: 0, payload: 'to itself' });
        await client.expectPublish(`plain/${number}`, 'to itself');
        client.send({ type: UNSUBSCRIBE, packetId: 99, filters: [`plain/${number}`] });
        await client.next();
        // Half of them are taken over by themselves, half say nothing when they go.
        const last = number % 2 === 0 ? await accepted(await openClient(port), session) : client;
        await last.settled();
        last.drop();
      };
      const liveFor = async (ms: number): Promise<void> => {
        const end = performance.now() + ms;
        while (performance.now() < end) await Promise.all(Array.from({ length: 10 }, live));
      };

      await liveFor(seconds * 500);
      const before = await measure();
      await liveFor(seconds * 500);
      // The last sessions expire.
      let after = await measure();
      while (after.sessions > 0 || after.connections > 0) after = await measure();

      expect(round).toBeGreaterThan(100);
      expect(after.heap).toBeLessThan(before.heap * 1.1 + 2_000_000);
      expect(after.handles).toBeLessThanOrEqual(before.handles + 20);
      expect(after.retained).toBe(0);
      expect(after.filters).toBe(0);
    },
    seconds * 1000 + 60_000,
  );
});
