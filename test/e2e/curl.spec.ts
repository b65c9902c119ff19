import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { MQTTdPublisher } from 'nestjs-mqttd';
import { apps, type AppParts } from '../support/nest-app.js';
import { programs } from '../support/programs.js';
import { Witness } from '../support/witness.js';

/** What curl prints of a message: the length of the topic in two bytes, the topic, the payload. */
const printed = (topic: string, payload: string): string => {
  const length = Buffer.byteLength(topic);
  return `${String.fromCharCode(length >> 8, length & 0xff)}${topic}${payload}`;
};

describe('curl', () => {
  const start = apps();
  const run = programs();

  const startWith = async (mqttd?: AppParts['mqttd']) => {
    const { app, port, client, logged } = await start({ controllers: [Witness], mqttd });
    const url = `mqtt://127.0.0.1:${port}`;
    return { app, witness: app.get(Witness), publisher: app.get(MQTTdPublisher), url, client, logged };
  };

  it('subscribes with curl -sN and prints every message as it comes', async () => {
    const { publisher, witness, url } = await startWith();
    const curl = run('curl', '-sN', `${url}/sensors/7/temperature`);
    expect(await witness.subscribed.next()).toBe('sensors/7/temperature');

    await publisher.publish('sensors/7/temperature', '21.5');
    await curl.says('21.5');
    await publisher.publish('sensors/7/temperature', '22.5', { qos: 2 });
    await curl.says('22.5');

    curl.kill('SIGINT');
    const { stdout } = await curl.finished;
    const topic = 'sensors/7/temperature';
    expect(stdout).toBe(printed(topic, '21.5') + printed(topic, '22.5'));
  });

  it('gets a retained message at once, and ends well when the application does', async () => {
    const { app, publisher, url } = await startWith();
    await publisher.publish('state', 'on', { retain: true });
    const curl = run('curl', '-sN', `${url}/state`);
    await curl.says('on');

    await app.close();

    expect((await curl.finished).stdout).toBe(printed('state', 'on'));
  });

  it('publishes with curl -d, and exits 0', async () => {
    const { url, client } = await startWith();
    const subscriber = await client();
    await subscriber.subscribe('sensors/#');

    const { code, stderr } = await run('curl', '-sS', '-d', '25.5', `${url}/sensors/7`).finished;

    expect([code, stderr]).toEqual([0, '']);
    await subscriber.expectPublish('sensors/7', '25.5', { qos: 0, retain: false });
  });

  it.each([100_000, 1_000_000])('publishes %d bytes without a changed one', async (size) => {
    const { url, client } = await startWith();
    const subscriber = await client();
    await subscriber.subscribe('big');
    const file = join(mkdtempSync(join(tmpdir(), 'mqttd-curl-')), 'payload');
    const payload = Buffer.from(Array.from({ length: size }, (_, index) => (index * 7) % 256));
    writeFileSync(file, payload);

    const { code } = await run('curl', '-sS', '--data-binary', `@${file}`, `${url}/big`).finished;

    expect(code).toBe(0);
    const sent = await subscriber.expect({ type: 3, topic: 'big' });
    expect('payload' in sent && sent.payload.equals(payload)).toBe(true);
  });

  it.each([100_000, 1_000_000])('receives %d bytes', async (size) => {
    const { publisher, witness, url } = await startWith();
    const curl = run('curl', '-sN', `${url}/big`);
    await witness.subscribed.next();
    const payload = `${'0123456789'.repeat(size / 10)}!`;

    await publisher.publish('big', payload);
    await curl.says('!');

    curl.kill('SIGINT');
    expect((await curl.finished).stdout).toBe(printed('big', payload));
  });

  it.each([
    ['a space', 'living%20room/lamp', 'living room/lamp'],
    ['an umlaut', 'k%C3%BCche/gr%C3%B6%C3%9Fe', 'küche/größe'],
    ['an emoji', '%F0%9F%8C%A1', '🌡'],
    ['an empty level', 'a//b', 'a//b'],
    ['a leading slash', '%2Fa', '/a'],
    ['a percent sign', '50%25', '50%'],
  ])('publishes and subscribes to a topic with %s', async (_title, path, topic) => {
    const { publisher, witness, url, client } = await startWith();
    const subscriber = await client();
    await subscriber.subscribe(topic);
    await witness.subscribed.next();

    await run('curl', '-sS', '-d', 'by curl', `${url}/${path}`).finished;
    await subscriber.expectPublish(topic, 'by curl');

    const curl = run('curl', '-sN', `${url}/${path}`);
    expect(await witness.subscribed.next()).toBe(topic);
    await publisher.publish(topic, 'to curl');
    await curl.says('to curl');
  });

  it('publishes and subscribes to a long topic', async () => {
    const { publisher, witness, url, client } = await startWith();
    const topic = Array.from({ length: 100 }, (_, level) => `level-${level}-${'x'.repeat(60)}`).join('/');
    const subscriber = await client();
    await subscriber.subscribe(topic);
    await witness.subscribed.next();

    await run('curl', '-sS', '-d', 'by curl', `${url}/${topic}`).finished;
    await subscriber.expectPublish(topic, 'by curl');

    const curl = run('curl', '-sN', `${url}/${topic}`);
    expect(await witness.subscribed.next()).toBe(topic);
    await publisher.publish(topic, 'to curl');
    await curl.says('to curl');
  });

  it('subscribes with wildcards', async () => {
    const { publisher, witness, url } = await startWith();
    const curl = run('curl', '-sN', `${url}/sensors/%2B/temperature`);
    expect(await witness.subscribed.next()).toBe('sensors/+/temperature');

    await publisher.publish('sensors/9/temperature', 'x9');

    await curl.says('x9');
  });

  it('is let in with -u user:password, and refused with a wrong one or none: exit code 8', async () => {
    const users = { ann: { password: 'pass:word' } };
    const { url, client, witness } = await startWith({ port: 0, host: '127.0.0.1', auth: { users } });
    const publish = (...args: string[]) => run('curl', '-sS', '-d', 'x', ...args, `${url}/a`).finished;

    const right = await publish('-u', 'ann:pass:word');
    const wrong = await publish('-u', 'ann:password');
    const none = await publish();

    expect([right.code, wrong.code, none.code]).toEqual([0, 8, 8]);
    expect(await witness.published.next()).toBe('a');
    const subscriber = await client(4, { username: 'ann', password: Buffer.from('pass:word') });
    await subscriber.settled();
    expect(witness.published.all).toHaveLength(1);
  });
});
