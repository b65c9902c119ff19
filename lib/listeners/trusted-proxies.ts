import { BlockList, isIP, type Socket } from 'node:net';
import type { Log } from '../broker/log.js';
import { parseProxyHeader, type ProxiedPeer } from './proxy-header.js';
import { messageOf } from '../broker/error-text.js';

/** Proxies that say whose connections they pass on: by the PROXY protocol, version 1 or 2. Nobody else gets in. */
export class TrustedProxies {
  private readonly addresses = new BlockList();

  /**
   * @param trusted addresses and networks: `10.0.0.0/8`, `::1`
   * @throws TypeError naming the one that is neither
   */
  constructor(trusted: readonly string[]) {
    for (const entry of trusted) this.add(entry);
  }

  /** Calls `goOn` when the header has come; what is behind it is still to be read. Without one the socket is closed. */
  receive(socket: Socket, log: Log, goOn: (peer: ProxiedPeer) => void): void {
    const close = (reason: string): void => {
      log.debug(`connection closed address=${socket.remoteAddress}: ${reason}`);
      socket.destroy();
    };
    socket.on('error', () => socket.destroy());
    if (!this.isTrusted(socket.remoteAddress)) {
      close('it is no trusted proxy');
      return;
    }
    let received: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => close('no PROXY header came in time'), headerMs);
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      received = Buffer.concat([received, chunk]);
      try {
        const header = parseProxyHeader(received);
        if (!header) return;
        done();
        socket.unshift(received.subarray(header.length));
        goOn(header.peer);
      } catch (error) {
        done();
        close(messageOf(error));
      }
    };
    const done = (): void => {
      clearTimeout(timer);
      socket.off('readable', onReadable).off('close', done);
    };
    socket.on('readable', onReadable).on('close', done);
  }

  private isTrusted(address: string | undefined): boolean {
    if (address === undefined) return false;
    const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
    return this.addresses.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
  }

  private add(entry: string): void {
    const [address, prefix, ...rest] = entry.split('/');
    const family = isIP(address);
    const bits = prefix === undefined ? undefined : Number(prefix);
    const isPrefix = bits === undefined || (/^\d+$/.test(prefix) && bits <= (family === 6 ? 128 : 32));
    if (family === 0 || rest.length > 0 || !isPrefix) {
      throw new TypeError(`${JSON.stringify(entry)} is neither an address nor a network, as 10.0.0.7 or 10.0.0.0/8`);
    }
    const type = family === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) this.addresses.addAddress(address, type);
    else this.addresses.addSubnet(address, bits, type);
  }
}

/** Milliseconds until the header must have come. */
const headerMs = 10_000;
