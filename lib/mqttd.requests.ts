import { randomBytes } from 'node:crypto';
import type { Broker } from './broker/broker.js';
import { isRefused } from './broker/decider.js';
import { Message, type MessageFields } from './broker/message.js';
import { Observer } from './broker/observer.js';
import { MQTTdRequestError } from './mqttd.errors.js';
import { ReasonCode } from './protocol/reason-codes.js';

/** Whom a request goes to, and how long it waits. */
export interface RequestTerms {
  readonly timeoutMs: number;
  /** The client that is asked, and whose reply alone counts; else whoever subscribes to the topic. */
  readonly clientId: string | undefined;
}

/**
 * Requests of the application to clients, and their replies.
 *
 * A client of MQTT 5 finds a Response Topic that nobody can guess, and Correlation Data; an older one answers, as Nest's
 * clients do, to `<topic>/reply`. Only what its client may publish gets here. What comes late, twice, or from somebody else
 * meets nobody who waits for it.
 */
export class Requests {
  private readonly prefix = `mqttd/replies/${random()}`;
  /** By the last level of their Response Topic. */
  private readonly waiting = new Map<string, Waiting>();
  /** By the topic where older clients answer, in the order in which they were asked. */
  private readonly older = new Map<string, { readonly stop: () => void; readonly waiting: Set<Waiting> }>();
  private stopHearing: (() => void) | undefined;

  constructor(private readonly broker: Broker) {}

  /** @throws MQTTdRequestError (as a rejection) */
  async ask(fields: MessageFields, { timeoutMs, clientId }: RequestTerms): Promise<Message> {
    this.stopHearing ??= Observer.begin(this.broker, `${this.prefix}/+`, (message) => this.hear(message));
    const id = random();
    const correlationData = randomBytes(8);
    const properties = { ...fields.properties, responseTopic: `${this.prefix}/${id}`, correlationData };
    const request = Message.of({ ...fields, properties }, this.broker.clock.now());
    return new Promise((resolve, reject) => {
      const forget = (): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
        this.forgetOlder(fields.topic, one);
      };
      const one: Waiting = {
        clientId,
        correlationData,
        resolve: (reply) => (forget(), resolve(reply)),
        reject: (error) => (forget(), reject(error)),
      };
      const late = new MQTTdRequestError('TIMEOUT', `${nameOf(fields, clientId)}: no reply within ${timeoutMs} ms`);
      const timer = setTimeout(() => one.reject(late), timeoutMs).unref();
      this.waiting.set(id, one);
      this.hearOlder(fields.topic, one);
      this.send(request, clientId).catch((error: unknown) => one.reject(error));
    });
  }

  /** Nobody waits any more. */
  close(): void {
    this.stopHearing?.();
    const stopped = new MQTTdRequestError('STOPPED', 'the application stops');
    for (const one of this.waiting.values()) one.reject(stopped);
  }

  private async send(request: Message, clientId: string | undefined): Promise<void> {
    if (clientId === undefined) {
      const decision = await this.broker.submit(request);
      if (decision.reasonCode === ReasonCode.NoMatchingSubscribers) {
        throw new MQTTdRequestError('NOBODY', `${nameOf(request)}: nobody has subscribed to it`);
      }
      if (isRefused(decision)) throw new MQTTdRequestError('REFUSED', `${nameOf(request)}: ${decision.reasonString}`);
      return;
    }
    if (!this.sendTo(clientId, request)) {
      throw new MQTTdRequestError(
        'NOBODY',
        `${nameOf(request, clientId)}: it is not connected, or has not subscribed to it`,
      );
    }
  }

  private sendTo(clientId: string, request: Message): boolean {
    const { sessions, router, topics } = this.broker;
    const session = sessions.get(clientId);
    if (session) return session.isOnline && this.broker.deliverTo(clientId, request);
    return router.deliverTo(clientId, request, topics.match(request.topic));
  }

  private hear(reply: Message): void {
    const one = this.waiting.get(reply.topic.slice(this.prefix.length + 1));
    const correlationData = reply.properties?.correlationData;
    if (one && isFrom(reply, one) && (!correlationData || one.correlationData.equals(correlationData)))
      one.resolve(reply);
  }

  private hearOlder(topic: string, one: Waiting): void {
    const known = this.older.get(topic);
    if (known) {
      known.waiting.add(one);
      return;
    }
    const waiting = new Set([one]);
    const stop = Observer.begin(this.broker, `${topic}/reply`, (reply) => {
      // It cannot say which request it answers: the first.
      if ((reply.publisher?.protocolVersion ?? 5) < 5)
        [...waiting].find((asked) => isFrom(reply, asked))?.resolve(reply);
    });
    this.older.set(topic, { stop, waiting });
  }

  private forgetOlder(topic: string, one: Waiting): void {
    const known = this.older.get(topic);
    known?.waiting.delete(one);
    if (known?.waiting.size !== 0) return;
    known.stop();
    this.older.delete(topic);
  }
}

interface Waiting {
  readonly clientId: string | undefined;
  readonly correlationData: Buffer;
  resolve(reply: Message): void;
  reject(error: unknown): void;
}

const isFrom = ({ publisher }: Message, { clientId }: Waiting): boolean =>
  clientId === undefined || publisher?.clientId === clientId;

const random = (): string => randomBytes(16).toString('base64url');

const nameOf = ({ topic }: { readonly topic: string }, clientId?: string): string =>
  `request(${JSON.stringify(topic)})${clientId === undefined ? '' : ` to ${JSON.stringify(clientId)}`}`;
