import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Message } from '../../lib/broker/message.js';
import {
  claimHeader,
  decodeFrame,
  encodeAddressee,
  encodeShare,
  frameVersion,
  messagesHeader,
} from '../../lib/redis/node-frame.js';
import { encodeMessage } from '../../lib/records/message-record.js';
import { cluster, until, untilWanted } from '../support/cluster.js';

const { start, redis, prefix } = cluster();
const now = 1_700_000_000_000;
const message = Message.of({ topic: 'a/b', payload: Buffer.from('x'), qos: 1, retain: false }, now);
const frame = Buffer.concat([messagesHeader('n'), encodeShare(''), encodeMessage(message, now)]);

describe('a frame between nodes', () => {
  it('gives back the messages that were put into it, in their order', () => {
    const grouped = Buffer.concat([
      frame,
      encodeShare('$share/g/a/+'),
      encodeMessage(message, now),
      encodeAddressee('=7/é'),
      encodeMessage(message, now),
    ]);

    const decoded = decodeFrame(grouped, now);

    if (decoded.kind !== 'messages') throw new Error(decoded.kind);
    expect(decoded.node).toBe('n');
    expect(decoded.messages.map(({ share, clientId }) => [share, clientId])).toEqual([
      ['', undefined],
      ['$share/g/a/+', undefined],
      ['', '=7/é'],
    ]);
    for (const { message: one } of decoded.messages) {
      expect(one).toMatchObject({ topic: 'a/b', qos: 1, retain: false, fromNode: 'n', publisher: undefined });
      expect(one.payload.toString()).toBe('x');
    }
  });

  it('gives back a claim', () => {
    const claim = Buffer.concat([claimHeader('n', 'c'), Buffer.from('17')]);

    expect(decodeFrame(claim, now)).toEqual({ kind: 'claim', node: 'n', clientId: 'c', generation: 17 });
  });

  it('carries what is left of the Message Expiry Interval', () => {
    const properties = { messageExpiryInterval: 60 };
    const expiring = Message.of({ topic: 'a', payload: Buffer.alloc(0), qos: 0, retain: false, properties }, now);

    const bytes = Buffer.concat([messagesHeader('n'), encodeShare(''), encodeMessage(expiring, now + 20_000)]);

    const decoded = decodeFrame(bytes, now);
    if (decoded.kind !== 'messages') throw new Error(decoded.kind);
    expect(decoded.messages[0].message.properties).toEqual({ messageExpiryInterval: 40 });
  });

  it('is refused when it is of another version', () => {
    const foreign = Buffer.from(frame);
    foreign[0] = frameVersion + 1;

    expect(() => decodeFrame(foreign, now)).toThrow('version');
  });

  it('is refused wherever it is cut', () => {
    // Behind its header it is a frame without messages.
    const header = messagesHeader('n').length;
    for (let length = 0; length < frame.length; length++) {
      if (length !== header) expect(() => decodeFrame(frame.subarray(0, length), now)).toThrow(Error);
    }
  });

  it('is refused or decoded, whatever bytes come: nothing else is thrown and nothing hangs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, at) => {
        const damaged = Buffer.concat([frame, Buffer.from(bytes)]);
        damaged[at % damaged.length] ^= 0xff;
        try {
          decodeFrame(damaged, now);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});

describe('what is not from a node', () => {
  it('is refused and counted on the channel and in the stream, and what comes behind it is taken', async () => {
    const [one, other] = [await start(), await start()];
    const subscriber = await other.client();
    await subscriber.subscribe('a', { qos: 1 });
    await untilWanted(one, 'a');
    const { node } = other.router;
    const forged = [Buffer.from('garbage'), Buffer.alloc(0), Buffer.from([frameVersion, 9, 0, 1, 0x6e])];

    await redis().with(async (client) => {
      for (const bytes of forged) {
        await client.publish(`${prefix()}:n:${node}`, bytes);
        await client.xadd(`{${prefix()}}:in:${node}`, '*', 'f', bytes);
      }
      await client.publish(`{${prefix()}}:all`, 'garbage');
      await client.xadd(`{${prefix()}}:routelog`, '*', 'c', '{"node":7}');
      await client.xadd(`{${prefix()}}:routelog`, '*', 'c', 'not JSON');
      await client.xadd(`{${prefix()}}:retlog`, '*', 'v', 'x');
    });
    await until(() => other.router.counters.framesRefused === 2 * forged.length + 1 + 2 + 1);

    const publisher = await one.client();
    publisher.publish('a', { payload: 'x', qos: 1 });
    await subscriber.expectPublish('a', 'x');
    expect(other.router.isReady).toBe(true);
  });
});
