import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ConnectedClient,
  MQTTdBroker,
  MQTTdModule,
  OnPublish,
  type MQTTdClient,
  type MQTTdOptions,
} from 'nestjs-mqttd';
import { WebSocketServer } from 'ws';
import { certificates } from '../support/certificates.js';
import { Inbox } from '../support/inbox.js';
import { mqttJs } from '../support/mqttjs.js';
import { accepted, apps, portOf } from '../support/nest-app.js';
import { programs } from '../support/programs.js';
import { publishOf, sendTogether } from '../support/scenario.js';
import { connectWebSocket } from '../support/websockets.js';
import { WireClient } from '../support/wire-client.js';

const host = '127.0.0.1';
const { ca, server: serverPair, client: device, stranger, foreign } = certificates();

let heard: Inbox<MQTTdClient>;
beforeEach(() => {
  heard = new Inbox();
});

@Controller()
class Readings {
  @OnPublish('readings')
  hear(@ConnectedClient() client: MQTTdClient): void {
    heard.push(client);
  }

  @Get('hello')
  hello(): string {
    return 'hello';
  }
}

const start = apps();
const startWith = (listeners: MQTTdOptions['listeners'], options: MQTTdOptions = {}) =>
  start({ controllers: [Readings], mqttd: { listeners, ...options } });

