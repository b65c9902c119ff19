import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Observable } from 'rxjs';
import { Broker } from './broker/broker.js';
import { Message, type MessageFields } from './broker/message.js';
import { Observer } from './broker/observer.js';
import { MQTTdPublishError, MQTTdUsageError } from './mqttd.errors.js';
import { checkProperties } from './mqttd.properties.js';
import { encodePayload } from './mqttd.payload.js';
import { Requests } from './mqttd.requests.js';
import type { QoS } from './protocol/packets.js';
import { ownProperties, type Properties } from './protocol/properties.js';
import { isShared, isTopicFilter, isTopicName } from './topics/topic-names.js';

/** Quality, retention and the MQTT 5 properties of a message; clients of 3.1.1 get it without the properties. */
export interface MQTTdPublishOptions extends Pick<
  Properties,
  | 'payloadFormatIndicator'
  | 'messageExpiryInterval'
  | 'contentType'
  | 'responseTopic'
  | 'correlationData'
  | 'userProperties'
> {
  /** Default 0. */
  readonly qos?: QoS | undefined;
  /** Whether later subscribers get it too; an empty payload removes it. Default false. */
  readonly retain?: boolean | undefined;
}

/** Beside the properties of the request: whom it is for, and how long to wait. */
export interface MQTTdRequestOptions extends Omit<MQTTdPublishOptions, 'retain' | 'responseTopic' | 'correlationData'> {
  /** Milliseconds until the promise is rejected. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** The client that is asked, connected to this node; its reply alone counts. Default whoever subscribes to the topic. */
  readonly clientId?: string | undefined;
}

/** Publishes from anywhere in the application, asks clients, and listens; inject it. */
@Injectable()
export class MQTTdPublisher implements OnModuleDestroy {
  private readonly requests: Requests;

  constructor(private readonly broker: Broker) {
    this.requests = new Requests(broker);
  }

  /**
   * Publishes to all subscribers and to matching handlers.
   *
   * @param payload Buffer or Uint8Array as they are, a string as UTF-8, undefined or null as empty, all else as JSON
   * @returns a promise that resolves when the message is stored as configured
   * @throws MQTTdUsageError INVALID_TOPIC | INVALID_PROPERTY, MQTTdPublishError when a limit or a handler refuses the message,
   *   and what kept it from being stored where it has to be (as a rejection, all)
   */
  async publish(topic: string, payload: unknown, options: MQTTdPublishOptions = {}): Promise<void> {
    const message = Message.of(fieldsOf('publish', topic, payload, options), this.broker.clock.now());
    const { reasonCode, reasonString } = await this.broker.submit(message);
    if (reasonCode >= 0x80) {
      const code = `0x${reasonCode.toString(16)}`;
      const reason =
        reasonString || (reasonString === undefined ? 'a limit refuses the message' : 'a handler has failed');
      throw new MQTTdPublishError(reasonCode, `publish(${JSON.stringify(topic)}): ${reason} (${code})`);
    }
    await this.broker.barrier.kept();
  }

  /**
   * Asks a client: publishes with a Response Topic (MQTT 5, 4.10) and waits for the reply. A client of 3.1.1 answers to
   * `<topic>/reply`.
   *
   * @param payload as in `publish`; sent at QoS 1 unless `qos` says otherwise
   * @returns the reply; the first one, where several answer
   * @throws MQTTdUsageError INVALID_TOPIC | INVALID_PROPERTY, MQTTdRequestError (as a rejection, both)
   */
  async request(topic: string, payload: unknown, options: MQTTdRequestOptions = {}): Promise<Message> {
    const { timeoutMs = 10_000, clientId, qos = 1, ...given } = options;
    return this.requests.ask(fieldsOf('request', topic, payload, { ...given, qos }), { timeoutMs, clientId });
  }

  /**
   * Every message published to a filter, by whomever and on whichever node, from the subscription on until its end; retained
   * ones that are there already are not among them.
   *
   * Nothing is buffered: who takes its time says what happens meanwhile, as with `exhaustMap` or `bufferCount`.
   * @throws MQTTdUsageError INVALID_FILTER
   */
  observe(filter: string): Observable<Message> {
    if (!isTopicFilter(filter) || isShared(filter)) {
      throw new MQTTdUsageError(
        'INVALID_FILTER',
        `observe(${JSON.stringify(filter)}): not a topic filter; + fills a whole level, # is the last one`,
      );
    }
    return new Observable((observer) => Observer.begin(this.broker, filter, (message) => observer.next(message)));
  }

  onModuleDestroy(): void {
    this.requests.close();
  }
}

/** @throws MQTTdUsageError INVALID_TOPIC | INVALID_PROPERTY */
function fieldsOf(method: string, topic: string, payload: unknown, options: MQTTdPublishOptions): MessageFields {
  if (!isTopicName(topic)) {
    throw new MQTTdUsageError(
      'INVALID_TOPIC',
      `${method}(${JSON.stringify(topic)}): a topic has 1 to 65535 bytes, at most 128 levels, and no +, # or NUL`,
    );
  }
  const { qos = 0, retain = false, ...given } = options;
  checkProperties(topic, given);
  const properties = Object.keys(given).length === 0 ? undefined : ownProperties(given);
  return { topic, payload: encodePayload(payload), qos, retain, properties };
}
