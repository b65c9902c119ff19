import { Injectable } from '@nestjs/common';
import { Broker } from './broker/broker.js';
import { MQTTdStrategy, type MQTTdStatus } from './mqttd.strategy.js';
import { RedisRouter } from './routers/redis.router.js';

/** What a health check tells of the broker. */
export interface MQTTdHealth {
  /** `up` while clients can connect and their messages reach everybody that they should. */
  readonly status: 'up' | 'down';
  /** Where the broker listens; empty before it has started, and from the beginning of its end. */
  readonly listeners: readonly string[];
  /** Clients of this node, those included that have not sent their CONNECT yet. */
  readonly connections: number;
  /** With Redis: what this node is called there. */
  readonly node?: string;
  /** With Redis: whether this node is connected to it. */
  readonly redis?: 'up' | 'away';
}

/**
 * Tells whether this application is ready for clients.
 *
 * What it returns is what `@nestjs/terminus` takes: `() => indicator.check('mqtt')`. It serves as well without.
 */
@Injectable()
export class MQTTdHealthIndicator {
  private status: MQTTdStatus | undefined;

  constructor(
    private readonly broker: Broker,
    strategy: MQTTdStrategy,
  ) {
    strategy.status.subscribe((status) => (this.status = status));
  }

  /**
   * Looks at what is known already and asks nobody: as often as you like.
   * @param key the name in the result, `mqtt` unless given
   */
  check<Key extends string = 'mqtt'>(key = 'mqtt' as Key): Record<Key, MQTTdHealth> {
    const { router, listeners, connections } = this.broker;
    const isListening = this.status === 'listening';
    const health: MQTTdHealth = {
      status: isListening && router.isReady ? 'up' : 'down',
      listeners: isListening ? listeners.map(({ name }) => name) : [],
      connections: connections.size,
      // Another Router says what it has to say by its isReady.
      ...(router instanceof RedisRouter && { node: router.node, redis: router.isReady ? 'up' : 'away' }),
    };
    return { [key]: health } as Record<Key, MQTTdHealth>;
  }
}
