import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, it } from '@jest/globals';
import { CredentialsAuth } from '../../lib/auth/credentials.auth.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { TcpListener } from '../../lib/listeners/tcp.listener.js';
import { certificates } from '../support/certificates.js';
import { until } from '../support/cluster.js';
import { GuardedAuth } from '../support/guarded-auth.js';
import { describeInMemory, publishKept, resume } from '../support/scenario.js';
import type { TestBroker } from '../support/test-broker.js';
import type { WireClient } from '../support/wire-client.js';

const { CONNACK } = PacketType;

const told = async (broker: TestBroker, version: 4 | 5 = 5): Promise<[reasonCode: number, client: WireClient]> => {
  const client = await broker.open(version);
  return [(await client.connect({ clientId: '' })).reasonCode, client];
};

describeInMemory('too many connections', (start) => {
  it.each([
    [5, 0x97],
    [4, 3],
  ] as const)('are refused at CONNECT, version %d, and let in when others have gone', async (version, reasonCode) => {
    const broker = await start({ limits: { maximumConnections: 2 } });
    const [, first] = await told(broker, version);
    await told(broker, version);
    const [refused, client] = await told(broker, version);
    expect(refused).toBe(reasonCode);
    await client.expectClosed();
    expect((await told(broker, version))[0]).toBe(reasonCode);

    first.drop();
    await until(() => broker.broker.admissions.size === 1);
    expect((await told(broker, version))[0]).toBe(0);
  });

  it('cost no login: they are refused before anybody is asked who they are', async () => {
    let asked = 0;
    class CountingAuth extends GuardedAuth {
      override authenticate(login: { readonly username: string | undefined }): boolean {
        asked++;
        return super.authenticate(login);
      }
    }
    const broker = await start({ auth: new CountingAuth(), limits: { maximumConnections: 1 } });
    for (let number = 0; number < 5; number++) await told(broker);
    expect(asked).toBe(1);
  });

  it('are cut off without a word far beyond the bound', async () => {
    const broker = await start({ limits: { maximumConnections: 1 } });
    for (let number = 0; number < 66; number++) await broker.open();
    const beyond = await broker.open();
    await beyond.expectClosed();
    expect(broker.broker.connections.size).toBe(66);
  });

  it('are those of one listener where it says so', async () => {
    const listeners = [
      new TcpListener({ port: 0, host: '127.0.0.1' }),
      new TcpListener({ port: 0, host: '127.0.0.1' }),
    ];
    listeners[1].entrance = { limits: { maximumConnectionsPerAddress: 1 } };
    const { broker } = await start({ listeners });
    const sockets: Socket[] = [];
    const toldAt = async (port: number): Promise<number> => {
      const socket = connect({ port, host: '127.0.0.1' });
      sockets.push(socket);
      socket.write(Buffer.from('100d00044d5154540502000000000000'.slice(0, 30), 'hex'));
      const chunk: Buffer = await new Promise((resolve) => socket.once('data', resolve));
      expect(chunk[0] >> 4).toBe(CONNACK);
      return chunk[3];
    };

    const codes: number[] = [];
    for (const listener of [listeners[0], listeners[0], listeners[1], listeners[1]])
      codes.push(await toldAt(listener.port));

    expect(codes).toEqual([0, 0, 0, 0x97]);
    for (const socket of sockets) socket.destroy();
    await until(() => broker.connections.size === 0);
    expect([broker.admissions.size, broker.admissions.addresses]).toEqual([0, 0]);
  });

  it('in a second are refused with 0x9F, until time has passed', async () => {
    const broker = await start({ limits: { maximumConnectionsPerSecond: 2 } });
    const codes = async () => [(await told(broker))[0], (await told(broker))[0], (await told(broker))[0]];
    expect(await codes()).toEqual([0, 0, 0x9f]);
    broker.clock.advance(1);
    expect(await codes()).toEqual([0, 0, 0x9f]);
    broker.clock.advance(60);
    expect(await codes()).toEqual([0, 0, 0x9f]);
  });

  it('in a second are counted anew when the clock is set back', async () => {
    const broker = await start({ limits: { maximumConnectionsPerSecond: 2 } });
    expect((await told(broker))[0]).toBe(0);

    broker.clock.advance(-3600);

    expect((await told(broker))[0]).toBe(0);
    expect((await told(broker))[0]).toBe(0x9f);
    broker.clock.advance(1);
    expect((await told(broker))[0]).toBe(0);
  });

  it('[A15] leave nothing behind: all counters are back at zero after refusals, crashes and takeovers', async () => {
    const auth = new CredentialsAuth({ ann: { password: 'a' } });
    const limits = { maximumConnections: 50, maximumConnectionsPerAddress: 50, connectTimeoutMs: 5000 };
    const broker = await start({ auth, limits });
    const login = { clientId: 'ann', username: 'ann', password: Buffer.from('a') };
    const open = () => broker.open();
    (await open()).send('ffff');
    (await open()).send('10').drop();
    await (await open()).connect({ ...login, password: Buffer.from('wrong') });
    await open();
    for (let number = 0; number < 3; number++) await (await open()).connect(login);
    const last = await open();
    await last.connect(login);
    last.send('c0').drop();
    broker.clock.advance(20);

    await until(() => broker.broker.connections.size === 0);
    expect([broker.broker.admissions.size, broker.broker.admissions.addresses, broker.broker.sessions.size]).toEqual([
      0, 0, 0,
    ]);
  });
});

