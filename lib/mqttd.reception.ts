import type { Broker } from './broker/broker.js';
import type { Client } from './broker/client.js';
import { Message } from './broker/message.js';
import type { Reception, Refusal, Welcome } from './broker/reception.js';
import { MQTTdContext } from './mqttd.context.js';
import { greetings, grantedQoS, isGranted } from './mqttd.greetings.js';
import { tooLate, valuesOf, type Handler, type HandlerHost } from './mqttd.handler.js';
import { outcomeOf, reasonOf } from './mqttd.outcomes.js';
import { PacketType } from './protocol/packets.js';
import { covers } from './topics/topic-names.js';
import type { Subscription } from './topics/subscription.js';

/**
 * The `@OnConnect`, `@OnDisconnect`, `@OnSubscribe` and `@OnUnsubscribe` methods of the application.
 *
 * All that match are called side by side. The first of them that throws is the one whose reason the client is told.
 */
export class HandlerReception implements Reception {
  private readonly handlers: Record<ReceptionKind, Handler[]> = {
    connect: [],
    disconnect: [],
    subscribe: [],
    unsubscribe: [],
  };

  constructor(
    private readonly broker: Broker,
    private readonly host: HandlerHost,
  ) {}

  add(kind: ReceptionKind, handler: Handler): void {
    this.handlers[kind].push(handler);
  }

  connect(client: Client): Promise<Refusal | undefined> | undefined {
    const { connect } = this.handlers;
    if (connect.length === 0) return undefined;
    return this.refusalOf(connect.map((handler) => this.call(handler, client, '', PacketType.CONNACK)));
  }

  disconnected(client: Client): void {
    for (const handler of this.handlers.disconnect) void this.call(handler, client, '', PacketType.DISCONNECT);
  }

  subscribe(client: Client, subscription: Subscription): Promise<Refusal | Welcome> | undefined {
    const { filter } = subscription;
    const matching = this.covering('subscribe', filter);
    if (matching.length === 0) return undefined;
    return this.welcomeOf(
      matching.map((handler) => this.call(handler, client, filter, PacketType.SUBACK)),
      filter,
    );
  }

  unsubscribe(client: Client, filter: string): Promise<Refusal | undefined> | undefined {
    const matching = this.covering('unsubscribe', filter);
    if (matching.length === 0) return undefined;
    return this.refusalOf(matching.map((handler) => this.call(handler, client, filter, PacketType.UNSUBACK)));
  }

  private covering(kind: ReceptionKind, requested: string): Handler[] {
    return this.handlers[kind].filter(({ filter }) => covers(filter, requested));
  }

  private async refusalOf(calls: readonly Promise<Answer>[]): Promise<Refusal | undefined> {
    return (await Promise.all(calls)).find(({ refusal }) => refusal !== undefined)?.refusal;
  }

  private async welcomeOf(calls: readonly Promise<Answer>[], filter: string): Promise<Refusal | Welcome> {
    const answers = await Promise.all(calls);
    const refused = answers.find(({ refusal }) => refusal !== undefined)?.refusal;
    if (refused) return refused;
    const messages: Message[] = [];
    let qos: Welcome['qos'];
    for (const { handler, values } of answers) {
      for (const value of values) if (isGranted(value)) qos = grantedQoS(value, qos);
      try {
        const fields = greetings(values, filter);
        messages.push(...fields.map((one) => Message.of(one, this.broker.clock.now())));
      } catch (error) {
        this.host.warn(`${handler.label} failed filter=${JSON.stringify(filter)}: ${reasonOf(error)}`);
      }
    }
    return { qos, greetings: messages };
  }

  /** @param type of the packet that answers */
  private async call(handler: Handler, client: Client, filter: string, type: number): Promise<Answer> {
    const { host } = this;
    const context = new MQTTdContext(undefined, filter, client, handler.names);
    const failed = (error: unknown): Answer => {
      const about = filter === '' ? `id=${JSON.stringify(client.clientId)}` : `filter=${JSON.stringify(filter)}`;
      host.warn(`${handler.label} failed ${about}: ${reasonOf(error)}`);
      return { handler, values: [], refusal: outcomeOf(error, type) };
    };
    const run = await host.run(context, async (): Promise<Answer> => {
      try {
        return { handler, values: await valuesOf(handler.callback(undefined, context), host.stopped) };
      } catch (error) {
        return failed(error);
      }
    });
    // While the application stops nobody is refused for it.
    if (run === 'stopping') return { handler, values: [] };
    return run === 'late' ? failed(tooLate) : run.value;
  }
}

export type ReceptionKind = 'connect' | 'disconnect' | 'subscribe' | 'unsubscribe';

interface Answer {
  readonly handler: Handler;
  readonly values: readonly unknown[];
  readonly refusal?: Refusal | undefined;
}
