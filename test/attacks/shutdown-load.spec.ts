import { describe, expect, it } from '@jest/globals';
import { PacketType, type DisconnectPacket } from '../../lib/protocol/packets.js';
import { builtLib } from '../support/built-lib.js';
import { accepted, openClient } from '../support/nest-app.js';
import { programs } from '../support/programs.js';

const { DISCONNECT, PUBACK, PUBLISH } = PacketType;

describe('a broker that is told to stop under load', () => {
  const built = builtLib();
  const run = programs();

  const source = (): string => `
    import { Broker } from '${built()}/broker/broker.js';
    import { AllowAllAuth } from '${built()}/auth/allow-all.auth.js';
    import { TcpListener } from '${built()}/listeners/tcp.listener.js';
    import { WebSocketListener } from '${built()}/listeners/websocket.listener.js';
    import { DirectRouter } from '${built()}/routers/direct.router.js';
    import { MemoryStore } from '${built()}/stores/memory.store.js';
    const log = { log: console.log, warn: console.log, error: console.log, debug() {} };
    const address = { port: 0, host: '127.0.0.1' };
    const listeners = [new TcpListener(address), new WebSocketListener(address)];
    const broker = new Broker({ listeners, auth: new AllowAllAuth(), router: new DirectRouter(), store: new MemoryStore(), log });
    await broker.start();
    process.once('SIGTERM', async () => { await broker.drain(); await broker.close(); console.log('closed'); });
    console.log('port=' + listeners[0].port + ' ready');`;

  it('[A46] tells every client, behind all that it has for it, and leaves no open handle: the process ends by itself', async () => {
    const program = run(process.execPath, '--input-type=module', '--eval', source());
    const line = await program.lines.find((one) => one.endsWith(' ready'));
    const port = Number(/^port=(\d+)/.exec(line)![1]);
    const subscriber = await accepted(await openClient(port));
    await subscriber.subscribe('load', { qos: 1 });
    const publishers: Awaited<ReturnType<typeof openClient>>[] = [];
    for (let number = 0; number < 5; number++) publishers.push(await accepted(await openClient(port)));

    // Each goes on as fast as it is acknowledged, until it is sent away.
    const acknowledged = publishers.map(async (publisher) => {
      let count = 0;
      for (;;) {
        publisher.publish('load', { qos: 1, payload: 'x' });
        const packet = await publisher.next();
        if (packet.type !== PUBACK) return { count, last: packet as DisconnectPacket };
        if (++count === 100 && publisher === publishers[0]) program.kill('SIGTERM');
      }
    });
    let received = 0;
    for (;;) {
      const packet = await subscriber.next();
      if (packet.type === DISCONNECT) {
        expect(packet).toMatchObject({ reasonCode: 0x8b });
        break;
      }
      if (packet.type === PUBLISH) {
        subscriber.acknowledge(PUBACK, (packet as { packetId: number }).packetId);
        received++;
      }
    }

    const ends = await Promise.all(acknowledged);
    for (const { last } of ends) expect(last).toMatchObject({ type: DISCONNECT, reasonCode: 0x8b });
    // What was acknowledged had gone out to who was there.
    expect(received).toBeGreaterThanOrEqual(ends.reduce((sum, { count }) => sum + count, 0));
    const { code, stdout } = await program.finished;
    expect([code, stdout]).toEqual([0, expect.stringMatching(/closed\n$/)]);
  });
});
