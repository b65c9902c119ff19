import { PacketType } from '../../lib/protocol/packets.js';
import { framed, hex, propertyBlock } from './bytes.js';
import type { WireClient } from './wire-client.js';

interface ConnectParts {
  /** Connect Flags; Clean Start unless told otherwise. */
  flags?: string;
  keepAlive?: string;
  properties?: string;
  payload?: string;
}

/** The bytes of an MQTT 5 CONNECT, each part in the notation of `bytes.ts` and as wrong as the test wants it. */
export function connectBytes(parts: ConnectParts = {}): Buffer {
  const { flags = '02', keepAlive = '0000', properties = '', payload = "0003'dev'" } = parts;
  return hex(framed(0x10, `0004'MQTT' 05 ${flags} ${keepAlive} ${propertyBlock(properties)} ${payload}`));
}

/** MQTT 5: expects a CONNACK with this reason, no session, and then the end. */
export async function expectConnectRefused(client: WireClient, reasonCode: number): Promise<void> {
  await client.expect({ type: PacketType.CONNACK, sessionPresent: false, reasonCode });
  await client.expectClosed();
}

/** Ends the connection without DISCONNECT and waits until the broker has taken note. */
export async function breakOff(client: WireClient): Promise<void> {
  client.stream.end();
  await client.expectClosed();
}

/** Collects the bytes that come from the broker from now on. */
export function collectBytes(client: WireClient): () => Buffer {
  const chunks: Buffer[] = [];
  client.stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks);
}
