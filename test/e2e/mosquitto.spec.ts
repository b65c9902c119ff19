import { describe, expect, it } from '@jest/globals';
import { MQTTdBroker, MQTTdPublisher } from 'nestjs-mqttd';
import { apps } from '../support/nest-app.js';
import { programs } from '../support/programs.js';
import { Witness } from '../support/witness.js';

describe.each(['mqttv31', 'mqttv311', 'mqttv5'])('mosquitto_pub and mosquitto_sub -V %s', (version) => {
  const start = apps();
  const run = programs();

  const startWith = async () => {
    const { app, port } = await start({ controllers: [Witness] });
    const common = ['-h', '127.0.0.1', '-p', port, '-V', version] as const;
    return {
      app,
      witness: app.get(Witness),
      sub: (...args: (string | number)[]) => run('mosquitto_sub', ...common, ...args),
      pub: (...args: (string | number)[]) => run('mosquitto_pub', ...common, ...args),
    };
  };

  it.each([0, 1, 2])('carry messages at QoS %i', async (qos) => {
    const { witness, sub, pub } = await startWith();
    const subscriber = sub('-t', 'sensors/+', '-q', qos, '-C', 2, '-v');
    await witness.subscribed.next();

    const published = [
      await pub('-t', 'sensors/7', '-m', '21.5', '-q', qos).finished,
      await pub('-t', 'sensors/größe', '-m', 'grüße', '-q', qos).finished,
    ];

    expect(published.map(({ code }) => code)).toEqual([0, 0]);
    const { code, stdout } = await subscriber.finished;
    expect([code, stdout]).toEqual([0, 'sensors/7 21.5\nsensors/größe grüße\n']);
  });

  it('say whether a message was retained, and clear it', async () => {
    const { sub, pub } = await startWith();
    await pub('-t', 'state/a', '-m', 'on', '-r').finished;
    await pub('-t', 'state/b', '-m', 'off', '-r').finished;
    await pub('-t', 'state/b', '-n', '-r').finished;

    const { stdout } = await sub('-t', 'state/#', '-F', '%t %r %p', '--retained-only', '-W', 1).finished;

    expect(stdout).toBe('state/a 1 on\n');
  });

  it('leave a will when they are killed', async () => {
    const { witness, sub } = await startWith();
    const watcher = sub('-t', 'wills/#', '-C', 1, '-v');
    await witness.subscribed.next();
    const doomed = sub('-t', 'other', '--will-topic', 'wills/doomed', '--will-payload', 'gone', '--will-qos', 1);
    await witness.subscribed.next();

    doomed.kill('SIGKILL');

    expect((await watcher.finished).stdout).toBe('wills/doomed gone\n');
  });

  it('keep a session with -c -i, and get what was published meanwhile', async () => {
    const { app, sub, pub } = await startWith();
    const session = ['-c', '-i', 'sleeper', '-t', 'mail/#', '-q', 1] as const;
    const expiry = version === 'mqttv5' ? ['-x', 600] : [];
    const first = sub(...session, ...expiry, '-E');
    expect((await first.finished).code).toBe(0);
    await pub('-t', 'mail/1', '-m', 'while away', '-q', 1).finished;
    await app.get(MQTTdPublisher).publish('mail/2', 'from the application', { qos: 2 });
    expect(app.get(MQTTdBroker).sessions.has('sleeper')).toBe(true);

    const { stdout } = await sub(...session, ...expiry, '-C', 2).finished;

    expect(stdout).toBe('while away\nfrom the application\n');
  });

  it('publish many messages over one connection', async () => {
    const { witness, sub, pub } = await startWith();
    const subscriber = sub('-t', 'lines', '-C', 50, '-q', 1);
    await witness.subscribed.next();

    await pub('-t', 'lines', '-m', 'again', '--repeat', 50, '-q', 1).finished;

    expect((await subscriber.finished).stdout).toBe('again\n'.repeat(50));
  });
});

describe('mosquitto_pub and mosquitto_sub with MQTT 5', () => {
  const start = apps();
  const run = programs();

  it('carry properties', async () => {
    const { app, port } = await start({ controllers: [Witness] });
    const common = ['-h', '127.0.0.1', '-p', port, '-V', 'mqttv5', '-t', 'a'] as const;
    const subscriber = run('mosquitto_sub', ...common, '-C', 1, '-F', '%P | %C | %R | %D | %E | %p');
    await app.get(Witness).subscribed.next();

    const properties = [
      ['user-property', 'unit', 'C'],
      ['content-type', 'text/plain'],
      ['response-topic', 'replies'],
      ['correlation-data', '7'],
      ['message-expiry-interval', '60'],
    ];
    await run('mosquitto_pub', ...common, '-m', 'x', ...properties.flatMap((one) => ['-D', 'publish', ...one]))
      .finished;

    expect((await subscriber.finished).stdout).toBe('unit:C | text/plain | replies | 7 | 60 | x\n');
  });

  it('share a subscription', async () => {
    const { app, port } = await start({ controllers: [Witness] });
    const common = ['-h', '127.0.0.1', '-p', port, '-V', 'mqttv5'] as const;
    const workers = [1, 2].map(() => run('mosquitto_sub', ...common, '-t', '$share/workers/jobs', '-C', 2));
    await app.get(Witness).subscribed.next();
    await app.get(Witness).subscribed.next();

    for (const job of ['1', '2', '3', '4']) await app.get(MQTTdPublisher).publish('jobs', job);

    const done = await Promise.all(workers.map(({ finished }) => finished));
    const jobs = done.flatMap(({ stdout }) => stdout.trim().split('\n'));
    expect(jobs.sort()).toEqual(['1', '2', '3', '4']);
  });
});
