import { isObservable, lastValueFrom, takeUntil, throwError, toArray, type Observable } from 'rxjs';
import type { MessageHandler } from '@nestjs/microservices';
import type { Message } from './broker/message.js';
import type { Subscriber } from './broker/router.js';
import { MQTTdContext } from './mqttd.context.js';
import type { HandlerKind } from './mqttd.decorators.js';
import { decodePayload, type PayloadKind } from './mqttd.payload.js';
import type { NamedLevel } from './topics/topic-names.js';

/** A Nest handler with everything that start-up found out about it. */
export interface Handler {
  readonly kind: HandlerKind;
  /** What Nest made of the method: guards, pipes, interceptors and filters around it. */
  readonly callback: MessageHandler;
  readonly filter: string;
  readonly names: readonly NamedLevel[];
  readonly payloadKind: PayloadKind;
  /** `SensorsController.heard`, for logs. */
  readonly label: string;
}

/** What a handler's run needs of its surroundings. */
export interface HandlerHost {
  /** Runs a handler inside Nest's processing hooks and waits for it at shutdown; takes no more calls after that. */
  run(context: MQTTdContext, call: () => Promise<void>): void;
  /** Sends each value of `values` as a reply to `request`, an error as an error reply; resolves behind the last. */
  reply(handler: Handler, request: Message, values: unknown): Promise<void>;
  warn(line: string): void;
  /** Emits when nothing is waited for any more: what still streams is let go. */
  readonly stopped: Observable<void>;
}

/** Message -> Nest handler: the Subscriber that an `@OnPublish` or `@OnRequest` method stands for in the topic tree. */
export class HandlerSubscriber implements Subscriber {
  constructor(
    private readonly handler: Handler,
    private readonly host: HandlerHost,
  ) {}

  deliver(message: Message): void {
    // In a cluster a handler runs once, where the message entered.
    if (message.fromNode !== undefined) return;
    const { handler, host } = this;
    message.keep();
    const context = new MQTTdContext(message, message.topic, message.publisher, handler.names);
    host.run(context, async () => {
      try {
        const result = await this.call(message, context);
        if (handler.kind === 'request') await host.reply(handler, message, result);
        else await settled(result, host.stopped);
      } catch (error) {
        host.warn(`${handler.label} failed topic=${JSON.stringify(message.topic)}: ${reasonOf(error)}`);
      }
    });
  }

  /** A payload that cannot be read is an outcome like any other: a requester is told. */
  private async call(message: Message, context: MQTTdContext): Promise<unknown> {
    const { callback, payloadKind } = this.handler;
    let data: unknown;
    try {
      data = decodePayload(message.payload, payloadKind);
    } catch (error) {
      return throwError(() => error);
    }
    return callback(data, context);
  }
}

/** Everything that a handler's result comes to: the values of an Observable until `stopped`, else the one value. */
export async function valuesOf(result: unknown, stopped: Observable<void>): Promise<unknown[]> {
  const value = await result;
  return isObservable(value) ? lastValueFrom(value.pipe(takeUntil(stopped), toArray())) : [value];
}

/** Handlers that Nest wraps do not throw: their Observable errs, and only for who subscribes. */
async function settled(result: unknown, stopped: Observable<void>): Promise<void> {
  if (isObservable(result)) await lastValueFrom(result.pipe(takeUntil(stopped)), { defaultValue: undefined });
}

/** One line about an error of whatever shape, as Nest's RPC filters pass objects and strings on. */
export function reasonOf(error: unknown): string {
  if (typeof error === 'string') return error;
  const message = (error as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' ? message : 'no reason given';
}
