import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocket, type ClientOptions } from 'ws';

/** The stream of a WebSocket that the other end has accepted. */
export async function connectWebSocket(url: string, options: ClientOptions = {}): Promise<Duplex> {
  const socket = new WebSocket(url, 'mqtt', { perMessageDeflate: false, ...options });
  const stream = createWebSocketStream(socket);
  stream.on('error', () => {}); // the test sees the end of the stream
  await once(socket, 'open');
  return stream;
}
