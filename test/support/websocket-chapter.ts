import { once } from 'node:events';
import { expect } from '@jest/globals';
import { WebSocket } from 'ws';
import { WebSocketListener } from '../../lib/listeners/websocket.listener.js';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import { PacketType, type Packet } from '../../lib/protocol/packets.js';
import type { StartBroker, TestBroker } from './test-broker.js';

const { CONNECT, PUBLISH, SUBSCRIBE } = PacketType;

/** The tests of chapter 6, which is the same in both standards. */
export function webSocketChapter(start: StartBroker, version: 4 | 5) {
  const connect = {
    type: CONNECT,
    protocolVersion: version,
    clientId: 'c',
    cleanStart: true,
    keepAlive: 0,
  } as Packet;
  const subscriptions = [{ filter: 'a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const];
  const subscribe: Packet = { type: SUBSCRIBE, packetId: 1, subscriptions };
  const publishOf = (payload: string): Packet => ({
    type: PUBLISH,
    topic: 'a',
    payload: Buffer.from(payload),
    qos: 0,
    dup: false,
    retain: false,
    packetId: 0,
  });
  const bytesOf = (...packets: Packet[]) => Buffer.concat(packets.map((packet) => encodePacket(packet, version)));
  const published = (payload: string) => bytesOf(publishOf(payload)).toString('hex');

  const startWith = async () => {
    const listener = new WebSocketListener({ port: 0, host: '127.0.0.1' });
    const broker = await start({ listeners: [listener] });
    const open = async (protocols: string | string[] = 'mqtt') => {
      const socket = new WebSocket(`ws://127.0.0.1:${listener.port}/mqtt`, protocols);
      const received: { hex: string; isBinary: boolean }[] = [];
      socket.on('message', (data: Buffer, isBinary) => received.push({ hex: data.toString('hex'), isBinary }));
      const closed = once(socket, 'close') as Promise<[code: number]>;
      await once(socket, 'open');
      return { socket, received, closed };
    };
    return { ...broker, openSocket: open };
  };

  const until = async ({ broker }: TestBroker, isSo: () => boolean) => {
    const deadline = performance.now() + 4000;
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error(`did not come true; connections: ${broker.connections.size}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  const refusesText = async () => {
    const broker = await startWith();
    const { socket, received, closed } = await broker.openSocket();
    socket.send(bytesOf(connect));
    await until(broker, () => received.length === 1);
    socket.send('text');

    expect((await closed)[0]).toBe(1003);
    expect(received.map(({ isBinary }) => isBinary)).toEqual([true]);
    await until(broker, () => broker.broker.connections.size === 0);
  };

  const takesPacketsAsTheyCome = async () => {
    const broker = await startWith();
    const { socket, received } = await broker.openSocket();
    const all = bytesOf(connect, subscribe, publishOf('x'), publishOf('y'));
    const text = () => received.map(({ hex }) => hex).join('');
    const ended = () => text().endsWith(published('x') + published('y'));

    socket.send(all);
    await until(broker, ended);
    received.length = 0;
    for (const byte of bytesOf(publishOf('x'), publishOf('y'))) socket.send(Buffer.from([byte]));
    await until(broker, ended);
    received.length = 0;
    const again = bytesOf(publishOf('x'), publishOf('y'));
    socket.send(again.subarray(0, 3), { fin: false });
    socket.send(again.subarray(3, 8), { fin: false });
    socket.send(again.subarray(8), { fin: true });
    await until(broker, ended);
    socket.terminate();
  };

  const choosesSubprotocol = async () => {
    const { openSocket } = await startWith();
    const { socket } = await openSocket(['chat', 'mqtt']);
    expect(socket.protocol).toBe('mqtt');
    socket.terminate();
  };
  return { refusesText, takesPacketsAsTheyCome, choosesSubprotocol };
}
