import { setImmediate as nextTick } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Barrier } from '../../../lib/broker/barrier.js';
import type { Connection } from '../../../lib/broker/connection.js';
import type { Outbox } from '../../../lib/broker/outbox.js';

describe('Barrier', () => {
  it('releases once, and not before its own commit, what is held after a tick that only had to write', async () => {
    const sent: number[] = [];
    const sendAcknowledgement = (_: number, packetId: number) => sent.push(packetId);
    const connection = { sendAcknowledgement, owe() {}, answered() {} };
    const commits: (() => void)[] = [];
    let isChanged = false;
    const commit = () => {
      if (!isChanged) return undefined;
      isChanged = false;
      return new Promise<void>((resolve) => commits.push(resolve));
    };
    const barrier = new Barrier([{ isImmediate: false, commit }], () => {});
    const publish = async (packetId: number) => {
      isChanged = true;
      barrier.holdAcknowledgement(connection as unknown as Connection, 0x40, packetId);
      await nextTick();
    };

    await publish(1);
    barrier.enlist({ flush() {} } as unknown as Outbox);
    await nextTick();
    await publish(2);
    commits[0]();
    await nextTick();
    expect(sent).toEqual([1]);

    commits[1]();
    await nextTick();
    expect(sent).toEqual([1, 2]);
  });
});
