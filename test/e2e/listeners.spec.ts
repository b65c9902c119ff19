import { describe, expect, it } from '@jest/globals';
import { certificates } from '../support/certificates.js';
import { mqttJs } from '../support/mqttjs.js';
import { apps, portOf } from '../support/nest-app.js';
import { programs } from '../support/programs.js';
import { Witness } from '../support/witness.js';

const { ca, server } = certificates();

describe('two listeners at once', () => {
  const start = apps();
  const run = programs();
  const connectTo = mqttJs();

  const startWith = async () => {
    const { key, cert } = server;
    const listeners = [{ tcp: { port: 0 } }, { tls: { port: 0, key, cert } }];
    const { app } = await start({ controllers: [Witness], mqttd: { listeners } });
    return { app, witness: app.get(Witness), plain: portOf(app, 0), encrypted: portOf(app, 1) };
  };

  it('are one broker: a message from one port reaches subscribers on the other', async () => {
    const { witness, plain, encrypted } = await startWith();
    const overTls = ['-h', 'localhost', '-p', encrypted, '--cafile', ca.certFile] as const;
    const subscriber = run('mosquitto_sub', ...overTls, '-t', '#', '-C', 2, '-v', '-q', 1);
    await witness.subscribed.next();

    await run('curl', '-sS', '-d', 'by curl', `mqtt://127.0.0.1:${plain}/a`).finished;
    await run('mosquitto_pub', ...overTls, '-t', 'b', '-m', 'by mosquitto', '-q', 1).finished;

    expect((await subscriber.finished).stdout).toBe('a by curl\nb by mosquitto\n');
  });

  it('know a session wherever its client comes in', async () => {
    const { plain, encrypted } = await startWith();
    const session = { clientId: 'sleeper', clean: false, protocolVersion: 4 } as const;
    const first = await connectTo(plain, session);
    await first.client.subscribeAsync('mail', { qos: 1 });
    await first.client.endAsync();
    const publisher = await connectTo(plain);
    await publisher.client.publishAsync('mail', 'while away', { qos: 1 });

    const tls = { protocol: 'mqtts', host: 'localhost', ca: ca.cert } as const;
    const second = await connectTo(encrypted, { ...session, ...tls });

    expect(await second.next()).toBe('mail: while away');
  });

  it('both close with the application', async () => {
    const { app, plain, encrypted } = await startWith();
    await app.close();

    await expect(connectTo(plain)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(connectTo(encrypted, { protocol: 'mqtts' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