describe('WebSocket', () => {
  const connect = mqttJs();

  it.each([4, 5] as const)('on a port of its own serves mqtt.js, version %d, and large payloads', async (version) => {
    const { app } = await startWith([{ ws: { port: 0 } }]);
    const port = portOf(app);
    const { client, next } = await connect(port, { protocol: 'ws', path: '/mqtt', protocolVersion: version });
    await client.subscribeAsync('big', { qos: 1 });
    const payload = 'x'.repeat(3_000_000);

    await client.publishAsync('big', payload, { qos: 1 });
    await client.publishAsync('readings', 'x', { qos: 1 });

    expect(await next()).toBe(`big: ${payload}`);
    expect(await heard.next()).toMatchObject({
      listener: `ws://${host}:${port}/mqtt`,
      tls: false,
      remoteAddress: host,
    });
  });

  it('takes several packets in one message, whatever size each may have', async () => {
    const { app } = await startWith([{ ws: { port: 0 }, limits: { maximumPacketSize: 1024 } }]);
    const client = new WireClient(await connectWebSocket(`ws://${host}:${portOf(app)}/mqtt`));
    const properties = { userProperties: [['name', 'x'.repeat(2000)]] as const };
    await accepted(client, { properties });
    await client.subscribe('a');
    const payload = 'x'.repeat(1000);

    sendTogether(client, [publishOf('a', { payload }), publishOf('a', { payload })]);

    await client.expectPublish('a', payload);
    await client.expectPublish('a', payload);
  });

  it('over TLS serves mqtt.js, and knows the name of its certificate', async () => {
    const { key, cert } = serverPair;
    const { app } = await startWith([{ ws: { port: 0, key, cert, ca: ca.cert, requestCert: true, path: '/' } }]);
    const own = { key: device.key, cert: device.cert };
    const { client } = await connect(portOf(app), {
      host: 'localhost',
      protocol: 'wss',
      path: '/',
      ca: ca.cert,
      ...own,
    });

    await client.publishAsync('readings', 'x', { qos: 1 });

    expect(await heard.next()).toMatchObject({ tls: true, certificateName: 'device-7' });
  });

  describe('on the HTTP server of the application', () => {
    const running: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      await Promise.all(running.splice(0).map((app) => app.close()));
    });

    const startApplication = async (
      options: MQTTdOptions = { listeners: [{ ws: {} }] },
      addFirst?: (server: Server) => void,
    ) => {
      @Module({ imports: [MQTTdModule.forRoot(options)], controllers: [Readings] })
      class AppModule {}
      const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
      running.push(app);
      // Another part of the application, on a path of its own.
      const others = new WebSocketServer({ noServer: true });
      const server = app.getHttpServer() as Server;
      addFirst?.(server);
      server.on('upgrade', (request, socket, head) => {
        if (request.url !== '/chat') return;
        others.handleUpgrade(request, socket, head, (chat) => chat.send('this is the chat'));
      });
      await app.listen(0, host);
      return { app, port: (server.address() as AddressInfo).port };
    };

    it('serves mqtt.js beside HTTP and beside other WebSockets', async () => {
      const { port } = await startApplication();
      const { client, next } = await connect(port, { protocol: 'ws', path: '/mqtt' });
      await client.subscribeAsync('a');
      await client.publishAsync('a', 'x');
      await client.publishAsync('readings', 'x');

      expect(await next()).toBe('a: x');
      expect((await heard.next()).listener).toBe('ws:/mqtt of the application');
      expect(await (await fetch(`http://${host}:${port}/hello`)).text()).toBe('hello');
      const chat = await connectWebSocket(`ws://${host}:${port}/chat`, { protocolVersion: 13 });
      expect(String(await new Promise((resolve) => chat.once('data', resolve)))).toBe('this is the chat');
      chat.destroy();
    });

    it.each<[string, (server: Server) => void]>([
      [
        'as Nest has them',
        (server) => server.on('upgrade', (request, socket) => request.url !== '/chat' && socket.destroy()),
      ],
      ['as ws has them', (server) => new WebSocketServer({ server, path: '/chat' })],
    ])('serves beside handlers of upgrades that end whatever is not theirs, %s', async (_title, add) => {
      for (const isFirst of [true, false]) {
        const { app, port } = await startApplication({ listeners: [{ ws: {} }] }, isFirst ? add : undefined);
        if (!isFirst) add(app.getHttpServer() as Server);

        const client = await accepted(new WireClient(await connectWebSocket(`ws://${host}:${port}/mqtt`)));

        await client.expectNothing();
        client.drop();
      }
    });

    it('leaves upgrades that are for nobody to the application: it answers them as if they were none', async () => {
      @Module({
        imports: [MQTTdModule.forRoot({ listeners: [{ ws: {} }, { ws: { path: '/two' } }] })],
        controllers: [Readings],
      })
      class AppModule {}
      const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
      running.push(app);
      await app.listen(0, host);
      const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
      const ask = async (path: string, more = ''): Promise<string> => {
        const socket = connectTcp(port, host);
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${more}\r\n`);
        return text(socket);
      };

      expect(await ask('/hello')).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\nhello$/);
      expect(await ask('/nowhere')).toMatch(/^HTTP\/1\.1 404 /);
      expect(await ask('/hello', 'Content-Length: 1\r\n')).toMatch(/^HTTP\/1\.1 400 /);
      expect(await ask('/two')).toMatch(/^HTTP\/1\.1 400 /);
    });

    it('ends with the application, which sends its clients away', async () => {
      const { app, port } = await startApplication();
      const client = await accepted(new WireClient(await connectWebSocket(`ws://${host}:${port}/mqtt`)));

      await app.close();

      await client.expectDisconnect(0x8b);
    });

    it('is an error at start-up where there is no HTTP server', async () => {
      @Module({ imports: [MQTTdModule.forRoot({ listeners: [{ ws: {} }] })] })
      class AppModule {}
      const context = NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
      await expect(context).rejects.toThrow(
        'listeners[0].ws: the application has no HTTP server to share; name a port',
      );
    });
  });
});

