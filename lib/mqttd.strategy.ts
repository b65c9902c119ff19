import { Inject, Injectable, Logger } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { Server, type CustomTransportStrategy, type MessageHandler, type WritePacket } from '@nestjs/microservices';
import { Subject, takeUntil, takeWhile } from 'rxjs';
import { Broker } from './broker/broker.js';
import { Message } from './broker/message.js';
import { MQTTdContext } from './mqttd.context.js';
import { DeclaredMethods } from './mqttd.declared-methods.js';
import { MQTTD_TRANSPORT, isHandlerPattern, type HandlerKind, type HandlerMode } from './mqttd.decorators.js';
import { MQTTdUsageError } from './mqttd.errors.js';
import {
  DecidingHandler,
  HandlerSubscriber,
  type Handler,
  type HandlerHost,
  type Request,
  type Run,
} from './mqttd.handler.js';
import { MQTTD_OPTIONS, type MQTTdOptions } from './mqttd.options.js';
import { HandlerReception } from './mqttd.reception.js';
import { reasonOf } from './mqttd.outcomes.js';
import { replyTo } from './mqttd.replies.js';
import { parsePattern } from './topics/topic-names.js';

/** Strings that `status` emits. */
export type MQTTdStatus = 'listening' | 'draining' | 'closed';

/**
 * Hosts the broker as a Nest transport: starts and stops it, and turns handlers into Subscribers.
 *
 * The module starts it by itself. To do that yourself: `app.connectMicroservice({ strategy: app.get(MQTTdStrategy) })`.
 */
