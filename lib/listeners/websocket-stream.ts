import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/**
 * The bytes of a WebSocket as one stream: MQTT packets need not align with its messages ([MQTT-6.0.0-2]).
 *
 * One write is one binary message. Who does not read is not read from, and a write is done when its bytes have gone.
 */
export class WebSocketStream extends Duplex {
  constructor(private readonly socket: WebSocket) {
    // The peer's end is the end: a WebSocket cannot be half open.
    super({ allowHalfOpen: false });
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (this.destroyed) return;
      // [MQTT-6.0.0-1]
      if (!isBinary) {
        socket.close(unsupportedData, 'MQTT comes in binary messages');
        this.destroy();
      } else if (!this.push(data)) socket.pause();
    });
    socket.on('close', () => {
      this.push(null);
      this.destroy();
    });
    // Such as a message that is too long: ws has told the peer, and closes.
    socket.on('error', () => this.destroy());
  }

  override _read(): void {
    if (this.socket.isPaused) this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(chunk, { binary: true }, done);
    else done();
  }

  override _final(done: () => void): void {
    this.socket.close(normalClosure);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // Without a closing handshake that the peer might never answer, unless one is under way.
    if (this.socket.readyState === this.socket.OPEN) this.socket.terminate();
    done(error);
  }
}

/** RFC 6455, 7.4.1. */
const normalClosure = 1000;
const unsupportedData = 1003;
