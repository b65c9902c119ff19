import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type MqttClient } from 'mqtt';
import { until } from '../support/cluster.js';
import { Program } from '../support/programs.js';
import { builtCommand } from '../support/samples.js';

const kills = process.env.MQTTD_TEST_LONG ? 200 : 12;

describe('a broker that is killed again and again', () => {
  const command = builtCommand();
  const clients: MqttClient[] = [];
  let folder: string;
  let broker: Program | undefined;
  let port = 0;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-crash-'));
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
    await kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const launch = async (): Promise<void> => {
    const args = [command, '--port', String(port), '--store', join(folder, 'store')];
    broker = new Program(process.execPath, args, { env: { ...process.env, NO_COLOR: '1' } });
    const line = await broker.lines.find((one) => /listening on mqtt:.*:\d+$/.test(one));
    port = Number(/:(\d+)$/.exec(line)![1]);
  };
  const kill = async (): Promise<void> => {
    broker?.kill('SIGKILL');
    await broker?.finished;
  };

  /** A client of mqtt.js with a session that lasts, which connects again by itself. */
  const client = async (clientId: string): Promise<MqttClient> => {
    const session = { clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 3600 } } as const;
    const one = connect({ host: '127.0.0.1', port, clientId, reconnectPeriod: 20, connectTimeout: 2000, ...session });
    one.on('error', () => {}); // the broker is away
    clients.push(one);
    await new Promise((resolve) => one.once('connect', resolve));
    return one;
  };

  it(
    '[A39] keeps every acknowledged message, in order, at QoS 2 once, and the last retained one',
    async () => {
      await launch();
      const heard = new Map<string, number[]>();
      const subscriber = await client('subscriber');
      subscriber.on('message', (topic, payload) => {
        const numbers = heard.get(topic) ?? [];
        heard.set(topic, numbers);
        numbers.push(Number(payload.toString()));
      });
      await subscriber.subscribeAsync('load/#', { qos: 2 });

      /** Publishes one number after the other, a few at a time, until it is told to stop. */
      const load = async (qos: 1 | 2) => {
        const publisher = await client(`publisher-${qos}`);
        const state = { sent: 0, acknowledged: 0, isStopping: false, errors: [] as Error[] };
        const publish = (): void => {
          if (state.isStopping) return;
          const number = state.sent++;
          publisher.publish(`load/${qos}`, String(number), { qos, retain: true }, (error) => {
            // 0x92: its PUBREL came before the kill, its PUBCOMP did not. That it is not found is no error then (MQTT 5, 4.3.3).
            if (error && (error as { code?: unknown }).code !== 0x92) state.errors.push(error);
            state.acknowledged++;
            publish();
          });
        };
        for (let lane = 0; lane < 20; lane++) publish();
        return state;
      };
      const loads = [await load(1), await load(2)] as const;

      for (let round = 0; round < kills; round++) {
        // At a moment that nothing has to do with: some messages after the broker is back.
        const goal = loads.map(({ acknowledged }) => acknowledged + 50 + Math.floor(Math.random() * 300));
        await until(() => loads.every(({ acknowledged }, index) => acknowledged >= goal[index]));
        await kill();
        await launch();
      }
      for (const state of loads) state.isStopping = true;
      await until(() => loads.every(({ sent, acknowledged }) => acknowledged === sent));
      expect(loads.flatMap(({ errors }) => errors)).toEqual([]);
      const last = loads.map(({ sent }) => sent - 1);
      await until(() => [1, 2].every((qos, index) => heard.get(`load/${qos}`)?.includes(last[index])));

      const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);
      const [atLeastOnce, exactlyOnce] = [heard.get('load/1')!, heard.get('load/2')!];
      // Each for the first time in its turn.
      expect([...new Set(atLeastOnce)]).toEqual(numbers(loads[0].sent));
      expect(exactlyOnce).toEqual(numbers(loads[1].sent));
      const witness = await client('witness');
      const retained = new Map<string, string>();
      witness.on('message', (topic, payload) => retained.set(topic, payload.toString()));
      await witness.subscribeAsync('load/#', { qos: 0 });
      await until(() => retained.size === 2);
      expect(Object.fromEntries(retained)).toEqual({ 'load/1': String(last[0]), 'load/2': String(last[1]) });
    },
    kills * 20_000,
  );
});
