import { Injectable } from '@nestjs/common';
import { Broker } from './broker/broker.js';
import { Message } from './broker/message.js';
import { MQTTdPublishError, MQTTdUsageError } from './mqttd.errors.js';
import { checkProperties } from './mqttd.properties.js';
import { encodePayload } from './mqttd.payload.js';
import type { QoS } from './protocol/packets.js';
import type { Properties } from './protocol/properties.js';
import { isTopicName } from './topics/topic-names.js';

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

/** Publishes from anywhere in the application; inject it. */
@Injectable()
export class MQTTdPublisher {
  constructor(private readonly broker: Broker) {}

  /**
   * Publishes to all subscribers and to matching handlers.
   *
   * @param payload Buffer or Uint8Array as they are, a string as UTF-8, undefined or null as empty, all else as JSON
   * @returns a promise that resolves when the message is stored as configured
   * @throws MQTTdUsageError INVALID_TOPIC | INVALID_PROPERTY, MQTTdPublishError when a limit refuses the message, and what
   *   kept it from being stored where it has to be (as a rejection, all)
   */
  async publish(topic: string, payload: unknown, options: MQTTdPublishOptions = {}): Promise<void> {
    if (!isTopicName(topic)) {
      throw new MQTTdUsageError(
        'INVALID_TOPIC',
        `publish(${JSON.stringify(topic)}): a topic has 1 to 65535 bytes, at most 128 levels, and no +, # or NUL`,
      );
    }
    const { qos = 0, retain = false, ...given } = options;
    checkProperties(topic, given);
    const bytes = encodePayload(payload);
    // The caller may go on to use its buffer.
    const owned = bytes === payload || payload instanceof Uint8Array ? Buffer.from(bytes) : bytes;
    const properties = Object.keys(given).length === 0 ? undefined : given;
    const message = Message.of({ topic, payload: owned, qos, retain, properties }, this.broker.clock.now());
    const { reasonCode, reasonString = 'a limit refuses the message' } = await this.broker.submit(message);
    if (reasonCode >= 0x80) {
      const code = `0x${reasonCode.toString(16)}`;
      throw new MQTTdPublishError(reasonCode, `publish(${JSON.stringify(topic)}): ${reasonString} (${code})`);
    }
    await this.broker.barrier.kept();
  }
}
