import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocketServer } from 'ws';
import type { Peer } from '../broker/client.js';
import { Listener } from '../broker/listener.js';
import type { Log } from '../broker/log.js';
import { optionalPackage } from '../broker/optional-package.js';
import { explainListenError, urlHost } from './addresses.js';
import { pathOf, refuseUpgrade, takeUpgrades } from './http-upgrades.js';
import { peerOf } from './peer.js';
import { ServerCertificates, type ServerTlsOptions } from './server-certificates.js';
import { WebSocketStream } from './websocket-stream.js';

export interface WebSocketListenerOptions {
  /** 0 takes a free port. Without a port `server` has one. */
  readonly port?: number | undefined;
  /** Address or host name to bind; absent means every address of the machine. */
  readonly host?: string | undefined;
  /** Present: `wss://` only. A function is asked again at each `reload`. */
  readonly tls?: ServerTlsOptions | (() => ServerTlsOptions) | undefined;
  /** An HTTP server of the application's, asked for when the listener is opened; its other paths stay its own. */
  readonly server?: (() => Server | undefined) | undefined;
  /** Path of the URL. Default `/mqtt`. */
  readonly path?: string | undefined;
  /**
   * Pages that may connect, as browsers say where they come from: `https://app.example.com`; `*` is every page. Default those
   * from the host that they connect to, which has to be a name of this machine where only this machine may connect. What is no browser does not say, and may.
   */
  readonly origins?: readonly string[] | undefined;
  /** Whether only this machine may connect. Default false. */
  readonly isLoopbackOnly?: boolean | undefined;
  /** Bytes of one WebSocket message, which may hold several packets. Default 16,777,216. */
  readonly maximumMessageSize?: number | undefined;
  /** Bytes of one WebSocket message until the client got its first answer. Default 524,288, as that of a CONNECT. */
  readonly maximumUnansweredSize?: number | undefined;
  /** Milliseconds for a TLS handshake, and for the HTTP request behind it, on a port of its own. Default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** How error texts call this listener, such as `listeners[0].ws`. */
  readonly optionPath?: string;
}

/** MQTT over WebSocket (MQTT 5, chapter 6): on a port of its own, or on the HTTP server of the application. */
export class WebSocketListener extends Listener {
  readonly path: string;
  private readonly certificates: ServerCertificates | undefined;
  private sockets: WebSocketServer | undefined;
  private server: Server | undefined;
  private address: AddressInfo | undefined;
  private stopTaking: (() => void) | undefined;
  private accept: ((stream: Duplex, peer: Peer) => void) | undefined;

  constructor(private readonly options: WebSocketListenerOptions) {
    super();
    const { path = '/mqtt', tls } = options;
    this.path = path;
    this.certificates = tls && new ServerCertificates(typeof tls === 'function' ? tls : () => tls);
  }

  override get name(): string {
    const { port, host, tls } = this.options;
    if (port === undefined) return `ws:${this.path} of the application`;
    return `${tls ? 'wss' : 'ws'}://${urlHost(this.address?.address ?? host)}:${this.port}${this.path}`;
  }

  /** The port in use, once open; 0 where it is the application's. */
  get port(): number {
    return this.address?.port ?? this.options.port ?? 0;
  }

  override async open(accept: (stream: Duplex, peer: Peer) => void, log: Log): Promise<void> {
    const { optionPath = 'ws', maximumMessageSize = 16_777_216 } = this.options;
    const { WebSocketServer: Sockets } = await optionalPackage(optionPath, 'ws', () => import('ws'));
    this.accept = accept;
    this.sockets = new Sockets({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maximumMessageSize,
      // [MQTT-6.0.0-4]
      handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
    });
    if (this.options.port === undefined) {
      this.server = this.ofApplication();
      this.stopTaking = takeUpgrades(this.server, this.path, this.onUpgrade);
    } else {
      this.server = await this.listen(log);
    }
  }

  override reload(): void {
    if (this.server && this.address) this.certificates?.reload(this.server as TlsServer);
  }

  override async close(): Promise<void> {
    const { server, address } = this;
    this.accept = undefined;
    this.stopTaking?.();
    this.server = undefined;
    if (!server || !address) return;
    server.close();
    // Not those that have become WebSockets: they are the broker's.
    server.closeAllConnections();
  }

  private ofApplication(): Server {
    const { server, optionPath = 'ws' } = this.options;
    const found = server?.();
    if (found) return found;
    const reason = `${optionPath}: the application has no HTTP server to share; name a port`;
    throw Object.assign(new Error(reason), { code: 'NO_SERVER' });
  }

  private async listen(log: Log): Promise<Server> {
    const { certificates } = this;
    const { port, host, optionPath, handshakeTimeoutMs = 10_000 } = this.options;
    const timeouts = {
      handshakeTimeout: handshakeTimeoutMs,
      requestTimeout: handshakeTimeoutMs,
      headersTimeout: handshakeTimeoutMs,
      connectionsCheckingInterval: handshakeTimeoutMs / 10,
    };
    const server = certificates ? createTlsServer({ ...timeouts, ...certificates.options() }) : createServer(timeouts);
    server.on('request', (_request, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end('MQTT over WebSocket only\n');
    });
    server.on('upgrade', (request, socket, head) => {
      if (pathOf(request) === this.path) this.onUpgrade(request, socket, head);
      else refuseUpgrade(socket, 404);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(explainListenError(error, { port: port!, host, optionPath }, this.name)));
      server.listen({ port, host, backlog: 1024 }, resolve);
    });
    this.address = server.address() as AddressInfo;
    server.on('error', (error) => log.warn(`${this.name} could not accept a connection: ${error.message}`));
    return server;
  }

  private readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const status = this.objectionTo(request);
    if (status !== undefined) {
      refuseUpgrade(socket, status);
      return;
    }
    const { maximumUnansweredSize = 524_288 } = this.options;
    this.sockets!.handleUpgrade(request, socket, head, (webSocket) => {
      const peer = peerOf(request.socket, this.name);
      if (this.accept) this.accept(new WebSocketStream(webSocket, request.socket, maximumUnansweredSize), peer);
      else webSocket.terminate();
    });
  };

  /** @returns the HTTP status that refuses a client */
  private objectionTo({ headers, socket }: IncomingMessage): number | undefined {
    if (!this.accept) return 503;
    if (this.options.isLoopbackOnly && !isLoopback(socket.remoteAddress)) return 403;
    if (!this.isOriginAllowed(headers)) return 403;
    // [MQTT-6.0.0-3]
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    return subprotocols.some((name) => offered.includes(name)) ? undefined : 400;
  }

  private isOriginAllowed({ origin, host }: IncomingMessage['headers']): boolean {
    if (origin === undefined) return true;
    const { origins } = this.options;
    if (origins) return origins.includes('*') || origins.includes(origin.toLowerCase());
    if (!URL.canParse(origin)) return false;
    const page = new URL(origin);
    // A foreign name may have been made to point here: then both headers agree, and the page is a foreign one all the same.
    if (this.options.isLoopbackOnly && !isLoopbackName(page.hostname)) return false;
    return page.host === host?.toLowerCase();
  }
}

/** What a client has to offer: MQTT 5 and 3.1.1, or 3.1 as its clients call it. */
const subprotocols = ['mqtt', 'mqttv3.1'];

const isLoopbackName = (name: string): boolean => /^((.+\.)?localhost|127\.[\d.]+|\[::1\])$/.test(name);

const isLoopback = (address: string | undefined): boolean => /^(127\.|::1$|::ffff:127\.)/.test(address ?? '');
