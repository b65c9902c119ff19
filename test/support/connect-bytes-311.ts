import { framed, hex } from './bytes.js';

interface ConnectParts {
  /** Protocol Name and Protocol Level. */
  protocol?: string;
  /** Connect Flags; Clean Session unless told otherwise. */
  flags?: string;
  /** Seconds, two bytes. */
  keepAlive?: string;
  payload?: string;
}

/** The bytes of an MQTT 3.1.1 CONNECT, each part in the notation of `bytes.ts` and as wrong as the test wants it. */
export function connectBytes311(parts: ConnectParts = {}): Buffer {
  const { protocol = "0004'MQTT' 04", flags = '02', keepAlive = '0000', payload = "0003'dev'" } = parts;
  return hex(framed(0x10, `${protocol} ${flags} ${keepAlive} ${payload}`));
}
