import { RpcException } from '@nestjs/microservices';

/**
 * A mistake of the application's: an option, a decorator, an argument. Thrown at start-up where possible.
 *
 * The text names the option, its value and the remedy; `code` stays the same between versions.
 */
export class MQTTdUsageError extends Error {
  override readonly name = 'MQTTdUsageError';

  constructor(
    readonly code: MQTTdUsageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An option that cannot be used as it is. */
export const invalidOption = (message: string, options?: ErrorOptions): MQTTdUsageError =>
  new MQTTdUsageError('INVALID_OPTION', message, options);

/** @throws MQTTdUsageError for an option that is not one of `names` */
export function checkNames(options: object, names: readonly string[], path: string): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw invalidOption(`${path}.${unknown}: there is no such option; the options are ${names.join(', ')}`);
}

export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** A value as texts of errors show it. */
export const shown = (value: unknown): string =>
  typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));

export type MQTTdUsageErrorCode =
  /** An option that does not exist, or a value that it cannot have. */
  | 'INVALID_OPTION'
  /** Everybody could connect from the network. */
  | 'OPEN_TO_THE_NETWORK'
  /** A listener cannot have its address. */
  | 'LISTEN_FAILED'
  /** The Redis that the options name does not answer. */
  | 'REDIS_UNREACHABLE'
  /** The file of a store cannot be opened: it is in use, damaged, or of another version. */
  | 'STORE_UNUSABLE'
  /** An option needs a package that is not installed. */
  | 'MISSING_PACKAGE'
  /** Key, certificate or authority cannot be read or used. */
  | 'INVALID_CERTIFICATE'
  /** A topic filter in a decorator is not well-formed. */
  | 'INVALID_FILTER'
  /** A topic name given to the publisher, or returned by a handler, is not well-formed or not allowed there. */
  | 'INVALID_TOPIC'
  /** A property given to the publisher does not fit into a packet. */
  | 'INVALID_PROPERTY'
  /** Two pattern decorators on one method: Nest would forget the first. */
  | 'TWO_PATTERNS'
  /** This version of Nest gives no access to its container. */
  | 'UNSUPPORTED_NEST';

/**
 * Thrown by a handler, guard, pipe or interceptor: the Reason Code that the client is told, where the packet that answers
 * it may carry that code (else 0x83).
 */
export class MQTTdException extends RpcException {
  override readonly name = 'MQTTdException';

  /** @param reasonString told to MQTT 5 clients beside the code */
  constructor(
    readonly reasonCode: number,
    readonly reasonString?: string,
  ) {
    const message = reasonString ?? `reason code 0x${reasonCode.toString(16)}`;
    // What is left of it behind Nest's own exception filter.
    super({ status: 'error', message, reasonCode, reasonString });
  }
}

/** A request of the application's got no reply. */
export class MQTTdRequestError extends Error {
  override readonly name = 'MQTTdRequestError';

  constructor(
    readonly code: MQTTdRequestErrorCode,
    message: string,
  ) {
    super(message);
  }
}

export type MQTTdRequestErrorCode =
  /** No client has subscribed to the topic, or the one that is asked has not, or is not connected here. */
  | 'NOBODY'
  /** A gate or a limit refuses the request. */
  | 'REFUSED'
  | 'TIMEOUT'
  /** The application stops. */
  | 'STOPPED';

/** A message of the application's was refused: nothing of it was stored or delivered. */
export class MQTTdPublishError extends Error {
  override readonly name = 'MQTTdPublishError';

  /** @param reasonCode what an MQTT 5 client would have been told */
  constructor(
    readonly reasonCode: number,
    message: string,
  ) {
    super(message);
  }
}
