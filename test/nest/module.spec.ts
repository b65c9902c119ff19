import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  Auth,
  Listener,
  MQTTdBroker,
  MQTTdModule,
  MQTTdPublisher,
  MQTTdStrategy,
  MemoryStore,
  DirectRouter,
  TcpListener,
  type Login,
  type MQTTdOptions,
} from 'nestjs-mqttd';
import { certificates } from '../support/certificates.js';
import { duplexPair } from '../../lib/listeners/duplex-pair.js';
import { accepted, openClient, portOf } from '../support/nest-app.js';
import { WireClient } from '../support/wire-client.js';

describe('MQTTdModule', () => {
  const running: TestingModule[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((module) => module.close()));
  });

  const compile = async (...imports: DynamicModule[]): Promise<TestingModule> => {
    const module = await Test.createTestingModule({ imports }).compile();
    running.push(module);
    return module;
  };

  const namesOf = (module: TestingModule) => module.get(MQTTdBroker).listeners.map(({ name }) => name);

  describe('forRoot', () => {
    it('alone listens on port 1883 of this machine', async () => {
      // Not initialized: the port may be in use where the tests run.
      const module = await compile(MQTTdModule.forRoot());

      expect(namesOf(module)).toEqual(['mqtt://127.0.0.1:1883']);
    });

    it.each<[string, MQTTdOptions, string]>([
      ['port', { port: 1884 }, 'mqtt://127.0.0.1:1884'],
      ['host', { host: 'localhost' }, 'mqtt://localhost:1883'],
      ['an IPv6 host', { host: '::1' }, 'mqtt://[::1]:1883'],
      ['port and host, undefined', { port: undefined, host: undefined }, 'mqtt://127.0.0.1:1883'],
      ['allowAnonymous', { allowAnonymous: true }, 'mqtt://0.0.0.0:1883'],
      ['auth', { auth: { users: { ann: { password: 'x' } } }, port: 1 }, 'mqtt://0.0.0.0:1'],
      ['tls', { tls: certificates().server }, 'mqtts://127.0.0.1:8883'],
    ])('has a short form for one listener: %s', async (_title, options, name) => {
      const { keyFile: _, certFile: __, ...tls } = { ...certificates().server };
      const module = await compile(MQTTdModule.forRoot(options.tls ? { ...options, tls } : options));

      expect(namesOf(module)).toEqual([name]);
    });

    it('takes a free port for port 0, and the listener tells which', async () => {
      const module = await compile(MQTTdModule.forRoot({ port: 0 }));
      const [listener] = module.get(MQTTdBroker).listeners;
      expect((listener as TcpListener).port).toBe(0);

      await module.init();

      const { port, name } = listener as TcpListener;
      expect(port).toBeGreaterThan(0);
      expect(name).toBe(`mqtt://127.0.0.1:${port}`);
      await accepted(await openClient(port));
    });

    it('opens several listeners, own ones among them', async () => {
      let connect: (() => WireClient) | undefined;
      class InMemoryListener extends Listener {
        override readonly name = 'memory';
        override async open(accept: Parameters<Listener['open']>[0]): Promise<void> {
          connect = () => {
            const [ours, theirs] = duplexPair();
            accept(theirs, { listener: this.name, tls: false });
            return new WireClient(ours);
          };
        }
        override async close(): Promise<void> {}
      }
      const { key, cert } = certificates().server;
      const host = '127.0.0.1';
      const listeners = [{ tcp: { port: 0, host } }, { tls: { port: 0, host, key, cert } }, new InMemoryListener()];
      const module = await compile(MQTTdModule.forRoot({ listeners, allowAnonymous: true }));

      await module.init();

      expect(namesOf(module)).toEqual([
        `mqtt://127.0.0.1:${portOf(module, 0)}`,
        `mqtts://127.0.0.1:${portOf(module, 1)}`,
        'memory',
      ]);
      const subscriber = await accepted(connect!());
      await subscriber.subscribe('a');
      const publisher = await accepted(await openClient(portOf(module)));
      publisher.publish('a', { payload: 'from one listener to the other' });
      await subscriber.expectPublish('a', 'from one listener to the other');
    });

    it('takes certificates as paths of files', async () => {
      const { keyFile: key, certFile: cert } = certificates().server;
      const module = await compile(MQTTdModule.forRoot({ port: 0, tls: { key, cert, ca: [cert] } }));

      await module.init();

      expect(namesOf(module)[0]).toMatch(/^mqtts:/);
    });

    it('makes auth, router and store classes with what they inject', async () => {
      @Injectable()
      class Directory {
        readonly known = new Set(['ann']);
      }
      @Injectable()
      class DirectoryAuth extends Auth {
        constructor(private readonly directory: Directory) {
          super();
        }

        override authenticate({ username = '' }: Login): boolean {
          return this.directory.known.has(username);
        }
      }
      @Module({ providers: [Directory], exports: [Directory] })
      class DirectoryModule {}
      const options = {
        port: 0,
        host: '127.0.0.1',
        auth: DirectoryAuth,
        router: DirectRouter,
        store: new MemoryStore(),
      };
      const module = await compile({ module: DirectoryModule, global: true }, MQTTdModule.forRoot(options));

      await module.init();

      const stranger = await openClient(portOf(module));
      expect(await stranger.connect({ username: 'bob' })).toMatchObject({ reasonCode: 0x86 });
      await accepted(await openClient(portOf(module)), { username: 'ann' });
    });
  });

  describe('forRootAsync', () => {
    @Injectable()
    class Config {
      readonly port = 0;
      createMQTTdOptions(): MQTTdOptions {
        return { port: this.port, limits: { maximumKeepAlive: 77 } };
      }
    }
    @Module({ providers: [Config], exports: [Config] })
    class ConfigModule {}

    it.each([
      [
        'useFactory',
        {
          imports: [ConfigModule],
          inject: [Config],
          useFactory: async (config: Config) => config.createMQTTdOptions(),
        },
      ],
      ['useClass', { useClass: Config }],
      ['useExisting', { imports: [ConfigModule], useExisting: Config }],
    ])('takes options by %s', async (_title, options) => {
      const module = await compile(MQTTdModule.forRootAsync(options));

      await module.init();

      const client = await openClient(portOf(module));
      expect(await client.connect()).toMatchObject({ properties: { serverKeepAlive: 77 } });
    });

    it('takes isGlobal beside the factory', async () => {
      const module = MQTTdModule.forRootAsync({ isGlobal: false, useFactory: () => ({ port: 0 }) });

      expect(module.global).toBe(false);
      await (await compile(module)).init();
    });
  });

  describe('exports', () => {
    @Injectable()
    class Feature {
      constructor(
        readonly publisher: MQTTdPublisher,
        readonly broker: MQTTdBroker,
        readonly strategy: MQTTdStrategy,
      ) {}
    }
    @Module({ providers: [Feature] })
    class FeatureModule {}

    it('publisher, broker and strategy to every module', async () => {
      const module = await compile(MQTTdModule.forRoot({ port: 0 }), { module: FeatureModule });

      const { publisher, broker, strategy } = module.get(Feature, { strict: false });

      expect(publisher).toBeInstanceOf(MQTTdPublisher);
      expect(broker).toBe(module.get(MQTTdBroker));
      expect(strategy.unwrap()).toBe(broker);
    });

    it('nothing to modules that do not import it, with isGlobal: false', async () => {
      const mqttd = MQTTdModule.forRoot({ port: 0, isGlobal: false });

      await expect(compile(mqttd, { module: FeatureModule })).rejects.toThrow(/MQTTdPublisher/);
      await compile(mqttd, { module: FeatureModule, imports: [mqttd] });
    });
  });
});
