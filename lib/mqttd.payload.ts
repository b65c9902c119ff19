/** How the payload is handed to a handler: decided once, by the declared type of its payload parameter. */
export type PayloadKind = 'bytes' | 'text' | 'json';

/** Names under which Nest and TypeScript keep what they know about parameters. */
const routeArguments = '__routeArguments__';
const payloadParameter = '3';

/**
 * `Buffer` and `Uint8Array` get the bytes, `string` gets the text, everything else (a class, an interface, `any`, one
 * property of the payload) gets JSON. Without a payload parameter nothing is decoded.
 */
export function payloadKindOf(controller: abstract new (...args: never[]) => unknown, method: string): PayloadKind {
  const types = (Reflect.getMetadata('design:paramtypes', controller.prototype, method) ?? []) as unknown[];
  const declared = Reflect.getMetadata(routeArguments, controller, method) as RouteArguments | undefined;
  // Without parameter decorators Nest passes the payload as the first argument.
  if (!declared) return types.length === 0 ? 'bytes' : kindOf(types[0]);
  const payloads = Object.entries(declared).filter(([key]) => key.split(':')[0] === payloadParameter);
  if (payloads.length === 0) return 'bytes';
  const whole = payloads.find(([, { data }]) => data === undefined);
  return whole ? kindOf(types[whole[1].index]) : 'json';
}

type RouteArguments = Readonly<Record<string, { readonly index: number; readonly data?: unknown }>>;

function kindOf(type: unknown): PayloadKind {
  if (type === Buffer || type === Uint8Array) return 'bytes';
  return type === String ? 'text' : 'json';
}

/**
 * The payload as the handler wants it.
 * @throws SyntaxError when it is to be JSON and is not; the text never quotes the payload
 */
export function decodePayload(payload: Buffer, kind: PayloadKind): unknown {
  if (kind === 'bytes') return payload;
  if (kind === 'text') return payload.toString('utf8');
  if (payload.length === 0) return undefined;
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    // JSON.parse quotes what it read: its message must not reach a log.
    throw new SyntaxError('the payload is not JSON; declare the parameter as Buffer or string to get it as it is');
  }
}

/**
 * The bytes to publish: binary as it is, strings as UTF-8, nothing for undefined and null, everything else as JSON.
 *
 * Nobody else changes them: who gave a buffer may go on to use it.
 */
export function encodePayload(value: unknown): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (typeof value === 'string') return Buffer.from(value);
  if (value === undefined || value === null) return Buffer.alloc(0);
  return Buffer.from(JSON.stringify(value) ?? '');
}
