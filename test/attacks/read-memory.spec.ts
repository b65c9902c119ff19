import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { AllowAllAuth } from '../../lib/auth/allow-all.auth.js';
import type { Peer } from '../../lib/broker/client.js';
import { isDirect } from '../../lib/broker/direct-stream.js';
import { Listener } from '../../lib/broker/listener.js';
import { readDirectly } from '../../lib/listeners/direct-socket.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { publishKept, publishOf, readPublishes, resume, sendTogether } from '../support/scenario.js';
import { startBroker, type TestBroker } from '../support/test-broker.js';
import { WireClient } from '../support/wire-client.js';

/** Accepts as TcpListener does, with sockets of which the handle can be used directly, or with ones of which it cannot. */
class EitherListener extends Listener {
  readonly name = 'either';
  port = 0;
  private server: Server | undefined;

  /** @param isCurious looks at what comes first, and gives it back */
  constructor(
    private readonly isDirectly: boolean,
    private readonly isCurious = false,
  ) {
    super();
  }

  override async open(accept: (stream: Duplex, peer: Peer) => void): Promise<void> {
    this.server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
      if (!this.isDirectly) hideHandle(socket);
      const stream = readDirectly(socket);
      expect(isDirect(stream)).toBe(this.isDirectly);
      if (!this.isCurious) accept(stream, { listener: this.name, tls: false });
      else
        stream.once('data', (chunk: Buffer) => {
          stream.pause();
          stream.unshift(chunk);
          accept(stream, { listener: this.name, tls: false });
          stream.resume();
        });
    }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as { port: number }).port;
  }

  override async close(): Promise<void> {
    this.server?.close();
  }
}

/** As another version of Node may have it. */
function hideHandle(socket: Socket): void {
  Object.assign((socket as unknown as { _handle: object })._handle, { useUserBuffer: undefined });
}

/** Says when the first message may be published. */
class LateAuth extends AllowAllAuth {
  allow!: () => void;
  private readonly allowed = new Promise<boolean>((resolve) => (this.allow = () => resolve(true)));

  override mayPublish(_client: unknown, topic: string): boolean | Promise<boolean> {
    return topic === 'late/0' ? this.allowed : true;
  }
}

describe.each([
  ['directly', true],
  ['by data, where Node is not as expected', false],
] as const)('sockets that are read %s', (_title, isDirectly) => {
  const running: TestBroker[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((node) => node.stop()));
  });

  const start = async (auth = new AllowAllAuth(), listener = new EitherListener(isDirectly)) => {
    const node = await startBroker({ listeners: [listener], auth });
    const sockets: Socket[] = [];
    const open = async (): Promise<WireClient> => {
      const socket = connect(listener.port, '127.0.0.1');
      sockets.push(socket);
      await once(socket, 'connect');
      return new WireClient(socket, 5);
    };
    const stop = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await node.stop();
    };
    const client: TestBroker['client'] = async (_version, options) => {
      const one = await open();
      await one.connect(options);
      return one;
    };
    const broker = { ...node, open, stop, client };
    running.push(broker);
    return broker;
  };

  /** Goes through the memory that reads share many times. */
  const flood = async (node: TestBroker): Promise<void> => {
    const client = await node.client();
    for (let count = 0; count < 40; count++)
      sendTogether(
        client,
        Array.from({ length: 100 }, () => publishOf('flood', { payload: 'x'.repeat(500) })),
      );
    await client.expectNothing();
  };

  it('keep what is retained, queued and in flight, whatever is read behind it', async () => {
    const node = await start();
    const away = await resume(node, 'away');
    await away.subscribe('m/#', { qos: 2 });
    away.disconnect();
    await away.expectClosed();
    const inFlight = await resume(node, 'in flight');
    await inFlight.subscribe('m/#', { qos: 2 });
    const publisher = await node.client();
    for (let number = 0; number < 50; number++)
      await publishKept(publisher, `m/${number}`, { payload: `payload ${number}`, retain: true });
    await readPublishes(inFlight, 50);
    inFlight.drop();

    await flood(node);

    const expected = Array.from({ length: 50 }, (_, number) => `m/${number} payload ${number}`);
    const textsOf = async (client: WireClient) =>
      (await readPublishes(client, 50)).map(({ topic, payload }) => `${topic} ${payload.toString()}`);
    expect(await textsOf(await resume(node, 'away'))).toEqual(expected);
    expect(await textsOf(await resume(node, 'in flight'))).toEqual(expected);
    const late = await node.client();
    await late.subscribe('m/#');
    expect((await textsOf(late)).sort()).toEqual([...expected].sort());
  });

  it('keep what came behind a packet that has to wait', async () => {
    const auth = new LateAuth();
    const node = await start(auth);
    const subscriber = await node.client();
    await subscriber.subscribe('late/#');
    const publisher = await node.client();
    sendTogether(
      publisher,
      Array.from({ length: 100 }, (_, number) => publishOf(`late/${number}`, { payload: `payload ${number}` })),
    );

    await flood(node);
    auth.allow();

    const payloads = (await readPublishes(subscriber, 100)).map(({ payload }) => payload.toString());
    expect(payloads).toEqual(Array.from({ length: 100 }, (_, number) => `payload ${number}`));
  });

  it('give all to the broker of which a listener of an application has read the beginning', async () => {
    const node = await start(new AllowAllAuth(), new EitherListener(isDirectly, true));
    const client = await node.client();
    await client.subscribe('a');
    await flood(node);
    client.publish('a', { payload: 'x' });
    await client.expectPublish('a', 'x');
  });

  it('give packets whole, wherever reads begin and end', async () => {
    const node = await start();
    const subscriber = await node.client();
    await subscriber.subscribe('#');
    const sizes = [0, 1, 60, 3000, 65_536, 200_000, 1_000_000, 5, 40_000, 7];
    const payloads = sizes.map((size) => randomBytes(size));
    const publisher = await node.client();
    const bytes = Buffer.concat(payloads.map((payload) => encodePacket({ ...publishOf('a'), payload }, 5)));
    for (let at = 0, step = 1; at < bytes.length; at += step, step = (step * 3) % 70_001) {
      publisher.send(bytes.subarray(at, at + step));
      if (step < 30) await new Promise((resolve) => setImmediate(resolve));
    }

    const received = await readPublishes(subscriber, sizes.length);
    expect(received.map(({ payload }) => payload.equals(payloads.shift()!))).toEqual(sizes.map(() => true));
    publisher.send({ type: PacketType.PINGREQ });
    await publisher.expect({ type: PacketType.PINGRESP });
  });
});