@Injectable()
export class MQTTdStrategy extends Server<Record<string, never>, MQTTdStatus> implements CustomTransportStrategy {
  override readonly transportId = MQTTD_TRANSPORT;
  protected override readonly logger = new Logger('MQTTd');
  private readonly reception: HandlerReception;
  /** Milliseconds that a call may take. */
  private readonly timeoutMs: number;
  private declared: DeclaredMethods | undefined;
  private readonly running = new Set<Promise<void>>();
  private isDraining = false;
  private finished: Promise<void> | undefined;
  private drained: Promise<void> | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly modules: ModulesContainer,
    @Inject(MQTTD_OPTIONS) { handlerTimeoutMs = 30_000, handlerConcurrency = 1000 }: MQTTdOptions,
  ) {
    super();
    this.timeoutMs = handlerTimeoutMs;
    this.host.concurrency = handlerConcurrency;
    this.reception = new HandlerReception(broker, this.host);
    broker.reception = this.reception;
  }

  /** Called by Nest for each pattern of each handler; ours are entered into the topic tree. */
  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false, extras: Extras = {}): void {
    callback.isEventHandler = isEventHandler;
    callback.extras = extras;
    this.declared ??= new DeclaredMethods(this.modules, (declared) => this.normalizePattern(declared as string));
    const method = this.declared.take(pattern);
    if (typeof pattern !== 'string' || !isHandlerPattern(pattern)) {
      this.logger.debug(`${method.label} is not called: its pattern is not a topic filter`);
      return;
    }
    this.messageHandlers.set(`${pattern} ${method.label}`, callback);
    const kind = extras.mqttd ?? (isEventHandler ? 'publish' : 'request');
    const { filter, names } = parsePattern(pattern);
    const mode = kind === 'publish' ? (extras.mode ?? 'observe') : 'observe';
    const handler: Handler = { ...method, kind, mode, callback, filter, names };
    if (kind !== 'publish' && kind !== 'request') {
      this.reception.add(kind, handler);
      return;
    }
    const everything = { filter, qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 2 } as const;
    const subscriber =
      mode === 'observe'
        ? new HandlerSubscriber(handler, this.host)
        : new DecidingHandler({ ...handler, mode }, this.host);
    this.broker.topics.subscribe(subscriber, everything);
  }

  /** Called by Nest: opens store, router and listeners; an address that cannot be had is an error for the caller. */
  listen(callback: (error?: unknown) => void): void {
    this.broker.start().then(
      () => {
        this._status$.next('listening');
        callback();
      },
      (error: unknown) => callback(toUsageError(error)),
    );
  }

  /** Takes no more connections and calls, and waits for running handlers. May be called twice. */
  finish(): Promise<void> {
    return (this.finished ??= this.finishCalls());
  }

  /** Finishes, then sends the clients away. May be called twice. */
  close(): Promise<void> {
    return (this.drained ??= this.drain());
  }

  /** Nest's seam for events of the underlying server: there are none, see the broker itself. */
  on(): void {}

  /** The running broker. */
  unwrap<T = Broker>(): T {
    return this.broker as T;
  }

  private async drain(): Promise<void> {
    await this.finish();
    await this.broker.drain();
    this._status$.next('closed');
  }

  /** Handlers that never end do not keep the application from ending. */
  private async finishCalls(): Promise<void> {
    this.isDraining = true;
    this._status$.next('draining');
    await Promise.all(this.broker.listeners.map((listener) => listener.close()));
    let deadline: NodeJS.Timeout | undefined;
    const isOver = new Promise<void>((resolve) => (deadline = setTimeout(resolve, finishMs)));
    await Promise.race([Promise.all(this.running), isOver]);
    clearTimeout(deadline);
    const { size } = this.running;
    if (size > 0) this.logger.warn(`calls of handlers given up count=${size}: still running after ${finishMs} ms`);
    this.host.stopped.next();
  }

  private readonly host = {
    stopped: new Subject<void>(),
    concurrency: 0,
    now: () => this.broker.clock.now(),
    run: async <T>(context: MQTTdContext, call: () => Promise<T>): Promise<Run<T>> => {
      if (this.isDraining) return 'stopping';
      let run: Run<T> = 'late';
      const done = this.inTime(this.runInHooks(context, async () => void (run = { value: await call() })));
      this.running.add(done);
      await done;
      this.running.delete(done);
      return run;
    },
    owe: ({ publisher, size }) => {
      const connection = publisher && this.broker.sessions.get(publisher.clientId)?.connection;
      connection?.owe(size);
      return () => connection?.answered(size);
    },
    reply: (handler, request, values) =>
      new Promise<void>((resolve) => {
        const { publisher } = request.message;
        const isWanted = () => !publisher || this.broker.sessions.has(publisher.clientId);
        const wanted = this.transformToObservable(values).pipe(takeWhile(isWanted), takeUntil(this.host.stopped));
        this.send(wanted, (packet: WritePacket) => {
          this.respond(handler, request, packet);
          if (packet.isDisposed) resolve();
        });
      }),
    warn: (line) => this.logger.warn(line),
  } satisfies HandlerHost;

  /** Who does not come back is not waited for: neither by those behind, nor in memory. */
  private async inTime(call: Promise<void>): Promise<void> {
    let deadline: NodeJS.Timeout | undefined;
    const isLate = new Promise<void>((resolve) => (deadline = setTimeout(resolve, this.timeoutMs).unref()));
    await Promise.race([call, isLate]);
    clearTimeout(deadline);
  }

  /** Whatever Nest's start hook makes of the call, it is waited for to its end. */
  private async runInHooks(context: MQTTdContext, call: () => Promise<void>): Promise<void> {
    try {
      await new Promise<void>((resolve) => {
        this.onProcessingStartHook(this.transportId, context, () => call().finally(resolve));
      });
      this.onProcessingEndHook?.(this.transportId, context);
    } catch (error) {
      this.logger.warn(`a processing hook failed: ${reasonOf(error)}`);
    }
  }

  /** Must not throw: Nest 11 would make an unhandled rejection of it. */
  private respond({ label }: Handler, { message, envelope }: Request, packet: WritePacket): void {
    const failed = `${label} failed topic=${JSON.stringify(message.topic)}`;
    if (packet.err !== undefined) this.logger.warn(`${failed}: ${reasonOf(packet.err)}`);
    try {
      const reply = replyTo(message, envelope, packet);
      if (reply) this.sendReply(message, Message.of(reply, this.broker.clock.now()));
    } catch (error) {
      this.logger.warn(`${failed}: ${reasonOf(error)}`);
    }
  }

  /** To the requester alone, so that a reply never lends its authority to whoever names a topic for it. */
  private sendReply({ publisher }: Message, reply: Message): void {
    if (publisher) this.broker.deliverTo(publisher.clientId, reply);
    else this.broker.publish(reply);
  }
}

/** How long running handlers are waited for when the application stops. */
const finishMs = 10_000;

interface Extras extends Record<string, unknown> {
  readonly mqttd?: HandlerKind;
  readonly mode?: HandlerMode;
}

function toUsageError(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (!(error instanceof Error) || error instanceof MQTTdUsageError || code === undefined) return error;
  const own = ['REDIS_UNREACHABLE', 'MISSING_PACKAGE', 'STORE_UNUSABLE'] as const;
  const ours = own.find((one) => one === code) ?? 'LISTEN_FAILED';
  return new MQTTdUsageError(ours, error.message, { cause: error });
}
