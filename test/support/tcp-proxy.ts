import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';

/** A link that can be cut: what connects to its port is connected to another port of this machine. */
export class TcpProxy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private isCut = false;
  private isFrozen = false;

  private constructor(private readonly target: () => number) {
    this.server = createServer((near) => this.join(near));
  }

  static async start(target: () => number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends every connection, and each new one. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Nothing goes through any more, and nobody is told: as when a cable is pulled. New connections hang as well. */
  freeze(): void {
    this.isFrozen = true;
    for (const socket of this.sockets) socket.pause();
  }

  /** As before the cut; what was frozen goes on. */
  restore(): void {
    this.isCut = this.isFrozen = false;
    for (const socket of this.sockets) socket.resume();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket): void {
    const far = connect({ port: this.target(), host: '127.0.0.1' });
    this.watch(near, far);
    this.watch(far, near);
    if (this.isCut) near.destroy();
  }

  private watch(socket: Socket, other: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => other.write(chunk));
    // Whatever ends one side ends the other.
    socket.on('error', () => socket.destroy());
    socket.on('end', () => other.end());
    socket.on('close', () => {
      this.sockets.delete(socket);
      other.destroy();
    });
    if (this.isFrozen) socket.pause();
  }
}

/** Proxies that do not outlive their test. */
export function proxies(): (target: () => number) => Promise<TcpProxy> {
  const running: TcpProxy[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((proxy) => proxy.stop()));
  });
  return async (target) => {
    const proxy = await TcpProxy.start(target);
    running.push(proxy);
    return proxy;
  };
}
