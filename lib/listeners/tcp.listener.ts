import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { Duplex } from 'node:stream';
import type { Peer } from '../broker/client.js';
import { Listener } from '../broker/listener.js';
import type { Log } from '../broker/log.js';
import { explainListenError, urlHost } from './addresses.js';
import { readDirectly } from './direct-socket.js';
import { peerOf } from './peer.js';
import type { ProxiedPeer } from './proxy-header.js';
import { ServerCertificates, type ServerTlsOptions } from './server-certificates.js';
import { TrustedProxies } from './trusted-proxies.js';

export interface TcpListenerOptions {
  /** 0 takes a free port; `name` tells which. */
  readonly port: number;
  /** Address or host name to bind; absent means every address of the machine. */
  readonly host?: string | undefined;
  /** Present: the listener speaks TLS only. A function is asked again at each `reload`. */
  readonly tls?: ServerTlsOptions | (() => ServerTlsOptions) | undefined;
  /** Milliseconds for a TLS handshake. Default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Present: only these addresses and networks may connect, and say by the PROXY protocol for whom (before TLS). */
  readonly proxies?: readonly string[] | undefined;
  /** How error texts call this listener, such as `listeners[0].tcp`; empty when port and host stand alone. */
  readonly optionPath?: string;
}

/** MQTT over TCP (`mqtt://`, port 1883) or over TLS (`mqtts://`, port 8883). */
export class TcpListener extends Listener {
  private readonly certificates: ServerCertificates | undefined;
  private readonly proxies: TrustedProxies | undefined;
  private server: Server | undefined;
  private tlsServer: TlsServer | undefined;
  private address: AddressInfo | undefined;
  /** Sockets whose TLS handshake is under way, by their other ends. */
  private readonly shaking = new Map<string, Socket>();

  /** @throws TypeError for a proxy that is neither an address nor a network */
  constructor(private readonly options: TcpListenerOptions) {
    super();
    const { tls, proxies } = options;
    this.certificates = tls && new ServerCertificates(typeof tls === 'function' ? tls : () => tls);
    this.proxies = proxies && new TrustedProxies(proxies);
  }

  override get name(): string {
    const { host, port, tls } = this.options;
    return `${tls ? 'mqtts' : 'mqtt'}://${urlHost(this.address?.address ?? host)}:${this.address?.port ?? port}`;
  }

  /** The port in use, once open. */
  get port(): number {
    return this.address?.port ?? this.options.port;
  }

  override async open(accept: (stream: Duplex, peer: Peer) => void, log: Log): Promise<void> {
    const { port, host } = this.options;
    const { proxies, certificates } = this;
    // One text for all connections.
    let name: string | undefined;
    const nameNow = (): string => (name ??= this.name);
    /** By address and port of the proxy: of the socket itself TLS makes another one. */
    const said = new Map<string, ProxiedPeer>();
    const onSocket = (socket: Socket): void =>
      accept(socket, peerOf(socket, nameNow(), proxies && said.get(endOf(socket))));
    const onAccepted = (socket: Socket): void => {
      const peer = peerOf(socket, nameNow());
      accept(readDirectly(socket), peer);
    };
    if (certificates) this.tlsServer = this.makeTlsServer(certificates, onSocket);
    const { tlsServer } = this;
    // Nagle's algorithm would hold an acknowledgement back for up to 40 ms.
    this.server = proxies
      ? createServer({ noDelay: true, pauseOnConnect: true }, (socket) =>
          proxies.receive(socket, log, (peer) => {
            const end = endOf(socket);
            said.set(end, peer);
            socket.once('close', () => said.delete(end));
            if (tlsServer) tlsServer.emit('connection', socket);
            else onSocket(socket);
          }),
        )
      : (tlsServer ?? createServer({ noDelay: true, pauseOnConnect: true }, onAccepted));
    const { server } = this;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(explainListenError(error, this.options, this.name)));
      server.listen({ port, host, backlog: 1024 }, resolve);
    });
    this.address = server.address() as AddressInfo;
    // Such as too many open files: the connection is lost, the listener goes on.
    server.on('error', (error) => log.warn(`${this.name} could not accept a connection: ${error.message}`));
  }

  override reload(): void {
    if (this.tlsServer) this.certificates?.reload(this.tlsServer);
  }

  override async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    this.tlsServer = undefined;
    // Resolves without waiting for open connections: those are the broker's.
    server?.close();
    // Nobody else knows of these.
    for (const socket of this.shaking.values()) socket.destroy();
  }

  private makeTlsServer(certificates: ServerCertificates, onSocket: (socket: TLSSocket) => void): TlsServer {
    const { handshakeTimeoutMs: handshakeTimeout = 10_000 } = this.options;
    const options = { ALPNProtocols: ['mqtt'], handshakeTimeout, ...certificates.options(), noDelay: true };
    const server = createTlsServer(options, (socket) => {
      this.shaking.delete(endOf(socket));
      onSocket(socket);
    });
    server.on('connection', (socket: Socket) => {
      const end = endOf(socket);
      this.shaking.set(end, socket);
      socket.once('close', () => this.shaking.delete(end));
    });
    // A handshake that fails is the peer's matter; without a listener Node destroys the socket just the same.
    server.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy());
    return server;
  }
}

const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
