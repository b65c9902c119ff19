import { PacketType, type Packet } from '../../../lib/protocol/packets.js';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { readAll } from '../scenario.js';
import type { TestBroker } from '../test-broker.js';
import type { WireClient } from '../wire-client.js';

/** What comes to a client when time passes second by second, as soon as anything does. */
export async function heardInTime({ clock }: TestBroker, client: WireClient): Promise<Packet[]> {
  for (;;) {
    clock.advance(1);
    const heard = await readAll(client);
    if (heard.length > 0) return heard;
  }
}

/** Whether a message for the topic has anybody to go to, which its publisher is told. */
export async function isWanted(publisher: WireClient, topic: string): Promise<boolean> {
  const packetId = publisher.publish(topic, { qos: 1 });
  const puback = await publisher.expect({ type: PacketType.PUBACK, packetId });
  return (puback as { reasonCode?: number }).reasonCode !== ReasonCode.NoMatchingSubscribers;
}

/** Lets time pass until nobody wants the topic. */
export async function untilUnwanted({ clock }: TestBroker, publisher: WireClient, topic: string): Promise<void> {
  while (await isWanted(publisher, topic)) clock.advance(1);
}

/** Whether a session of the client goes on when it connects without a clean start. */
export async function goesOn(node: TestBroker, clientId: string): Promise<boolean> {
  const client = await node.open();
  const properties = { sessionExpiryInterval: 3600 };
  const { sessionPresent } = await client.connect({ clientId, cleanStart: false, properties });
  return sessionPresent;
}
