import { chmodSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Peer } from '../broker/client.js';
import { Listener } from '../broker/listener.js';
import type { Log } from '../broker/log.js';
import { readDirectly } from './direct-socket.js';

export interface UnixListenerOptions {
  /** Of the socket in the file system; it is removed when the listener closes. */
  readonly path: string;
  /** Who may connect, as file permissions: 0o660. Default what the process's umask leaves. */
  readonly mode?: number | undefined;
  /** How error texts call this listener, such as `listeners[0].unix`. */
  readonly optionPath?: string;
}

/** MQTT over a Unix domain socket: for clients on this machine, told apart by the permissions of a file. */
export class UnixListener extends Listener {
  private server: Server | undefined;

  constructor(private readonly options: UnixListenerOptions) {
    super();
  }

  override get name(): string {
    return `unix:${this.options.path}`;
  }

  override async open(accept: (stream: Duplex, peer: Peer) => void, log: Log): Promise<void> {
    const { path, mode } = this.options;
    await this.removeStale();
    const { name } = this;
    const server = createServer({ pauseOnConnect: true }, (socket) =>
      accept(readDirectly(socket), { listener: name, tls: false }),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(this.explain(error)));
      server.listen({ path, backlog: 1024 }, resolve);
    });
    this.server = server;
    if (mode !== undefined) chmodSync(path, mode);
    server.on('error', (error) => log.warn(`${name} could not accept a connection: ${error.message}`));
  }

  override async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    // Node removes the file.
    server?.close();
  }

  /** A process that was killed has left its socket behind: it is removed if nobody answers there. */
  private async removeStale(): Promise<void> {
    const { path } = this.options;
    if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return;
    const isStale = await new Promise<boolean>((resolve) => {
      const probe = connect(path);
      probe.once('connect', () => resolve(false));
      // Nothing else says that nobody listens: one that is busy has EAGAIN, one of another user EACCES.
      probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
      probe.once('connect', () => probe.destroy());
    });
    if (isStale) unlinkSync(path);
  }

  private explain(error: NodeJS.ErrnoException): Error {
    const { path, optionPath } = this.options;
    const prefix = optionPath === undefined ? '' : `${optionPath}.`;
    const reasons: Record<string, string> = {
      EADDRINUSE: `${prefix}path: '${path}' is taken by another process, or a file; choose another path or stop it`,
      // Of a folder that does not exist as well: the platform does not tell.
      EACCES: `${prefix}path: '${path}' cannot be made; choose a folder that exists and that this user may write to`,
    };
    const reason = reasons[error.code ?? ''] ?? `${prefix}path: cannot listen on '${path}': ${error.message}`;
    return Object.assign(new Error(reason, { cause: error }), { code: error.code });
  }
}
