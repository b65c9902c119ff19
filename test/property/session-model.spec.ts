import { afterEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { ModelSubscriber } from '../support/session-model.js';
import { startBroker, type TestBroker } from '../support/test-broker.js';

interface Model {
  isConnected: boolean;
}
type Command = fc.AsyncCommand<Model, ModelSubscriber>;

class Publish implements Command {
  constructor(
    private readonly qos: 1 | 2,
    private readonly expirySeconds: number | undefined,
  ) {}

  check = () => true;

  async run(_model: Model, subscriber: ModelSubscriber): Promise<void> {
    await subscriber.publish(this.qos, this.expirySeconds);
  }

  toString = () => `publish(${this.qos}, ${this.expirySeconds})`;
}

class Read implements Command {
  check = ({ isConnected }: Readonly<Model>) => isConnected;

  async run(_model: Model, subscriber: ModelSubscriber): Promise<void> {
    await subscriber.read();
  }

  toString = () => 'read()';
}

class Acknowledge implements Command {
  constructor(private readonly pick: number) {}

  check = ({ isConnected }: Readonly<Model>) => isConnected;

  async run(_model: Model, subscriber: ModelSubscriber): Promise<void> {
    await subscriber.read();
    await subscriber.acknowledge(this.pick);
  }

  toString = () => `acknowledge(${this.pick})`;
}

class Drop implements Command {
  check = ({ isConnected }: Readonly<Model>) => isConnected;

  async run(model: Model, subscriber: ModelSubscriber): Promise<void> {
    model.isConnected = false;
    await subscriber.drop();
  }

  toString = () => 'drop()';
}

class Reconnect implements Command {
  constructor(private readonly receiveMaximum: number) {}

  /** Also while it is connected: that is a takeover. */
  check = () => true;

  async run(model: Model, subscriber: ModelSubscriber): Promise<void> {
    if (model.isConnected) await subscriber.read();
    model.isConnected = true;
    await subscriber.connect(this.receiveMaximum);
  }

  toString = () => `reconnect(${this.receiveMaximum})`;
}

class Pass implements Command {
  constructor(
    private readonly broker: () => TestBroker,
    private readonly seconds: number,
  ) {}

  check = () => true;

  async run(_model: Model, subscriber: ModelSubscriber): Promise<void> {
    // What was sent before its time ran out may be read after it: look first.
    await subscriber.read();
    this.broker().clock.advance(this.seconds);
  }

  toString = () => `pass(${this.seconds})`;
}

describe('a persistent session against a reference model', () => {
  let broker: TestBroker | undefined;
  afterEach(async () => {
    await broker?.stop();
  });

  const seconds = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined, freq: 2 });
  const publish = fc.tuple(fc.constantFrom(1 as const, 2 as const), seconds).map((options) => new Publish(...options));
  const commands = fc.commands(
    [
      publish,
      publish,
      publish,
      fc.constant(new Read()),
      fc.nat(20).map((pick) => new Acknowledge(pick)),
      fc.nat(20).map((pick) => new Acknowledge(pick)),
      fc.constant(new Drop()),
      fc.constantFrom(1, 2, 3, 10, 65_535).map((receiveMaximum) => new Reconnect(receiveMaximum)),
      fc.integer({ min: 1, max: 15 }).map((passed) => new Pass(() => broker!, passed)),
    ],
    { maxCommands: 60, size: '+1' },
  );

  it('[MQTT-4.3.2-3] [MQTT-4.3.3-10] [MQTT-4.4.0-1] [MQTT-4.6.0-5] [MQTT-4.9.0-2] keeps its promises in any history', async () => {
    let delivered = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (history) => {
        await broker?.stop();
        broker = await startBroker();
        const subscriber = new ModelSubscriber(broker, await broker.client());
        await subscriber.connect(10);
        await subscriber.client!.subscribe('a', { qos: 2 });

        await fc.asyncModelRun(() => ({ model: { isConnected: true }, real: subscriber }), history);
        await subscriber.finishAll();

        delivered += subscriber.taken.size;
      }),
      { numRuns: process.env.MQTTD_TEST_LONG ? 2000 : 100 },
    );
    expect(delivered).toBeGreaterThan(0);
  }, 600_000);
});
