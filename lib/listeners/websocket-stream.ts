import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/**
 * The bytes of a WebSocket as one stream: MQTT packets need not align with its messages ([MQTT-6.0.0-2]).
 *
 * One write is one binary message. Who does not read is not read from, and a write is done when its bytes have gone.
 */
export class WebSocketStream extends Duplex {
  private isEnding = false;
  /** Bytes that came since the last whole message. */
  private unfinishedBytes = 0;

  /**
   * @param transport what the WebSocket goes over
   * @param maximumUnansweredSize bytes of one message, as long as nothing was written: who has not said who it is must not
   * make us hold more
   */
  constructor(
    private readonly socket: WebSocket,
    private readonly transport: Socket,
    private readonly maximumUnansweredSize: number,
  ) {
    // The peer's end is the end: a WebSocket cannot be half open.
    super({ allowHalfOpen: false });
    // Behind that of ws, which has seen by then whether a message is whole.
    transport.on('data', this.onBytes);
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (this.destroyed) return;
      this.unfinishedBytes = 0;
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

  private readonly onBytes = (chunk: Buffer): void => {
    if (this.unfinishedBytes > this.maximumUnansweredSize) {
      this.socket.terminate();
      this.destroy();
    }
    this.unfinishedBytes += chunk.length;
  };

  override _read(): void {
    if (this.socket.isPaused) this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.transport.off('data', this.onBytes);
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(chunk, { binary: true }, done);
    else done();
  }

  override _final(done: () => void): void {
    this.isEnding = true;
    this.socket.close(normalClosure);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { socket } = this;
    // Nobody knows of it any more: a peer that was just told why it ends has a moment to read that, one that was waited for
    // has none. ws itself would hold it for half a minute.
    if (socket.readyState === socket.CLOSING && !this.isEnding) {
      const timer = setTimeout(() => socket.terminate(), lingerMs);
      socket.once('close', () => clearTimeout(timer));
    } else socket.terminate();
    done(error);
  }
}

/** Milliseconds for the closing handshake of a peer that did wrong. */
const lingerMs = 1000;
/** RFC 6455, 7.4.1. */
const normalClosure = 1000;
const unsupportedData = 1003;
