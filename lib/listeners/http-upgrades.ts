import { ServerResponse, STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export type TakeUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Takes the upgrade requests for one path of an HTTP server that serves others as well.
 *
 * They are taken before the listeners of the server hear of them: Nest's WsAdapter, and a `WebSocketServer` with `server`
 * and `path`, end every socket whose path is not theirs, ours included. What is for nobody is answered as if we were not
 * there: without a listener for upgrades Node makes an ordinary request of it (`curl --http2` sends such).
 * @returns what ends the taking
 */
export function takeUpgrades(server: Server, path: string, take: TakeUpgrade): () => void {
  const emit = server.emit.bind(server) as (event: string, ...values: unknown[]) => boolean;
  let isTaking = true;
  const emitOthers = (event: string, ...values: unknown[]): boolean => {
    if (!isTaking || event !== 'upgrade' || pathOf(values[0] as IncomingMessage) !== path)
      return emit(event, ...values);
    take(...(values as Parameters<TakeUpgrade>));
    return true;
  };
  const forNobody = Object.assign(
    (request: IncomingMessage, socket: Duplex): void => {
      const listeners = server.listeners('upgrade');
      // One answer, from the first of us, and only where nobody else might give one.
      if (listeners[0] === forNobody && listeners.every((one) => isOurs in one)) answer(server, request, socket);
    },
    { [isOurs]: true },
  );
  server.emit = emitOthers as Server['emit'];
  // Without any listener Node would not ask.
  server.on('upgrade', forNobody);
  return () => {
    isTaking = false;
    server.off('upgrade', forNobody);
  };
}

/** Ends a request that gets no WebSocket. */
export function refuseUpgrade(socket: Duplex, status: number): void {
  socket.on('error', () => {}); // it may be gone already
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

export const pathOf = ({ url = '' }: IncomingMessage): string => url.split('?', 1)[0];

/** Marks our listeners, also those of another copy of this file. */
const isOurs = Symbol.for('nestjs-mqttd:upgrades');

function answer(server: Server, request: IncomingMessage, socket: Duplex): void {
  // Where an upgrade was asked for Node reads no body.
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length']) > 0;
  if (hasBody) {
    refuseUpgrade(socket, 400);
    return;
  }
  socket.on('error', () => socket.destroy());
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.once('finish', () => socket.end());
  server.emit('request', request, response);
}
