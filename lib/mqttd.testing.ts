import { ManualClock } from './broker/manual-clock.js';
import type { Peer } from './broker/client.js';
import { MemoryListener } from './listeners/memory.listener.js';
import { MQTTD_CLOCK, MQTTD_LISTENERS } from './mqttd.module.js';
import { MQTTdTestClient, type MQTTdTestConnectOptions } from './mqttd.test-client.js';

/**
 * The broker of an application under test: without a port, with clients of its own, and a clock that the test moves.
 *
 * ```ts
 * const mqtt = new MQTTdTesting();
 * const module = await mqtt.in(Test.createTestingModule({ imports: [AppModule] })).compile();
 * await module.init();
 * const device = await mqtt.connect({ clientId: '7' });
 * ```
 */
export class MQTTdTesting {
  /** Session and message expiry, keep-alive and delays of wills go by it; handlers and their deadlines do not. */
  readonly clock = new ManualClock();
  private readonly listener = new MemoryListener();
  private readonly timeoutMs: number;

  /** @param options `timeoutMs`: how long clients wait for anything; default 2,000 */
  constructor({ timeoutMs = 2000 }: { readonly timeoutMs?: number } = {}) {
    this.timeoutMs = timeoutMs;
  }

  /** Replaces listeners and clock of the MQTTdModule in a testing module; all its other options stay as they are. */
  in<Builder extends TestingBuilder<Builder>>(builder: Builder): Builder {
    return builder
      .overrideProvider(MQTTD_LISTENERS)
      .useValue([this.listener])
      .overrideProvider(MQTTD_CLOCK)
      .useValue(this.clock);
  }

  /**
   * A new client, once the module is initialized.
   * @param peer what the broker is told of its end of the connection, such as `certificateName`
   * @throws MQTTdRefusedError (as a rejection) when the broker, or an `@OnConnect`, says no
   */
  connect(options: MQTTdTestConnectOptions = {}, peer?: Partial<Peer>): Promise<MQTTdTestClient> {
    return MQTTdTestClient.connect(this.listener.connect(peer), options, this.timeoutMs);
  }
}

/** What is needed of a `TestingModuleBuilder` of `@nestjs/testing`. */
export interface TestingBuilder<Builder> {
  overrideProvider(token: unknown): { useValue(value: unknown): Builder };
}
