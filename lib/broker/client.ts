import type { ProtocolVersion } from '../protocol/packets.js';

/** What a Listener knows about the other end of a stream. */
export interface Peer {
  /** Name of the listener, such as `tcp://127.0.0.1:1883`. */
  readonly listener: string;
  /** Absent for streams that have no address. */
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** Whether the stream is encrypted. */
  readonly tls: boolean;
  /** Common name of the client certificate that the listener has verified. */
  readonly certificateName?: string | undefined;
}

/** A connected client, as handlers and the Auth seam see it. */
export interface Client extends Peer {
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly protocolVersion: ProtocolVersion;
  readonly cleanStart: boolean;
  /** Seconds; 0 is off. */
  readonly keepAlive: number;
  readonly connectedAt: Date;
  /** What the Auth knows of it besides its name: those of a JSON Web Token, for example. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** When its credentials end, and its connection with them. */
  readonly validUntil?: Date | undefined;
}
