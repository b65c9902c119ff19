import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Peer } from '../broker/client.js';
import type { ProxiedPeer } from './proxy-header.js';

/**
 * What a socket tells of its other end.
 * @param said what the proxy at that end has said of the client behind it
 */
export function peerOf(socket: Socket, listener: string, said: ProxiedPeer = {}): Peer {
  const isTls = socket instanceof TLSSocket;
  const name = isTls && socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
  const certificateName = Array.isArray(name) ? name[0] : name;
  const { remoteAddress, remotePort } = said.remoteAddress === undefined ? socket : said;
  return {
    listener,
    remoteAddress,
    remotePort,
    tls: isTls || said.tls === true,
    certificateName: certificateName ?? said.certificateName,
  };
}
