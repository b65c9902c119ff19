import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import type { MQTTdContext } from './mqttd.context.js';
import { MQTTdUsageError } from './mqttd.errors.js';
import { isShared, isTopicFilter, parsePattern } from './topics/topic-names.js';

/** Marks handlers as ours; plain `@EventPattern` and `@MessagePattern` bind to us with this transport or with none. */
export const MQTTD_TRANSPORT = Symbol.for('nestjs-mqttd:transport');

/** What a handler is called for. */
export type HandlerKind = 'publish' | 'request' | 'connect' | 'disconnect' | 'subscribe' | 'unsubscribe';

/**
 * How an `@OnPublish` method takes part in a message's way.
 *
 * - `observe`: it runs beside; the message is delivered and acknowledged at once.
 * - `ack`: the message is delivered at once, and acknowledged when the method is done; what it throws is told to the
 *   publisher.
 * - `gate`: the message is delivered, retained and acknowledged only when the method is done, and not if it throws; it may
 *   return `dropMessage()` or `replaceMessage({ ... })`.
 */
export type HandlerMode = 'observe' | 'ack' | 'gate';

export interface OnPublishOptions {
  /** Default `observe`. */
  readonly mode?: HandlerMode;
}

/**
 * The method hears every message published to a matching topic: by clients, as a will, or by the application.
 * @param patterns topic filters; a level `:name` is `+` with a name (`@TopicParam('name')`), `:name#` at the end is `#`
 * @throws MQTTdUsageError INVALID_FILTER | TWO_PATTERNS
 */
export const OnPublish = (patterns: string | string[], { mode = 'observe' }: OnPublishOptions = {}): MethodDecorator =>
  handler(
    'OnPublish',
    patterns,
    EventPattern(checked('OnPublish', patterns), MQTTD_TRANSPORT, { mqttd: 'publish', mode }),
  );

/**
 * The method is called when a client subscribes to a filter that the pattern covers; what it returns is sent to that
 * client, after the SUBACK and before retained messages.
 *
 * Return `{ topic, payload, qos?, retain? }` or an array of them, or `grantQoS(...)`. A bare value is sent to the requested
 * filter, if that has no wildcard. What it throws refuses the subscription: MQTT 5 clients are told the Reason Code.
 * @throws MQTTdUsageError INVALID_FILTER | TWO_PATTERNS
 */
export const OnSubscribe = (patterns: string | string[]): MethodDecorator =>
  handler(
    'OnSubscribe',
    patterns,
    MessagePattern(checked('OnSubscribe', patterns), MQTTD_TRANSPORT, { mqttd: 'subscribe' }),
  );

/**
 * The method is called when a client unsubscribes from a filter that the pattern covers. What it throws keeps an MQTT 5
 * client subscribed, and tells it the Reason Code; older ones cannot be told, and are unsubscribed.
 * @throws MQTTdUsageError INVALID_FILTER | TWO_PATTERNS
 */
export const OnUnsubscribe = (patterns: string | string[]): MethodDecorator =>
  handler(
    'OnUnsubscribe',
    patterns,
    MessagePattern(checked('OnUnsubscribe', patterns), MQTTD_TRANSPORT, { mqttd: 'unsubscribe' }),
  );

/**
 * The method is called when a client connects whose login was accepted, before the CONNACK. What it throws refuses the client:
 * the Reason Code stands in the CONNACK, for clients of 3.1.1 and 3.1 the nearest return code.
 * @throws MQTTdUsageError TWO_PATTERNS
 */
export const OnConnect = (): MethodDecorator =>
  handler('OnConnect', [], MessagePattern([connectPattern], MQTTD_TRANSPORT, { mqttd: 'connect' }));

/**
 * The method is called when the connection of a client has ended that was let in, however it ended.
 * @throws MQTTdUsageError TWO_PATTERNS
 */
export const OnDisconnect = (): MethodDecorator =>
  handler('OnDisconnect', [], MessagePattern([disconnectPattern], MQTTD_TRANSPORT, { mqttd: 'disconnect' }));

/** Nest wants a pattern for each handler; no client can publish there. */
const connectPattern = '$SYS/mqttd/connect';
const disconnectPattern = '$SYS/mqttd/disconnect';

/**
 * The method answers requests (MQTT 5, 4.10): what it returns goes to the Response Topic with the Correlation Data.
 * An Observable sends each value. The reply reaches only the requester, and only if it has subscribed to that topic.
 * @throws MQTTdUsageError INVALID_FILTER | TWO_PATTERNS
 */
export const OnRequest = (patterns: string | string[]): MethodDecorator =>
  handler('OnRequest', patterns, MessagePattern(checked('OnRequest', patterns), MQTTD_TRANSPORT, { mqttd: 'request' }));

/** The topic name; in `@OnSubscribe` the requested filter. */
export const Topic = createParamDecorator((_: unknown, context: ExecutionContext) => contextOf(context).topic);

const TopicParameter = createParamDecorator(
  (name: string, context: ExecutionContext) => contextOf(context).params[name],
);

/** The level that the pattern names `:name`, as a string; pipes may follow: `@TopicParam('id', ParseIntPipe)`. */
export const TopicParam = (name: string, ...pipes: (Type<PipeTransform> | PipeTransform)[]): ParameterDecorator =>
  TopicParameter(name, ...pipes);

/** The client (`MQTTdClient`) that published or subscribed; undefined when the application itself did. */
export const ConnectedClient = createParamDecorator(
  (_: unknown, context: ExecutionContext) => contextOf(context).client,
);

const contextOf = (context: ExecutionContext): MQTTdContext => context.switchToRpc().getContext();

/** As Nest stores it; a public decorator sets it, no public name reads it. */
export const patternMetadata = 'microservices:pattern';

function handler(name: string, patterns: string | string[], decorate: unknown): MethodDecorator {
  return (target, key, descriptor) => {
    if (descriptor.value && Reflect.hasMetadata(patternMetadata, descriptor.value)) {
      throw new MQTTdUsageError(
        'TWO_PATTERNS',
        `@${name}(${JSON.stringify(patterns)}) on ${target.constructor.name}.${String(key)}: the method has a pattern ` +
          'already, and Nest keeps only one; give one decorator an array of topics, or write a second method',
      );
    }
    (decorate as MethodDecorator)(target, key, descriptor);
  };
}

function checked(name: string, patterns: string | string[]): string[] {
  const list = [patterns].flat();
  for (const pattern of list) {
    if (typeof pattern === 'string' && isHandlerPattern(pattern)) continue;
    throw new MQTTdUsageError(
      'INVALID_FILTER',
      `@${name}(${JSON.stringify(pattern)}): not a topic filter that a handler can have; + and :name fill a whole ` +
        'level, # is the last one, and $share is for clients',
    );
  }
  if (list.length === 0) throw new MQTTdUsageError('INVALID_FILTER', `@${name}([]): names no topic; give at least one`);
  return list;
}

/** Whether a handler can be called for `pattern`. */
export const isHandlerPattern = (pattern: string): boolean => {
  const { filter } = parsePattern(pattern);
  return isTopicFilter(filter) && !isShared(filter);
};
