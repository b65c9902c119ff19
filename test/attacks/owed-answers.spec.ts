import { expect, it } from '@jest/globals';
import { PacketType } from '../../lib/protocol/packets.js';
import { describeInMemory, publishOf, sendTogether } from '../support/scenario.js';
import { SlowStore } from '../support/slow-store.js';

describeInMemory('a publisher that does not wait for answers, with a store that is slow', (start) => {
  it.each([
    ['3.1.1', 4, 1],
    ['3.1.1', 4, 2],
    ['5.0', 5, 1],
  ] as const)(
    'of MQTT %s (version %d) at QoS %d is not read beyond what may be owed to it',
    async (_name, version, qos) => {
      const store = new SlowStore();
      const broker = await start({ store, limits: { receiveMaximum: 10 } });
      const publisher = await broker.client(version, { clientId: 'pub' });
      const { connection } = broker.broker.sessions.get('pub')!;
      const letGo = store.hold();
      const most = version === 5 ? 10 : 50;
      let sent = 0;
      const sendFive = async () => {
        sendTogether(
          publisher,
          Array.from({ length: 5 }, () => publishOf('a', { qos, packetId: ++sent })),
        );
        await new Promise((resolve) => setImmediate(resolve));
      };
      for (let round = 0; round < most / 5; round++) await sendFive();

      // A client of MQTT 5 knows its Receive Maximum; an older one is made to wait.
      expect(connection!.isUnread).toBe(version !== 5);
      expect(broker.broker.counters.messagesReceived).toBeLessThan(version === 5 ? 11 : 25);

      letGo();
      for (let packetId = 1; packetId <= most; packetId++) {
        await publisher.expect({ type: qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId });
      }
      expect(connection!.isUnread).toBe(false);
    },
  );
});
