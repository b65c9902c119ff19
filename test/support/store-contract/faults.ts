import { expect, it } from '@jest/globals';
import { PacketType } from '../../../lib/protocol/packets.js';
import { leave, publishKept, readAll, resume } from '../scenario.js';
import type { StartInPlace, StoreContractOptions } from '../store-contract.js';

const { PUBACK, PUBREC } = PacketType;

/** What cannot be kept is not acknowledged: the client is closed and sends again. */
export function promisesOfFaults(start: StartInPlace, fail: NonNullable<StoreContractOptions['fail']>): void {
  it.each([1, 2] as const)('withholds the acknowledgement of a QoS %d message that it could not keep', async (qos) => {
    const node = await start();
    const subscriber = await resume(node, 'sub');
    await subscriber.subscribe('a', { qos });
    await leave(subscriber);
    const publisher = await resume(node, 'pub');
    const end = fail(node.broker.store);

    publisher.publish('a', { payload: 'x', qos, packetId: 5 });
    await publisher.expectClosed();
    end();

    const again = await untilResumed(() => resume(node, 'pub'));
    again.publish('a', { payload: 'x', qos, packetId: 5, dup: true });
    await again.expect({ type: qos === 1 ? PUBACK : PUBREC, packetId: 5 });
    await publishKept(again, 'a', { payload: 'end' });
    const heard = new Set<string>();
    const back = await resume(node, 'sub');
    while (!heard.has('end')) {
      for (const packet of await readAll(back))
        if (packet.type === PacketType.PUBLISH) heard.add(String(packet.payload));
    }
    expect(heard).toEqual(new Set(['x', 'end']));
  });
}

/** Connects as soon as the store lets it. */
async function untilResumed<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!/CONNACK 0x88|closed/.test(String(error))) throw error;
    }
  }
}
