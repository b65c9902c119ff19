import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { apps } from '../support/nest-app.js';
import { programs } from '../support/programs.js';
import { WireClient } from '../support/wire-client.js';

/** CONNECT with the client id `curl`, and SUBSCRIBE to `1190` with packet identifier 2. */
const connectHex = '1010 0004 4d515454 04 02 003c 0004 6375726c';
const subscribeHex = '8209 0002 0004 31313930 00';
const connack = '20020000';
const suback = '9003000200';
const disconnect = 'e000';
const topic = '000431313930';
const payload = Buffer.from('this is random payload yes yes it is').toString('hex');
const publish = `302a${topic}${payload}`;

describe('a broker with the configuration file of curl’s test server', () => {
  const start = apps();
  const run = programs();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-script-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const startWith = async (config: string | undefined) => {
    const configFile = join(folder, 'mqttd.config');
    const write = (text: string) => writeFileSync(configFile, text);
    if (config !== undefined) write(config);
    const { port, app, logged } = await start({ mqttd: { port: 0, configFile } });
    const open = async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      return socket;
    };
    return { port, app, logged, write, open };
  };

  /** Sends all at once and gives all that comes until these bytes, or the end. */
  const answersTo = async (socket: Socket, sent: string, wanted: string): Promise<string> => {
    let received = '';
    socket.write(Buffer.from(sent.replaceAll(' ', ''), 'hex'));
    for await (const chunk of socket) {
      received += (chunk as Buffer).toString('hex');
      if (received.length >= wanted.length) break;
    }
    return received;
  };

  /** All bytes until the broker ends the connection. */
  const untilEnd = async (socket: Socket, sent: string): Promise<string> => {
    socket.write(Buffer.from(sent.replaceAll(' ', ''), 'hex'));
    return (await buffer(socket)).toString('hex');
  };

  it.each<[string, string, string]>([
    ['error-CONNACK', 'error-CONNACK 5', `20020005${suback}${publish}${disconnect}`],
    ['remlen-CONNACK', 'remlen-CONNACK 1', `20010000${suback}${publish}${disconnect}`],
    ['PINGRESP-as-CONNACK', 'PINGRESP-as-CONNACK 1', `d0020000${suback}${publish}${disconnect}`],
    ['PUBLISH-before-SUBACK', 'PUBLISH-before-SUBACK TRUE', `${connack}${publish}${suback}${disconnect}`],
    ['DISCONNECT-malformed', 'DISCONNECT-malformed', `${connack}${suback}${publish}e0020000`],
    ['excessive-remaining', 'excessive-remaining TRUE', `${connack}${suback}30ffffff80${topic}${payload}${disconnect}`],
    [
      'several at once',
      'version 5\nPUBLISH-before-SUBACK\nDISCONNECT-malformed\nerror-CONNACK 0',
      `${connack}${publish}${suback}e0020000`,
    ],
  ])('says byte for byte what %s says, and waits for the client to close', async (_title, config, wanted) => {
    const { open } = await startWith(config);
    const socket = await open();
    expect(await answersTo(socket, connectHex + subscribeHex, wanted)).toBe(wanted);
  });

  it.each<[string, string, string]>([
    ['short-PUBLISH', 'short-PUBLISH', `${connack}${suback}${publish.slice(0, -4)}`],
    [
      'short-PUBLISH before SUBACK, which does not come then',
      'short-PUBLISH\nPUBLISH-before-SUBACK',
      `${connack}${publish.slice(0, -4)}`,
    ],
    ['Testnum of a file that is not there', 'Testnum 404', connack],
  ])('ends the connection where %s says so', async (_title, config, wanted) => {
    const { open } = await startWith(config);
    expect(await untilEnd(await open(), connectHex + subscribeHex)).toBe(wanted);
  });

  it.each<[string, string, string]>([
    ['as it is', '<data>', 'hello\n'],
    ['without the last newline', '<data nonewline="yes">', 'hello'],
  ])('takes the payload from a file, %s', async (_title, tag, text) => {
    writeFileSync(join(folder, 'test1190'), `<reply>\n${tag}\nhello\n</data>\n</reply>\n`);
    const { open } = await startWith('Testnum 1190');
    const bytes = Buffer.from(text).toString('hex');
    const wanted = `${connack}${suback}30${(6 + text.length).toString(16).padStart(2, '0')}${topic}${bytes}${disconnect}`;
    expect(await answersTo(await open(), connectHex + subscribeHex, wanted)).toBe(wanted);
  });

  it('takes bytes as they come, one by one', async () => {
    const { open } = await startWith('error-CONNACK 0');
    const socket = await open();
    const bytes = Buffer.from((connectHex + subscribeHex).replaceAll(' ', ''), 'hex');
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const wanted = `${connack}${suback}${publish}${disconnect}`;
    expect(await answersTo(socket, '', wanted)).toBe(wanted);
  });

  it.each<[string, string]>([
    ['at QoS 0', '300a 0004 31313930 68656c6c'],
    ['at QoS 1', '320c 0004 31313930 0001 68656c6c'],
    ['at QoS 2, DUP and retained', '3d0c 0004 31313930 0001 68656c6c'],
  ])('answers a PUBLISH %s with nothing, and ends behind the DISCONNECT', async (_title, sent) => {
    const { open } = await startWith('error-CONNACK 0');
    expect(await untilEnd(await open(), `${connectHex}${sent}e000`)).toBe(connack);
  });

  it('reads a PUBLISH of megabytes without holding it', async () => {
    const { open } = await startWith('error-CONNACK 0');
    const socket = await open();
    const body = Buffer.concat([Buffer.from(topic, 'hex'), Buffer.alloc(4_000_000 - 6)]);
    socket.write(Buffer.from(connectHex.replaceAll(' ', ''), 'hex'));
    socket.write(Buffer.concat([Buffer.from('308092f401', 'hex'), body]));
    expect(await untilEnd(socket, 'e000')).toBe(connack);
  });

  it.each<[string, string]>([
    ['of another protocol level', '100e 0004 4d515454 05 02 003c 0002 6162'],
    ['of another protocol name', '1010 0006 4d5149736470 03 02 003c 0002 6162'],
    ['with a will', '1014 0004 4d515454 04 06 003c 0002 6162 0001 61 0001 62'],
    ['with an id of 32 bytes', `102c 0004 4d515454 04 02 003c 0020 ${'61'.repeat(32)}`],
    ['that is longer than what it says', '1011 0004 4d515454 04 02 003c 0004 6375726c 00'],
    ['that lacks its user name', '1010 0004 4d515454 04 82 003c 0004 6375726c'],
    ['that is none', subscribeHex],
    ['with a Remaining Length that is none', '10ffffffff7f'],
  ])('ends a connection without a word for a CONNECT %s', async (_title, sent) => {
    const { open } = await startWith('error-CONNACK 0');
    expect(await untilEnd(await open(), sent)).toBe('');
  });

  it.each<[string, string]>([
    ['a SUBSCRIBE with other flags', '8009 0002 0004 31313930 00'],
    ['a SUBSCRIBE with two filters', '820e 0002 0004 31313930 00 0002 6162 00'],
    ['a SUBSCRIBE that is cut off', '8202 0002'],
    ['a second CONNECT', connectHex],
    ['a PINGREQ', 'c000'],
    ['a DISCONNECT', 'e000'],
  ])('ends the connection for %s', async (_title, sent) => {
    const { open } = await startWith('error-CONNACK 0');
    expect(await untilEnd(await open(), connectHex + sent)).toBe(connack);
  });

  it('takes a user name and a password, whatever they are', async () => {
    const { open } = await startWith('error-CONNACK 0');
    const sent = '101a 0004 4d515454 04 c2 003c 0004 6375726c 0003 616e6e 0003 707764';
    expect(await answersTo(await open(), sent, connack)).toBe(connack);
  });

  it('serves one scripted connection after the other', async () => {
    const { open } = await startWith('error-CONNACK 0');
    const [first, second] = [await open(), await open()];
    second.write(Buffer.from(connectHex.replaceAll(' ', ''), 'hex'));
    expect(await answersTo(first, connectHex, connack)).toBe(connack);
    expect(second.readableLength).toBe(0);
    first.destroy();
    expect(await answersTo(second, '', connack)).toBe(connack);
  });

  it('reads the file again for each connection, and serves as usual while it says nothing', async () => {
    const { open, write, logged } = await startWith(undefined);
    const served = async (): Promise<boolean> => {
      const client = new WireClient(await open(), 5);
      const { reasonCode } = await client.connect({ clientId: '' });
      await client.expectNothing();
      client.drop();
      return reasonCode === 0;
    };

    expect(await served()).toBe(true);
    write('error-CONNACK 3\nspeed 9\n');
    expect(await answersTo(await open(), connectHex, '20020003')).toBe('20020003');
    await logged.find((line) => line.includes('unknown key "speed"'));
    await logged.find((line) => line.includes('scripted connection version=5'));
    write('version 5\n');
    expect(await served()).toBe(true);
  });

  it('ends with the application', async () => {
    const { open, app } = await startWith('error-CONNACK 0');
    const socket = await open();
    expect(await answersTo(socket, connectHex, connack)).toBe(connack);
    await app.close();
    expect(socket.destroyed || (await buffer(socket)).length === 0).toBe(true);
  });

  describe('to curl', () => {
    /** What curl makes of it: its exit code, and what it prints. */
    it.each<[string, string, number, string]>([
      ['a payload of the test', 'Testnum 1190', 0, 'hello\n'],
      ['PUBLISH-before-SUBACK', 'PUBLISH-before-SUBACK\nTestnum 1190', 0, 'hello\n'],
      ['error-CONNACK', 'error-CONNACK 5', 8, ''],
      ['short-PUBLISH', 'short-PUBLISH\nTestnum 1190', 18, 'hell'],
      ['excessive-remaining', 'excessive-remaining\nTestnum 1190', 8, ''],
    ])('%s', async (_title, config, code, printed) => {
      writeFileSync(join(folder, 'test1190'), '<reply>\n<data>\nhello\n</data>\n</reply>\n');
      const { port } = await startWith(config);
      const finished = await run('curl', '-sN', `mqtt://127.0.0.1:${port}/1190`).finished;
      // curl prints the topic of a message too, with its length in front.
      const shown = printed === '' ? '' : `\0\x041190${printed}`;
      expect([finished.code, finished.stdout]).toEqual([code, shown]);
    });

    it('publishes to it', async () => {
      const { port } = await startWith('error-CONNACK 0');
      expect((await run('curl', '-s', '-d', 'something', `mqtt://127.0.0.1:${port}/1190`).finished).code).toBe(0);
    });
  });

  it.each<[object, string]>([
    [{ configFile: '' }, 'configFile: ""; use a path'],
    [{ logDirectory: 'log' }, 'logDirectory: means nothing without configFile; leave it out'],
  ])('is an error at start-up where its options cannot be used: %j', async (mqttd, message) => {
    await expect(start({ mqttd: { port: 0, ...mqttd } })).rejects.toThrow(message);
  });
});
