import { afterEach } from '@jest/globals';
import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { Inbox } from './inbox.js';

/** A client of mqtt.js and what it has received. */
export interface MqttJs {
  readonly client: MqttClient;
  readonly messages: Inbox<{ topic: string; payload: Buffer; packet: IPublishPacket }>;
  /** The next message as `topic: payload`. */
  next(): Promise<string>;
}

/** Connects clients of mqtt.js that do not outlive their test, nor connect again by themselves. */
export function mqttJs(): (port: number, options?: IClientOptions) => Promise<MqttJs> {
  const clients: MqttClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  });
  return async (port, options) => {
    const messages: MqttJs['messages'] = new Inbox();
    const client = connect({ host: '127.0.0.1', port, protocol: 'mqtt', reconnectPeriod: 0, ...options });
    // At once: what waited in the session comes together with the CONNACK.
    client.on('message', (topic, payload, packet) => messages.push({ topic, payload, packet }));
    clients.push(client);
    await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject));
    return {
      client,
      messages,
      async next() {
        const { topic, payload } = await messages.next();
        return `${topic}: ${payload.toString()}`;
      },
    };
  };
}
