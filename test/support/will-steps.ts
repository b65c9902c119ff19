import type { WillFields } from '../../lib/protocol/packets.js';
import type { TestBroker } from './test-broker.js';
import type { ConnectOptions, WireClient } from './wire-client.js';

/** A will for the topic `will` with the payload `gone`. */
export const will = (fields: Partial<WillFields> = {}): WillFields => ({
  topic: 'will',
  payload: Buffer.from('gone'),
  qos: 0,
  retain: false,
  ...fields,
});

/** The same with a Will Delay Interval, in seconds. */
export const delayedWill = (willDelayInterval: number): WillFields => will({ properties: { willDelayInterval } });

/** A client that sees the will as it is published. */
export async function watchWills(broker: TestBroker): Promise<WireClient> {
  const watcher = await broker.client();
  await watcher.subscribe({ filter: 'will', qos: 2, retainAsPublished: true });
  return watcher;
}

/** The client `dev` with a session that outlives its connection by 100 seconds. */
export const connectDev = (broker: TestBroker, options: ConnectOptions = {}): Promise<WireClient> =>
  broker.client(5, { clientId: 'dev', cleanStart: false, properties: { sessionExpiryInterval: 100 }, ...options });
