import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket, type TlsOptions } from 'node:tls';
import type { Duplex } from 'node:stream';
import type { Peer } from '../broker/client.js';
import { Listener } from '../broker/listener.js';
import type { Log } from '../broker/log.js';

export interface TcpListenerOptions {
  /** 0 takes a free port; `name` tells which. */
  readonly port: number;
  /** Address or host name to bind; absent means every address of the machine. */
  readonly host?: string | undefined;
  /** Present: the listener speaks TLS only. */
  readonly tls?: TlsOptions | undefined;
  /** How error texts call this listener, such as `listeners[0].tcp`; empty when port and host stand alone. */
  readonly optionPath?: string;
}

/** MQTT over TCP (`mqtt://`, port 1883) or over TLS (`mqtts://`, port 8883). */
export class TcpListener extends Listener {
  private server: Server | undefined;
  private address: AddressInfo | undefined;

  constructor(private readonly options: TcpListenerOptions) {
    super();
  }

  override get name(): string {
    const { host, port, tls } = this.options;
    const shown = this.address?.address ?? host ?? '0.0.0.0';
    return `${tls ? 'mqtts' : 'mqtt'}://${shown.includes(':') ? `[${shown}]` : shown}:${this.address?.port ?? port}`;
  }

  /** The port in use, once open. */
  get port(): number {
    return this.address?.port ?? this.options.port;
  }

  override async open(accept: (stream: Duplex, peer: Peer) => void, log: Log): Promise<void> {
    const { port, host, tls } = this.options;
    // Nagle's algorithm would hold an acknowledgement back for up to 40 ms.
    const onSocket = (socket: Socket): void => accept(socket, this.peerOf(socket));
    this.server = tls
      ? createTlsServer({ ALPNProtocols: ['mqtt'], handshakeTimeout: 10_000, ...tls, noDelay: true }, onSocket)
      : createServer({ noDelay: true }, onSocket);
    const { server } = this;
    // A handshake that fails is the peer's matter; without a listener Node destroys the socket just the same.
    server.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(this.explain(error)));
      server.listen({ port, host, backlog: 1024 }, resolve);
    });
    this.address = server.address() as AddressInfo;
    // Such as too many open files: the connection is lost, the listener goes on.
    server.on('error', (error) => log.warn(`${this.name} could not accept a connection: ${error.message}`));
  }

  override async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    // Resolves without waiting for open connections: those are the broker's.
    server?.close();
  }

  private peerOf(socket: Socket): Peer {
    const { remoteAddress, remotePort } = socket;
    const isTls = socket instanceof TLSSocket;
    const name = isTls && socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
    const certificateName = Array.isArray(name) ? name[0] : name;
    return { listener: this.name, remoteAddress, remotePort, tls: isTls, certificateName };
  }

  private explain(error: NodeJS.ErrnoException): Error {
    const { port, host, optionPath = '' } = this.options;
    const prefix = optionPath === '' ? '' : `${optionPath}.`;
    const reasons: Record<string, string> = {
      EADDRINUSE: `${prefix}port: ${port} is taken by another process; choose another port or stop it`,
      EACCES: `${prefix}port: ${port} needs more rights; choose a port above 1023`,
      EADDRNOTAVAIL: `${prefix}host: '${host}' is not an address of this machine`,
      ENOTFOUND: `${prefix}host: '${host}' cannot be resolved`,
    };
    const reason = reasons[error.code ?? ''] ?? `${prefix}port: cannot listen on ${this.name}: ${error.message}`;
    return Object.assign(new Error(reason, { cause: error }), { code: error.code });
  }
}
