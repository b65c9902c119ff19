import { isObservable, lastValueFrom, takeUntil, throwError, toArray, type Observable } from 'rxjs';
import type { MessageHandler } from '@nestjs/microservices';
import { accepted, undecided, type Decider, type Decision } from './broker/decider.js';
import type { Message } from './broker/message.js';
import type { Subscriber } from './broker/router.js';
import { MQTTdContext } from './mqttd.context.js';
import type { HandlerKind, HandlerMode } from './mqttd.decorators.js';
import { MQTTdException } from './mqttd.errors.js';
import { envelopeOf, openedAs, type Envelope } from './mqttd.envelope.js';
import { outcomeOf, reasonOf } from './mqttd.outcomes.js';
import { decodePayload, type PayloadKind } from './mqttd.payload.js';
import { decisionOf } from './mqttd.verdicts.js';
import { PacketType } from './protocol/packets.js';
import { ReasonCode } from './protocol/reason-codes.js';
import type { NamedLevel } from './topics/topic-names.js';

/** A Nest handler with everything that start-up found out about it. */
export interface Handler {
  readonly kind: HandlerKind;
  readonly mode: HandlerMode;
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
  /** Calls of one handler at the same time. */
  readonly concurrency: number;
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Runs a handler inside Nest's processing hooks, and waits for it, also at shutdown, but not beyond its deadline.
   * @param call must not reject
   */
  run<T>(context: MQTTdContext, call: () => Promise<T>): Promise<Run<T>>;
  /** The publisher's client is not read while too much of its is under way; the returned function takes that back. */
  owe(message: Message): () => void;
  /** Sends each value of `values` as a reply to `request`, an error as an error reply; resolves behind the last. */
  reply(handler: Handler, request: Request, values: unknown): Promise<void>;
  warn(line: string): void;
  /** Emits when nothing is waited for any more: what still streams is let go. */
  readonly stopped: Observable<void>;
}

/** What came of a call: nothing in time, or nothing as no calls are taken any more. */
export type Run<T> = { readonly value: T } | 'late' | 'stopping';

/** What is asked, and what Nest's own client has put around it. */
export interface Request {
  readonly message: Message;
  readonly envelope: Envelope | undefined;
}

/** Message -> Nest handler: the Subscriber that an `@OnPublish` or `@OnRequest` method stands for in the topic tree. */
export class HandlerSubscriber implements Subscriber {
  private readonly waiting: (() => void)[] = [];
  private running = 0;

  constructor(
    protected readonly handler: Handler,
    protected readonly host: HandlerHost,
  ) {}

  deliver(message: Message): void {
    // In a cluster a handler runs once, where the message entered.
    if (message.fromNode !== undefined) return;
    const answered = this.host.owe(message);
    const heard = message.copy();
    this.handle(heard, heard).then(answered, answered);
  }

  /**
   * Calls the method, in its turn; what comes of it is known at the deadline of the call at the latest.
   * @param heard what the method gets: a copy
   * @param message what is decided about
   */
  protected async handle(heard: Message, message: Message): Promise<Decision> {
    if (this.running < this.host.concurrency) this.running++;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    const { handler, host } = this;
    const context = new MQTTdContext(heard, heard.topic, heard.publisher, handler.names);
    const run = await host.run(context, () => this.call(heard, message, context));
    // Its place is the next one's.
    const next = this.waiting.shift();
    if (next) next();
    else this.running--;
    if (run === 'stopping') return undecided;
    if (run !== 'late') return run.value;
    // A stream of replies may take as long as it likes.
    return handler.kind === 'request' ? accepted : this.failed(message, tooLate);
  }

  private async call(heard: Message, message: Message, context: MQTTdContext): Promise<Decision> {
    const { handler, host } = this;
    try {
      const envelope = envelopeOf(heard);
      const result = await this.resultOf(heard, envelope, context);
      if (handler.kind === 'request') {
        await host.reply(handler, { message: heard, envelope }, result);
        return accepted;
      }
      const value = isObservable(result)
        ? await lastValueFrom(result.pipe(takeUntil(host.stopped)), { defaultValue: undefined })
        : result;
      return handler.mode === 'gate' ? decisionOf(value, message, host.now()) : accepted;
    } catch (error) {
      return this.failed(message, error);
    }
  }

  /** A payload that cannot be read is an outcome like any other: a requester is told. */
  private async resultOf(message: Message, envelope: Envelope | undefined, context: MQTTdContext): Promise<unknown> {
    const { callback, payloadKind } = this.handler;
    if (envelope) return callback(openedAs(payloadKind, envelope.data), context);
    let data: unknown;
    try {
      data = decodePayload(message.payload, payloadKind);
    } catch (error) {
      return throwError(() => new MQTTdException(ReasonCode.PayloadFormatInvalid, reasonOf(error)));
    }
    return callback(data, context);
  }

  private failed({ topic, qos }: Message, error: unknown): Decision {
    this.host.warn(`${this.handler.label} failed topic=${JSON.stringify(topic)}: ${reasonOf(error)}`);
    return outcomeOf(error, qos === 2 ? PacketType.PUBREC : PacketType.PUBACK);
  }
}

/** An `@OnPublish` method in the mode `ack` or `gate`: what comes of it is what the publisher is told. */
export class DecidingHandler extends HandlerSubscriber implements Decider {
  readonly decides: 'ack' | 'gate';

  constructor(handler: Handler & { readonly mode: 'ack' | 'gate' }, host: HandlerHost) {
    super(handler, host);
    this.decides = handler.mode;
  }

  decide(message: Message): Promise<Decision> {
    return this.handle(message.copy(), message.keep());
  }
}

export const tooLate = new Error('not done in time');

/** Everything that a handler's result comes to: the values of an Observable until `stopped`, else the one value. */
export async function valuesOf(result: unknown, stopped: Observable<void>): Promise<unknown[]> {
  const value = await result;
  return isObservable(value) ? lastValueFrom(value.pipe(takeUntil(stopped), toArray())) : [value];
}
