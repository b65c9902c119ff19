import type { Duplex } from 'node:stream';
import type { Peer } from '../broker/client.js';
import { Listener } from '../broker/listener.js';
import { duplexPair } from './duplex-pair.js';

/** Hands over streams of this process: for tests, which need no port then. */
export class MemoryListener extends Listener {
  readonly name = 'memory';
  private accept: ((stream: Duplex, peer: Peer) => void) | undefined;

  override async open(accept: (stream: Duplex, peer: Peer) => void): Promise<void> {
    this.accept = accept;
  }

  override async close(): Promise<void> {
    this.accept = undefined;
  }

  /**
   * The client's end of a new connection.
   * @param peer what the broker is told of the other end
   * @throws Error when the broker does not listen
   */
  connect(peer: Partial<Peer> = {}): Duplex {
    if (!this.accept) throw new Error('the broker does not listen yet, or not any more; await module.init() first');
    const [client, broker] = duplexPair();
    this.accept(broker, { listener: this.name, tls: false, ...peer });
    return client;
  }
}
