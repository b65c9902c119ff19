import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Message, type MessageFields } from '../../lib/broker/message.js';
import type { Router, Subscriber } from '../../lib/broker/router.js';
import type { Store } from '../../lib/broker/store.js';
import { PacketType } from '../../lib/protocol/packets.js';
import type { Target } from '../../lib/topics/match.js';
import type { Subscription } from '../../lib/topics/subscription.js';
import { publishWhole, receiveWhole } from './exchanges.js';
import { startBroker, type TestBroker } from './test-broker.js';

/** What every Router promises to the broker that it belongs to, whatever else it does. */
export function describeRouter(name: string, make: () => { router: Router; store?: Store }): void {
  describe(`${name} as a Router`, () => {
    let node: TestBroker;
    beforeEach(async () => {
      node = await startBroker(make());
    });
    afterEach(() => node.stop());

    const publish = (fields: Partial<MessageFields> = {}): boolean => {
      const whole = { topic: 'a/b', payload: Buffer.from('x'), qos: 0, retain: false, ...fields } as const;
      const message = Message.of(whole, node.clock.now());
      return node.broker.router.publish(message, node.broker.topics.match(message.topic));
    };

    it('delivers to every target once, in this very call, with the subscriptions that match', () => {
      const [one, other] = [new Hearer(), new Hearer()];
      subscribe(node, one, { filter: 'a/+', qos: 1 });
      subscribe(node, one, { filter: 'a/#', qos: 2 });
      subscribe(node, other, { filter: 'a/b' });
      subscribe(node, other, { filter: 'c' });

      const isFound = publish();

      expect(isFound).toBe(true);
      expect([one.heard, other.heard]).toEqual([['a/b x 2'], ['a/b x 0']]);
    });

    it('says when nobody is there', () => {
      expect(publish()).toBe(false);
    });

    it('says that somebody is there who takes nothing', () => {
      subscribe(node, { deliver() {} }, { filter: 'a/b' });

      expect(publish()).toBe(true);
    });

    it('stays usable when a subscriber subscribes or leaves while a message is delivered', () => {
      const late = new Hearer();
      const early: Subscriber = {
        deliver() {
          node.broker.topics.unsubscribe(early, 'a/b');
          subscribe(node, late, { filter: 'a/b' });
        },
      };
      subscribe(node, early, { filter: 'a/b' });

      publish();
      publish();

      expect(late.heard).toContain('a/b x 0');
    });

    it('has nothing to wait for when nothing left this node', () => {
      subscribe(node, new Hearer(), { filter: 'a/b' });

      publish({ qos: 1 });

      expect(node.broker.router.commit()).toBeUndefined();
    });

    it('acknowledges what it has taken, at each QoS', async () => {
      const subscriber = await node.client();
      await subscriber.subscribe('a/+', { qos: 2 });
      const publisher = await node.client();

      for (const qos of [0, 1, 2] as const) {
        await publishWhole(publisher, 'a/b', { payload: String(qos), qos });
        await receiveWhole(subscriber, 'a/b', String(qos), { qos });
      }
    });

    it('hears of subscriptions, groups and sessions that come and go, and still delivers', async () => {
      const client = await node.client(5, { clientId: 'c', properties: { sessionExpiryInterval: 100 } });
      await client.subscribe(['a/b', 'a/b', '$share/g/a/b'], { qos: 1 });
      client.disconnect();
      await client.expectClosed();
      const again = await node.open();
      await again.connect({ clientId: 'c', cleanStart: false });
      again.send({ type: PacketType.UNSUBSCRIBE, packetId: 1, filters: ['$share/g/a/b'] });
      await again.expect({ type: PacketType.UNSUBACK });

      publish({ qos: 1 });

      await again.expectPublish('a/b', 'x');
      await again.expectNothing();
    });

    it('is closed once and for all', async () => {
      const { router } = node.broker;

      await router.close();
      await router.close();
    });
  });
}

class Hearer implements Subscriber {
  readonly heard: string[] = [];

  deliver({ topic, payload }: Message, { qos }: Target<Subscriber>): void {
    this.heard.push(`${topic} ${payload.toString()} ${qos}`);
  }
}

function subscribe(
  { broker }: TestBroker,
  subscriber: Subscriber,
  subscription: Partial<Subscription> & { filter: string },
): void {
  const defaults = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  broker.topics.subscribe(subscriber, { ...defaults, ...subscription });
}