describe('a Unix domain socket', () => {
  const run = programs();
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-unix-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('serves mosquitto_pub, with the permissions that it was given, and is removed at the end', async () => {
    const path = join(folder, 'mqtt.sock');
    const { app } = await startWith([{ unix: { path, mode: 0o600 } }]);

    const { code } = await run('mosquitto_pub', '--unix', path, '-t', 'readings', '-m', 'x').finished;

    expect(code).toBe(0);
    expect(await heard.next()).toMatchObject({ listener: `unix:${path}`, tls: false });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await app.close();
    expect(existsSync(path)).toBe(false);
  });

  it('takes the place of one that a killed process has left, but not of one that is in use, nor of a file', async () => {
    const path = join(folder, 'mqtt.sock');
    // Bound, and closed without being removed.
    const child = run(
      process.execPath,
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
    );
    await child.says('up');
    child.kill('SIGKILL');
    await child.finished;
    expect(existsSync(path)).toBe(true);

    await startWith([{ unix: { path } }]);
    await expect(startWith([{ unix: { path } }])).rejects.toThrow(
      `listeners[0].unix.path: '${path}' is taken by another process, or a file; choose another path or stop it`,
    );
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    await expect(startWith([{ unix: { path: file } }])).rejects.toThrow('is taken by another process, or a file');
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  it('takes nobody else its place, however busy they are', async () => {
    const path = join(folder, 'mqtt.sock');
    const child = run(
      process.execPath,
      '-e',
      `require('net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => console.log('up'))`,
    );
    await child.says('up');
    child.kill('SIGSTOP');
    // More than wait for being accepted.
    const waiting = Array.from({ length: 10 }, () => connectTcp(path));
    await new Promise((resolve) => {
      for (const socket of waiting) socket.once('error', resolve);
    });

    await expect(startWith([{ unix: { path } }])).rejects.toThrow(`'${path}' is taken by another process`);

    for (const socket of waiting) socket.destroy();
    expect(existsSync(path)).toBe(true);
  });

  it.each<[object, string]>([
    [{ path: '' }, 'listeners[0].unix.path: ""; use the path of a file, of 103 bytes at most'],
    [{ path: 'x'.repeat(104) }, 'use the path of a file, of 103 bytes at most'],
    [{ path: '/tmp/x', mode: 0o1000 }, 'listeners[0].unix.mode: 512; use permissions, as 0o660'],
    [
      { path: '/nowhere/at/all/x' },
      "listeners[0].unix.path: '/nowhere/at/all/x' cannot be made; choose a folder that exists",
    ],
    [{ path: '/tmp/x', port: 1 }, 'listeners[0].unix.port: there is no such option; the options are path, mode'],
  ])('that cannot be is an error at start-up: %j', async (unix, message) => {
    await expect(startWith([{ unix: unix as { path: string } }])).rejects.toThrow(message);
  });
});

describe('the PROXY protocol', () => {
  const header = 'PROXY TCP4 203.0.113.7 192.0.2.1 56324 1883\r\n';
  const trusted = { port: 0, host, proxies: ['127.0.0.0/8'] } as const;
  const open = async (port: number, ...parts: (string | Buffer)[]) => {
    const socket = connectTcp({ port, host, noDelay: true });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    for (const part of parts) {
      socket.write(part);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return socket;
  };

  it.each<[string, (string | Buffer)[]]>([
    ['in one piece', [header]],
    ['byte by byte', header.split('')],
  ])('gives the address of the client: the header %s', async (_title, parts) => {
    const { app } = await startWith([{ tcp: trusted }]);
    const client = await accepted(new WireClient(await open(portOf(app), ...parts)));
    client.publish('readings');
    expect(await heard.next()).toMatchObject({ remoteAddress: '203.0.113.7', remotePort: 56_324, tls: false });
  });

  it('together with the first packets in one chunk, of version 2, with a certificate name', async () => {
    const { app } = await startWith([{ tcp: trusted }]);
    const name = Buffer.from('device-7').toString('hex');
    const tls = `2000100700000000220008${name}`;
    const body = `cb007107c0000201dc04075b${tls}`;
    const v2 = Buffer.from(
      `0d0a0d0a000d0a515549540a2111${(body.length / 2).toString(16).padStart(4, '0')}${body}`,
      'hex',
    );
    const connectPacket = Buffer.from('100e00044d5154540502000000000163', 'hex');
    const socket = await open(portOf(app), Buffer.concat([v2, connectPacket]));
    const client = new WireClient(socket);
    await client.expect({ type: 2, reasonCode: 0 });
    client.publish('readings');
    expect(await heard.next()).toMatchObject({ remoteAddress: '203.0.113.7', tls: true, certificateName: 'device-7' });
  });

  it('goes before TLS that the proxy passes through', async () => {
    const { key, cert } = serverPair;
    const { app } = await startWith([{ tls: { ...trusted, key, cert, ca: ca.cert, requestCert: true } }]);
    const raw = await open(portOf(app), header);
    const socket = connectTls({
      socket: raw,
      servername: 'localhost',
      ca: ca.cert,
      key: device.key,
      cert: device.cert,
    });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const client = await accepted(new WireClient(socket));
    client.publish('readings');
    expect(await heard.next()).toMatchObject({ remoteAddress: '203.0.113.7', tls: true, certificateName: 'device-7' });
  });

  it('goes before TLS also in the same chunk as the handshake', async () => {
    const { key, cert } = serverPair;
    const { app } = await startWith([{ tls: { ...trusted, key, cert } }]);
    // A proxy that puts the header in front of the first bytes that come.
    let isFirst = true;
    const proxy = createServer((near) => {
      const far = connectTcp(portOf(app), host);
      near.on('data', (chunk) => far.write(isFirst ? Buffer.concat([Buffer.from(header), chunk]) : chunk));
      near.once('data', () => (isFirst = false));
      far.on('data', (chunk) => near.write(chunk)).on('close', () => near.destroy());
      near.on('close', () => far.destroy());
      for (const socket of [near, far]) socket.on('error', () => {}); // its end is what counts
    });
    await new Promise<void>((resolve) => proxy.listen(0, host, resolve));
    const socket = connectTls({
      port: (proxy.address() as AddressInfo).port,
      host,
      servername: 'localhost',
      ca: ca.cert,
    });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const client = await accepted(new WireClient(socket));
    client.publish('readings');
    expect(await heard.next()).toMatchObject({ remoteAddress: '203.0.113.7', tls: true });
    socket.destroy();
    proxy.close();
  });

  it.each<[string, readonly string[], string]>([
    ['from an address that is not trusted', ['10.0.0.0/8'], header],
    ['without a header', ['127.0.0.1'], '\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c'],
    ['with a header that is malformed', ['127.0.0.1'], 'PROXY TCP4 here there 1 2\r\n'],
  ])('closes a connection %s before the broker sees it', async (_title, proxies, bytes) => {
    const { app, broker, logged } = await startWith([{ tcp: { port: 0, host, proxies } }]);
    const client = new WireClient(await open(portOf(app), Buffer.from(bytes, 'latin1')));
    await client.expectClosed();
    expect(broker.counters.connectionsOpened).toBe(0);
    await logged.find((line) => line.includes(`connection closed address=${host}: `));
  });

  it.each([['10.0.0.0/33'], ['proxy.example.com'], ['10.0.0.1/8/9'], ['::1/x']])(
    'trusts nobody who is neither an address nor a network: %s',
    async (entry) => {
      await expect(startWith([{ tcp: { port: 0, proxies: [entry] } }])).rejects.toThrow(
        `listeners[0].tcp.proxies: "${entry}" is neither an address nor a network`,
      );
    },
  );
});

describe('certificates', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mqttd-tls-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** The fingerprint of what the server shows to who asks for this name. */
  const shownFor = async (port: number, servername: string): Promise<{ fingerprint: string; socket: TLSSocket }> => {
    const socket = connectTls({ port, host, servername, rejectUnauthorized: false });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return { fingerprint: socket.getPeerCertificate().fingerprint256, socket };
  };
  const fingerprintOf = async (port: number, name: string) => {
    const { fingerprint, socket } = await shownFor(port, name);
    socket.destroy();
    return fingerprint;
  };

  it.each(['tls', 'ws'] as const)('are chosen by the name that a client asks for: %s', async (place) => {
    const { key, cert } = serverPair;
    const other = { key: stranger.key, cert: stranger.cert };
    const address = { port: 0, host, key, cert, servers: { 'one.example.com': other, '*.wild.example.com': other } };
    const { app } = await startWith([place === 'tls' ? { tls: address } : { ws: address }]);
    const port = portOf(app);
    const [own, named] = [await fingerprintOf(port, 'localhost'), await fingerprintOf(port, 'one.example.com')];

    expect(named).not.toBe(own);
    expect(await fingerprintOf(port, 'ONE.example.com')).toBe(named);
    expect(await fingerprintOf(port, 'x.wild.example.com')).toBe(named);
    expect(await fingerprintOf(port, 'x.y.wild.example.com')).toBe(own);
    expect(await fingerprintOf(port, 'two.example.com')).toBe(own);
  });

  it.each(['tls', 'ws'] as const)(
    '[A20] of other names go with the same authority for those of clients, also when read again: %s',
    async (place) => {
      const { key, cert } = serverPair;
      const mutual = { ca: ca.cert, requestCert: true, rejectUnauthorized: true };
      const address = { port: 0, host, key, cert, ...mutual, servers: { 'one.example.com': { key, cert } } };
      const { app, broker } = await startWith([place === 'tls' ? { tls: address } : { ws: address }]);
      const port = portOf(app);
      const connectAs = async (pair: { key: string; cert: string }) => {
        const options = { servername: 'one.example.com', rejectUnauthorized: false, key: pair.key, cert: pair.cert };
        const stream =
          place === 'tls'
            ? connectTls({ port, host, ...options })
            : await connectWebSocket(`wss://${host}:${port}/mqtt`, options);
        return new WireClient(stream);
      };

      for (const prepare of [() => {}, () => broker.reloadCertificates()]) {
        prepare();
        await accepted(await connectAs(device));
        await expect(connectAs(foreign).then(accepted)).rejects.toBeDefined();
      }
      expect(broker.counters.connectionsOpened).toBe(2);
    },
  );

  it.each(['tls', 'ws'] as const)(
    '[A20] are read again while connections are open, and those go on: %s',
    async (place) => {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      const install = (pair: { key: string; cert: string }) => {
        writeFileSync(key, pair.key);
        writeFileSync(cert, pair.cert);
      };
      install(serverPair);
      const address = { port: 0, host, key, cert };
      const { app, broker } = await startWith([place === 'tls' ? { tls: address } : { ws: address }]);
      const port = portOf(app);
      const options = { ca: ca.cert, servername: 'localhost' };
      const stream =
        place === 'tls'
          ? (await shownFor(port, 'localhost')).socket
          : await connectWebSocket(`wss://${host}:${port}/mqtt`, options);
      const client = await accepted(new WireClient(stream));
      const before = await fingerprintOf(port, 'localhost');

      install(stranger);
      broker.reloadCertificates();
      const after = await fingerprintOf(port, 'localhost');
      expect(after).not.toBe(before);
      await client.expectNothing();

      // What cannot be used changes nothing.
      writeFileSync(key, serverPair.key);
      expect(() => app.get(MQTTdBroker).reloadCertificates()).toThrow(
        `listeners[0].${place}: key, cert or ca cannot be used`,
      );
      rmSync(cert);
      expect(() => app.get(MQTTdBroker).reloadCertificates()).toThrow(
        `listeners[0].${place}.cert: cannot read '${cert}' (ENOENT)`,
      );
      expect(await fingerprintOf(port, 'localhost')).toBe(after);
      await client.expectNothing();
    },
  );

  it.each<[object, string]>([
    [
      { tls: { port: 0, key: serverPair.key, cert: serverPair.cert, servers: { a: { key: 'x' } } } },
      'listeners[0].tls.servers["a"].cert: is missing',
    ],
    [{ ws: { port: 0, cert: serverPair.cert } }, 'listeners[0].ws.key: is missing'],
    [
      { ws: { cert: serverPair.cert } },
      "listeners[0].ws.cert: means nothing without a port, as the application's HTTP server is used then",
    ],
    [{ ws: { host: '127.0.0.1' } }, 'listeners[0].ws.host: means nothing without a port'],
    [{ ws: { port: 0, path: 'mqtt' } }, `listeners[0].ws.path: "mqtt"; use the path of a URL, as '/mqtt'`],
    [
      { ws: { port: 0, origins: ['app.example.com'] } },
      `listeners[0].ws.origins: ["app.example.com"]; use a list as ['https://app.example.com']`,
    ],
    [{ ws: { port: -1 } }, 'listeners[0].ws.port: -1; use a whole number from 0 to 65535'],
    [{ ws: { port: 0, host: '0.0.0.0' } }, "listeners[0].ws.host: '0.0.0.0' would let everybody on the network in"],
    [{ ws: 8080 }, 'listeners[0].ws: 8080; use { port, host, path } or { path }'],
  ])('and addresses that cannot be used are an error at start-up: %#', async (listener, message) => {
    await expect(startWith([listener as never])).rejects.toThrow(message);
  });
});
