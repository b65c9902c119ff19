import { BaseRpcContext } from '@nestjs/microservices';
import type { Client } from './broker/client.js';
import type { Message } from './broker/message.js';
import type { Properties } from './protocol/properties.js';
import type { QoS } from './protocol/packets.js';
import type { NamedLevel } from './topics/topic-names.js';

/** What a handler, guard, pipe, interceptor or filter can know about the message: `context.switchToRpc().getContext()`. */
export class MQTTdContext extends BaseRpcContext<[message: Message | undefined, topic: string]> {
  constructor(
    message: Message | undefined,
    /** The topic name; in `@OnSubscribe` the requested filter, without `$share/group/`. */
    readonly topic: string,
    /** Who published or subscribed; undefined when the application itself did. */
    readonly client: Client | undefined,
    private readonly names: readonly NamedLevel[],
  ) {
    super([message, topic]);
  }

  /** The message, its bytes as a copy of the handler's own; undefined in `@OnSubscribe`. */
  get message(): Message | undefined {
    return this.args[0];
  }

  /** The bytes as they came; empty in `@OnSubscribe`. */
  get payload(): Buffer {
    return this.message?.payload ?? Buffer.alloc(0);
  }

  get qos(): QoS {
    return this.message?.qos ?? 0;
  }

  get retain(): boolean {
    return this.message?.retain ?? false;
  }

  /** Properties of MQTT 5; empty for messages of older clients. */
  get properties(): Properties {
    return this.message?.properties ?? {};
  }

  /** The levels that the handler's pattern names, such as `{ id: '7' }` for `sensors/:id/temperature`. */
  get params(): Record<string, string> {
    const levels = this.topic.split('/');
    const entries = this.names.map(({ name, level, isRest }): [string, string] => [
      name,
      isRest ? levels.slice(level).join('/') : (levels[level] ?? ''),
    ]);
    return Object.fromEntries(entries);
  }
}
