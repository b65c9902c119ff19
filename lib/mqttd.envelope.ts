import type { Message } from './broker/message.js';
import type { PayloadKind } from './mqttd.payload.js';

/** What Nest's own clients (`ClientMqtt`) put around a payload: `{ pattern, data, id }`. */
export interface Envelope {
  readonly data: unknown;
  /** Of a request; absent in events. */
  readonly id: string | undefined;
}

/**
 * Only an object whose `pattern` is the topic, and that has `data`: no payload of a device is cut because it looks like one.
 * @returns undefined where there is none
 */
export function envelopeOf({ topic, payload }: Message): Envelope | undefined {
  if (payload.length < opening.length || !payload.subarray(0, opening.length).equals(opening)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined; // whatever it is, it is not from Nest
  }
  const { pattern, id } = parsed as { pattern?: unknown; id?: unknown };
  if (pattern !== topic || !Object.hasOwn(parsed as object, 'data')) return undefined;
  return { data: (parsed as { data: unknown }).data, id: typeof id === 'string' ? id : undefined };
}

/** What Nest's serializer writes first. */
const opening = Buffer.from('{"pattern":');

/** The data as the handler wants its payload: a Buffer comes as Node's JSON of one. */
export function openedAs(kind: PayloadKind, data: unknown): unknown {
  if (kind === 'json') return data;
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  if (kind === 'text') return text;
  const { type, data: bytes } = (data ?? {}) as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(bytes) ? Buffer.from(bytes as number[]) : Buffer.from(text);
}
