import {
  ConfigurableModuleBuilder,
  Inject,
  Logger,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ApplicationConfig, GraphInspector, ModuleRef, ModulesContainer, type NestContainer } from '@nestjs/core';
import { NestMicroservice } from '@nestjs/microservices';
import { Auth } from './broker/auth.js';
import { Broker } from './broker/broker.js';
import { systemClock, type Clock } from './broker/clock.js';
import type { Listener } from './broker/listener.js';
import type { Log } from './broker/log.js';
import { Router } from './broker/router.js';
import { Store } from './broker/store.js';
import { MQTTdUsageError } from './mqttd.errors.js';
import { withLastFilter } from './mqttd.filter.js';
import { MQTTdHealthIndicator } from './mqttd.health.js';
import { MQTTdMetrics } from './mqttd.metrics.js';
import { isLoopbackOnly, makeListeners } from './mqttd.listeners.js';
import { checkOptions, MQTTD_OPTIONS, type MQTTdOptions } from './mqttd.options.js';
import { checkParts, makeAuth, makeRouter, makeStore } from './mqttd.parts.js';
import { MQTTdPublisher } from './mqttd.publisher.js';
import { MQTTdStrategy } from './mqttd.strategy.js';
import { version } from './mqttd.version.js';

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<MQTTdOptions>({
  optionsInjectionToken: MQTTD_OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createMQTTdOptions')
  .setExtras(
    { isGlobal: true, imports: [] as NonNullable<DynamicModule['imports']> },
    ({ imports = [], ...definition }, extras) => ({
      ...definition,
      global: extras.isGlobal,
      imports: [...imports, ...extras.imports],
    }),
  )
  .build();

/** DI tokens of what a test replaces. */
export const MQTTD_LISTENERS = Symbol.for('nestjs-mqttd:listeners');
export const MQTTD_CLOCK = Symbol.for('nestjs-mqttd:clock');

/**
 * Hosts an MQTT broker in the application.
 *
 * `MQTTdModule.forRoot()` listens on port 1883 of this machine as soon as the application is initialized: with
 * `app.listen()`, `app.init()` or `createApplicationContext()`. Global unless `isGlobal: false`.
 */
@Module({
  providers: [
    {
      provide: Auth,
      inject: [MQTTD_OPTIONS, ModuleRef],
      useFactory: (options: MQTTdOptions, moduleRef: ModuleRef) => {
        checkOptions(options);
        return makeAuth(options, moduleRef);
      },
    },
    {
      provide: Router,
      inject: [MQTTD_OPTIONS, ModuleRef],
      useFactory: makeRouter,
    },
    {
      provide: Store,
      inject: [MQTTD_OPTIONS, ModuleRef],
      useFactory: makeStore,
    },
    {
      provide: MQTTD_LISTENERS,
      // Behind the Auth, with which the options were checked.
      inject: [MQTTD_OPTIONS, ModuleRef, Auth],
      useFactory: (options: MQTTdOptions, moduleRef: ModuleRef) => {
        if (isLoopbackOnly(options) && !options.listeners) {
          nestLog().log('no auth and no allowAnonymous: listening to this machine only');
        }
        return makeListeners(options, moduleRef);
      },
    },
    { provide: MQTTD_CLOCK, useValue: systemClock },
    {
      provide: Broker,
      inject: [MQTTD_OPTIONS, MQTTD_LISTENERS, MQTTD_CLOCK, Auth, Router, Store],
      useFactory: (options: MQTTdOptions, listeners: Listener[], clock: Clock, ...parts: [Auth, Router, Store]) => {
        const { limits, capabilities, shareStrategy, sysTopics = false } = options;
        const [auth, router, store] = parts;
        checkParts(router, store, options);
        return new Broker({
          listeners,
          auth,
          router,
          store,
          log: nestLog(),
          clock,
          limits,
          capabilities,
          shareStrategy,
          sysTopics: sysTopics ? { version, intervalMs: intervalOf(sysTopics) } : undefined,
        });
      },
    },
    MQTTdStrategy,
    MQTTdPublisher,
    MQTTdHealthIndicator,
    MQTTdMetrics,
  ],
  exports: [Broker, MQTTdHealthIndicator, MQTTdMetrics, MQTTdPublisher, MQTTdStrategy],
})
export class MQTTdModule
  extends ConfigurableModuleClass
  implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(
    private readonly strategy: MQTTdStrategy,
    private readonly broker: Broker,
    private readonly modules: ModulesContainer,
    private readonly moduleRef: ModuleRef,
    @Inject(MQTTD_OPTIONS) private readonly options: MQTTdOptions,
  ) {
    super();
    // Nest starts modules in the order of their distance and ends them in reverse. Global ones would start first and end
    // last: handlers would run before the providers that they use are ready, and after those have closed.
    for (const module of modules.values()) if (module.metatype === MQTTdModule) module.distance = -1;
  }

  /**
   * Without options: one listener on port 1883, reachable from this machine.
   * @param options `imports` are the modules whose providers `auth`, `router` and `store` need
   */
  static override forRoot(
    options: MQTTdOptions & { isGlobal?: boolean; imports?: DynamicModule['imports'] } = {},
  ): DynamicModule {
    return super.forRoot(options);
  }

  /** Starts the broker, unless the application has attached the strategy itself. */
  async onApplicationBootstrap(): Promise<void> {
    if (this.isAttached()) return;
    const container = this.container();
    // Exactly what `connectMicroservice` does: every guard, pipe, interceptor, filter and request scope works.
    const { inheritAppConfig = true } = this.options;
    const config = inheritAppConfig ? container.applicationConfig : undefined;
    const microservice = new NestMicroservice(
      container,
      { strategy: this.strategy },
      new GraphInspector(container),
      withLastFilter(config ?? new ApplicationConfig()),
    );
    microservice.registerListeners();
    microservice.setIsInitialized(true);
    microservice.setIsInitHookCalled(true);
    await microservice.listen();
  }

  /** The application's own providers still live: handlers finish. */
  async onModuleDestroy(): Promise<void> {
    await this.strategy.finish();
  }

  /** Clients are sent away; what the application's providers had to say in their onModuleDestroy has reached them. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.strategy.close();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.broker.close();
  }

  private isAttached(): boolean {
    let isAttached = false;
    // Replays what was registered so far, synchronously.
    this.modules
      .getRpcTargetRegistry()
      .subscribe((target) => (isAttached ||= target === this.strategy))
      .unsubscribe();
    return isAttached;
  }

  private container(): NestContainer {
    const { container } = this.moduleRef as unknown as { container?: NestContainer };
    if (container) return container;
    throw new MQTTdUsageError(
      'UNSUPPORTED_NEST',
      'this version of Nest gives modules no container, so the broker cannot start itself; ' +
        'call app.connectMicroservice({ strategy: app.get(MQTTdStrategy) }) and app.startAllMicroservices()',
    );
  }
}

/** Milliseconds. */
const intervalOf = (sysTopics: NonNullable<MQTTdOptions['sysTopics']>): number =>
  (typeof sysTopics === 'object' ? sysTopics.intervalMs : undefined) ?? 10_000;

/** The broker's log lines through Nest's Logger, in the context `MQTTd`. */
function nestLog(): Log {
  const logger = new Logger('MQTTd');
  return {
    log: (line) => logger.log(line),
    warn: (line) => logger.warn(line),
    error: (line, error) => logger.error(error instanceof Error ? `${line}: ${error.message}` : line),
    debug: (line) => logger.debug(line),
  };
}
