import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { expect, it } from '@jest/globals';
import { WebSocket, type ClientOptions } from 'ws';
import { WebSocketListener, type WebSocketListenerOptions } from '../../lib/listeners/websocket.listener.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { until } from '../support/cluster.js';
import { describeInMemory } from '../support/scenario.js';
import { connectWebSocket } from '../support/websockets.js';
import { WireClient } from '../support/wire-client.js';

describeInMemory('a WebSocket', (start) => {
  const startWith = async (options: Partial<WebSocketListenerOptions> = {}) => {
    const listener = new WebSocketListener({ port: 0, host: '127.0.0.1', ...options });
    const { broker, logged } = await start({ listeners: [listener] });
    const url = `ws://127.0.0.1:${listener.port}`;
    const client = async () => {
      const wire = new WireClient(await connectWebSocket(`${url}/mqtt`));
      await wire.connect();
      return wire;
    };
    return { broker, url, client, logged, port: listener.port };
  };

  /** The HTTP status that refuses the handshake. */
  const refusedWith = (url: string, protocols: string[], options: ClientOptions = {}): Promise<number | undefined> =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, protocols, options);
      socket.once('unexpected-response', (_request, response) => {
        resolve(response.statusCode);
        socket.terminate();
      });
      socket.on('error', () => {}); // the status says it
    });

  it.each([
    ['without a subprotocol', '/mqtt', [], 400],
    ['with another subprotocol', '/mqtt', ['chat'], 400],
    ['on another path', '/other', ['mqtt'], 404],
    ['on a path below', '/mqtt/x', ['mqtt'], 404],
  ])('[A12] %s gets no connection', async (_title, path, protocols, status) => {
    const { url, broker, client } = await startWith();

    expect(await refusedWith(`${url}${path}`, protocols)).toBe(status);

    expect(broker.counters.connectionsOpened).toBe(0);
    await (await client()).expectNothing();
  });

  it('[A12] with a query behind the path, and the subprotocol of 3.1, is served', async () => {
    const { url } = await startWith();
    const socket = new WebSocket(`${url}/mqtt?token=x`, 'mqttv3.1');
    await once(socket, 'open');
    expect(socket.protocol).toBe('mqttv3.1');
    socket.terminate();
  });

  it.each([
    ['of another page', undefined, 'https://evil.example', 403],
    ['of another page, where one is allowed', ['https://app.example.com'], 'https://evil.example', 403],
    ['that is no URL', undefined, 'null', 403],
  ])('[A12] from an Origin %s gets no connection', async (_title, origins, origin, status) => {
    const { url } = await startWith({ origins });
    expect(await refusedWith(`${url}/mqtt`, ['mqtt'], { origin })).toBe(status);
  });

  it.each([
    ['http://localhost:PORT', 'localhost:PORT', true],
    ['http://127.0.0.1:PORT', '127.0.0.1:PORT', true],
    ['http://evil.example:PORT', 'evil.example:PORT', false],
    ['http://127.evil.example:PORT', '127.evil.example:PORT', false],
  ])('[A12] from the page %s, where only this machine may connect, is served or not', async (page, to, isServed) => {
    const { url, port } = await startWith({ isLoopbackOnly: true });
    const [origin, host] = [page, to].map((one) => one.replace('PORT', String(port)));
    const headers = { origin, host };
    if (isServed) (await connectWebSocket(`${url}/mqtt`, { headers })).destroy();
    else expect(await refusedWith(`${url}/mqtt`, ['mqtt'], { headers })).toBe(403);
  });

  it.each([
    ['of the host itself', undefined, (url: string) => url.replace('ws:', 'http:')],
    ['that is allowed', ['https://app.example.com'], () => 'https://app.example.com'],
    ['that is any, where all are allowed', ['*'], () => 'https://evil.example'],
  ])('[A12] from an Origin %s is served', async (_title, origins, originOf) => {
    const { url } = await startWith({ origins });
    (await connectWebSocket(`${url}/mqtt`, { origin: originOf(url) })).destroy();
  });

  it('[A12] with a message that is too long is closed, with 1009, and takes nothing from others', async () => {
    const { url, client, broker } = await startWith({ maximumMessageSize: 1000 });
    const other = await client();
    const socket = new WebSocket(`${url}/mqtt`, 'mqtt');
    await once(socket, 'open');

    socket.send(Buffer.alloc(1001));

    expect((await once(socket, 'close'))[0]).toBe(1009);
    await other.expectNothing();
    await until(() => broker.connections.size === 1);
  });

  it('[A1] [A12] makes nobody hold a long message before its CONNECT was answered, and may send one then', async () => {
    const { url, broker, client } = await startWith({ maximumUnansweredSize: 100_000 });
    const long = Buffer.alloc(300_000);
    const silent = new WebSocket(`${url}/mqtt`, 'mqtt');
    silent.on('error', () => {}); // it is cut off while it sends
    await once(silent, 'open');
    silent.send(long.subarray(0, 1), { fin: false });
    silent.send(long, { fin: false });

    expect((await once(silent, 'close'))[0]).toBe(1006);

    const known = await client();
    known.publish('a', { payload: long, qos: 1 });
    await known.expect({ type: PacketType.PUBACK });
    await until(() => broker.connections.size === 1);
  });

  it('[A12] that answers no closing handshake is not held for long', async () => {
    const { port, broker } = await startWith();
    const open = async () => {
      const socket = connect(port, '127.0.0.1');
      socket.write(
        'GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
      );
      await once(socket, 'data');
      return socket;
    };
    const [wrong, away] = [await open(), await open()];
    const ends = Promise.all([buffer(wrong), buffer(away)]);

    // A text message of three characters, its mask being zero.
    wrong.write(Buffer.from('818300000000616263', 'hex'));
    await until(() => broker.connections.size === 1);
    await broker.drain();

    // Each is told in a close frame why, 1003 and 1000, and does not answer it.
    const [refusal, farewell] = await ends;
    expect([refusal[0], refusal.readUInt16BE(2)]).toEqual([0x88, 1003]);
    expect(farewell.toString('hex')).toBe('880203e8');
  }, 10_000);

  it('[A12] that offers compression gets none', async () => {
    const { url } = await startWith();
    const socket = new WebSocket(`${url}/mqtt`, 'mqtt', { perMessageDeflate: true });
    await once(socket, 'open');
    expect(socket.extensions).toBe('');
    socket.terminate();
  });

  it('[A17] that is not read holds bounded bytes, while others get everything', async () => {
    const { client, broker } = await startWith();
    const [slow, quick, publisher] = [await client(), await client(), await client()];
    for (const one of [slow, quick]) await one.subscribe('a');
    slow.stream.pause();
    (slow.stream as unknown as { _read(): void })._read = () => {};

    const payload = 'x'.repeat(100_000);
    for (let round = 0; round < 100; round++) {
      publisher.publish('a', { payload });
      await quick.expectPublish('a', payload);
    }

    const held = [...broker.connections].map(({ stream }) => stream.writableLength);
    expect(Math.max(...held)).toBeLessThan(broker.limits.maximumOutboxBytes + 2 * payload.length);
    expect(broker.counters.messagesDropped).toBeGreaterThan(0);
  });

  it('[A14] is not waited for when the request never comes whole', async () => {
    const { port, client } = await startWith({ handshakeTimeoutMs: 300 });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /mqtt HTTP/1.1\r\nHost: x\r\n');
    const ended = text(socket);
    const other = await client();

    expect(await ended).toMatch(/^(HTTP\/1\.1 408 |$)/);

    await other.expectNothing();
  });

  it('is refused politely when what comes is HTTP', async () => {
    const { port } = await startWith();
    const response = await fetch(`http://127.0.0.1:${port}/mqtt`);
    expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket']);
  });

  it('[A12] of a peer that vanishes during the handshake does no harm', async () => {
    const { port, client } = await startWith();
    const socket = connect(port, '127.0.0.1');
    socket.end('GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 404 /);
    await (await client()).expectNothing();
  });
});
