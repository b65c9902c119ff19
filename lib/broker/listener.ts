import type { Duplex } from 'node:stream';
import type { Peer } from './client.js';
import type { EntranceOptions } from './entrance.js';
import type { Log } from './log.js';

/** Opens a port and hands over byte streams. */
export abstract class Listener {
  /** What the log calls it, such as `tcp://127.0.0.1:1883`; known exactly once it is open. */
  abstract readonly name: string;

  /** What holds for its clients; read when it is opened. */
  entrance: EntranceOptions = {};

  /**
   * Starts to listen and hands every new stream to `accept`; what goes wrong later is told to `log`.
   * @throws an Error whose text names the option and the remedy when the address cannot be had
   */
  abstract open(accept: (stream: Duplex, peer: Peer) => void, log: Log): Promise<void>;

  /**
   * Reads keys and certificates again, for new connections.
   * @throws Error when they cannot be used: then all stays as it was
   */
  reload(): void {}

  /** Takes no more streams; those handed over stay the broker's. May be called twice. */
  abstract close(): Promise<void>;
}
