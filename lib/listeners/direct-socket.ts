import { Socket, type SocketConstructorOpts, type TcpSocketConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { pieceBytes } from '../broker/arena.js';
import { take, type DirectStream } from '../broker/direct-stream.js';

/**
 * An accepted socket as a DirectStream. All are read into one piece of memory: Node has this for sockets that connect
 * (`onread`), and for accepted ones when their handle moves to a socket that is made with it.
 *
 * `_handle` is not documented. Where it is not what it was, the socket is what Node has accepted, and gives `data`.
 * @param accepted by a server with `pauseOnConnect`
 */
export function readDirectly(accepted: Socket): Duplex {
  const holder = accepted as unknown as { _handle: { useUserBuffer?: unknown } | null };
  const handle = holder._handle;
  if (typeof handle?.useUserBuffer !== 'function') return accepted.resume();
  holder._handle = null;
  accepted.destroy();
  const callback = (length: number): boolean => {
    if (socket[take] === undefined) return socket.push(Buffer.from(readBytes.subarray(0, length)));
    socket[take](readBytes, length);
    return true;
  };
  const options: SocketConstructorOpts & Pick<TcpSocketConnectOpts, 'onread'> & { handle: unknown } = {
    handle,
    onread: { buffer: readBytes, callback },
  };
  const socket: DirectStream = Object.assign(new Socket(options), { [take]: undefined });
  return socket;
}

/** As much as Node reads at once. */
const readBytes = Buffer.allocUnsafeSlow(pieceBytes);