describeInMemory('a broker with too much to do', (start) => {
  it('[A38] refuses new clients while its event loop is late, keeps those that it has, and forgets it', async () => {
    const broker = await start({ limits: { maximumLagMs: 50 } });
    const [, client] = await told(broker);
    broker.clock.advance(0.5);
    const blockedUntil = performance.now() + 700;
    while (performance.now() < blockedUntil);
    broker.clock.advance(0.5);

    expect((await told(broker))[0]).toBe(0x89);
    expect((await told(broker, 4))[0]).toBe(3);
    await client.expectNothing();
    broker.clock.advance(0.5);
    expect((await told(broker))[0]).toBe(0);
  });

  it('refuses new clients while the process has taken all memory that it may', async () => {
    const broker = await start({ limits: { maximumMemoryBytes: 1_000_000 } });
    broker.clock.advance(0.5);
    expect((await told(broker))[0]).toBe(0x89);
  });
});

describeInMemory('a client that takes its time', (start) => {
  it('[A14] before CONNECT is cut off when its time is over, however often it says something', async () => {
    const broker = await start({ limits: { connectTimeoutMs: 10_000 } });
    const client = await broker.open();
    const bytes = Buffer.from('10ff7f00044d5154540502003c', 'hex');
    for (const byte of bytes.subarray(0, 10)) {
      client.send(Buffer.from([byte]));
      broker.clock.advance(1);
    }
    broker.clock.advance(1);
    await client.expectClosed();
    expect(broker.broker.connections.size).toBe(0);
  });

  it('[A14] over a TLS handshake is cut off, and does not outlive the listener', async () => {
    const { server } = certificates();
    const tls = { key: server.key, cert: server.cert };
    const listener = new TcpListener({ port: 0, host: '127.0.0.1', tls, handshakeTimeoutMs: 200 });
    const patient = new TcpListener({ port: 0, host: '127.0.0.1', tls });
    const { broker } = await start({ listeners: [listener, patient] });
    const closed = (port: number) =>
      new Promise((resolve) => {
        const socket = connect({ port, host: '127.0.0.1' });
        socket.on('error', () => {}).resume();
        socket.write(Buffer.from('1603010200', 'hex'));
        socket.once('close', resolve);
      });
    await closed(listener.port);
    const waiting = closed(patient.port);
    const socket = connectTls({ port: patient.port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    // With TLS 1.3 the server is done after its client.
    await until(() => broker.connections.size === 1);

    await patient.close();
    await waiting;

    expect(broker.counters.connectionsOpened).toBe(1);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });
});

describeInMemory('keep-alive', (start) => {
  it.each([0, 65_535, 61])('[A16] of %d seconds becomes the maximum, and its client is told', async (keepAlive) => {
    const broker = await start({ limits: { maximumKeepAlive: 60 } });
    const client = await broker.open();
    const { properties } = await client.connect({ keepAlive });
    expect(properties?.serverKeepAlive).toBe(60);
    broker.clock.advance(89);
    await client.expectNothing();
    broker.clock.advance(92);
    await client.expectDisconnect(0x8d);
  });

  it('[A16] of less stays, and is none where there is no maximum', async () => {
    const bounded = await (await start({ limits: { maximumKeepAlive: 60 } })).open();
    expect((await bounded.connect({ keepAlive: 60 })).properties?.serverKeepAlive).toBeUndefined();
    const broker = await start();
    const client = await broker.client(5, { keepAlive: 0 });
    broker.clock.advance(1_000_000);
    await client.expectNothing();
  });
});

describeInMemory('clients that come all at once', (start) => {
  it('[A19] find their sessions, each with what waits for it', async () => {
    const count = process.env.MQTTD_TEST_LONG ? 10_000 : 500;
    const broker = await start();
    for (let number = 0; number < count; number++) {
      const client = await resume(broker, `c${number}`);
      await client.subscribe(`a/${number}`, { qos: 1 });
      client.drop();
    }
    await until(() => broker.broker.connections.size === 0);
    const publisher = await broker.client();
    for (let number = 0; number < count; number++)
      await publishKept(publisher, `a/${number}`, { payload: String(number) });

    const clients = await Promise.all(Array.from({ length: count }, () => broker.open()));
    for (const [number, client] of clients.entries()) client.sendConnect({ clientId: `c${number}`, cleanStart: false });

    for (const [number, client] of clients.entries()) {
      await client.expect({ type: CONNACK, sessionPresent: true });
      await client.expectPublish(`a/${number}`, String(number));
    }
  }, 120_000);
});
