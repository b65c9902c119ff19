import { Duplex } from 'node:stream';
import { expect, it } from '@jest/globals';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { describeInMemory } from '../support/scenario.js';
import type { TestBroker } from '../support/test-broker.js';

/** The broker's end of a connection whose peer takes nothing until it is told to. */
class StalledStream extends Duplex {
  private readonly untaken: (() => void)[] = [];
  private isTaking = false;

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.isTaking) done();
    else this.untaken.push(done);
  }

  takeEverything(): void {
    this.isTaking = true;
    for (const done of this.untaken.splice(0)) done();
  }
}

const ping = encodePacket({ type: PacketType.PINGREQ }, 5);

describeInMemory('a client that does not take its answers', (start) => {
  it.each([
    ['without keep-alive, after a minute', 0, 59, 3],
    ['with a short keep-alive, after a minute', 10, 59, 3],
    ['with a long one, after three times that', 100, 299, 3],
  ])('[A17] is cut off %s', async (_title, keepAlive, stillThere, later) => {
    const broker = await start({ limits: { maximumOutboxBytes: 65_536 } });
    const { stream, connection } = await stalled(broker, keepAlive);

    broker.clock.advance(stillThere);
    expect(stream.destroyed).toBe(false);
    broker.clock.advance(later);

    expect(stream.destroyed).toBe(true);
    expect(broker.broker.connections.has(connection)).toBe(false);
    expect(broker.broker.sessions.has('stalled')).toBe(false);
  });

  it('[A17] is kept when it takes them in time, and its time begins anew when it stalls again', async () => {
    const broker = await start({ limits: { maximumOutboxBytes: 65_536 } });
    const { stream, connection } = await stalled(broker, 0);
    broker.clock.advance(50);

    stream.takeEverything();
    await until(() => !connection.isUnread);
    broker.clock.advance(600);

    expect(stream.destroyed).toBe(false);
    expect(connection.isOpen).toBe(true);
  });

  /** A connected client that has asked so often that nothing more is read from it. */
  async function stalled(broker: TestBroker, keepAlive: number) {
    const stream = new StalledStream();
    broker.broker.accept(stream, { listener: 'memory', tls: false });
    const [connection] = broker.broker.connections;
    const connect = { type: PacketType.CONNECT, cleanStart: true, keepAlive, clientId: 'stalled' } as const;
    stream.push(encodePacket({ ...connect, protocolVersion: 5 }, 5));
    stream.push(Buffer.concat(Array.from({ length: 40_000 }, () => ping)));
    await until(() => connection.isUnread && stream.writableLength > 65_536);
    return { stream, connection };
  }

  /** Lets the event loop go round until it is so. */
  async function until(isSo: () => boolean): Promise<void> {
    for (let turn = 0; !isSo(); turn++) {
      if (turn === 1000) throw new Error(`still not: ${String(isSo)}`);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
});
