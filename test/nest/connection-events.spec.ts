import { beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, ForbiddenException, UseGuards, type CanActivate, type ExecutionContext } from '@nestjs/common';
import {
  ConnectedClient,
  grantQoS,
  MQTTdContext,
  MQTTdException,
  OnConnect,
  OnDisconnect,
  OnSubscribe,
  OnUnsubscribe,
  Topic,
  TopicParam,
  type MQTTdClient,
} from 'nestjs-mqttd';
import { PacketType, type SubackPacket } from '../../lib/protocol/packets.js';
import { Inbox } from '../support/inbox.js';
import { apps } from '../support/nest-app.js';

let heard: Inbox<string>;
beforeEach(() => {
  heard = new Inbox<string>();
});

/** Says no to whoever is called `stranger`, whatever it wants. */
class NoStrangers implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToRpc().getContext<MQTTdContext>().client?.clientId !== 'stranger';
  }
}

const refusals: Readonly<Record<string, unknown>> = {
  banned: new MQTTdException(0x8a, 'go away'),
  forbidden: new ForbiddenException('not you'),
  broken: new Error('secret'),
  moved: new MQTTdException(0x9d),
};

@Controller()
class Door {
  @OnConnect()
  async enter(@ConnectedClient() client: MQTTdClient): Promise<void> {
    heard.push(`connect ${client.clientId} ${client.username}`);
    if (client.clientId in refusals) throw refusals[client.clientId];
  }

  @OnDisconnect()
  leave(@ConnectedClient() client: MQTTdClient): void {
    heard.push(`disconnect ${client.clientId}`);
  }

  @OnSubscribe('rooms/:room/#')
  ask(
    @TopicParam('room') room: string,
    @Topic() filter: string,
    @ConnectedClient() { clientId }: MQTTdClient,
  ): unknown {
    heard.push(`subscribe ${clientId} ${filter}`);
    if (room in refusals) throw refusals[room];
    return room === 'cheap' ? grantQoS(0, { topic: 'rooms/cheap/hello', payload: 'hi', qos: 1 }) : undefined;
  }

  @OnUnsubscribe('rooms/:room/#')
  release(@TopicParam('room') room: string, @Topic() filter: string): void {
    heard.push(`unsubscribe ${filter}`);
    if (room === 'kept') throw new MQTTdException(0x87, 'stay');
  }
}

@Controller()
@UseGuards(new NoStrangers())
class GuardedDoor {
  @OnConnect()
  enter(): void {}

  @OnSubscribe('#')
  ask(): void {}

  @OnUnsubscribe('#')
  release(): void {}
}

describe('@OnConnect', () => {
  const start = apps();

  it('is called before the CONNACK, with the client as it will be', async () => {
    const { client } = await start({ controllers: [Door] });

    await client(5, { clientId: 'c', username: 'ann' });

    expect(heard.all).toEqual(['connect c ann']);
  });

  it.each([
    ['banned', 5, 0x8a, 'go away'],
    ['forbidden', 5, 0x87, 'not you'],
    ['broken', 5, 0x83, undefined],
    ['moved', 5, 0x9d, undefined],
    ['banned', 4, 5, undefined],
    ['forbidden', 4, 5, undefined],
    ['moved', 3, 3, undefined],
  ] as const)('refuses who is %s in MQTT %d with %d', async (clientId, version, reasonCode, reasonString) => {
    const { open, broker } = await start({ controllers: [Door] });
    const refused = await open(version);

    const connack = await refused.connect({ clientId });

    expect(connack).toMatchObject({ type: PacketType.CONNACK, reasonCode, sessionPresent: false });
    if (reasonString !== undefined) expect(connack.properties).toMatchObject({ reasonString });
    expect(JSON.stringify(connack)).not.toContain('secret');
    await refused.expectClosed();
    expect(broker.sessions.size).toBe(0);
    expect(heard.all).toEqual([`connect ${clientId} undefined`]);
  });

  it('that refuses leaves a connection of the same client alone', async () => {
    let isOpen = true;
    @Controller()
    class Once {
      @OnConnect()
      enter(): void {
        if (!isOpen) throw new MQTTdException(0x87);
      }
    }
    const { open, client } = await start({ controllers: [Once] });
    const first = await client(5, { clientId: 'c' });
    isOpen = false;

    const second = await open();
    expect(await second.connect({ clientId: 'c' })).toMatchObject({ reasonCode: 0x87 });

    await first.expectNothing();
  });
});

describe('@OnDisconnect', () => {
  const start = apps();

  it.each(['says goodbye', 'is cut off', 'is taken over'])('is called when a client %s', async (how) => {
    const { client } = await start({ controllers: [Door] });
    const leaving = await client(5, { clientId: 'c' });

    if (how === 'says goodbye') leaving.disconnect();
    else if (how === 'is cut off') leaving.drop();
    else await client(5, { clientId: 'c' });

    await heard.find((line) => line === 'disconnect c');
    expect(heard.all.filter((line) => line.startsWith('disconnect'))).toHaveLength(1);
  });
});

describe('@OnSubscribe and @OnUnsubscribe', () => {
  const start = apps();

  it('refuse, with a Reason Code that a SUBACK may carry', async () => {
    const { client, broker } = await start({ controllers: [Door] });
    const subscriber = await client(5, { clientId: 'c' });

    const { reasonCodes } = await subscriber.subscribe(
      ['rooms/banned/#', 'rooms/a', 'rooms/forbidden/x', 'free', 'rooms/broken'],
      { qos: 1 },
    );

    expect(reasonCodes).toEqual([0x83, 1, 0x87, 1, 0x83]);
    expect([...broker.sessions.get('c')!.subscriptions.keys()]).toEqual(['rooms/a', 'free']);
  });

  it('refuse clients of 3.1.1 with 0x80', async () => {
    const { client } = await start({ controllers: [Door] });

    const suback: SubackPacket = await (await client(4)).subscribe(['rooms/forbidden', 'rooms/a'], { qos: 1 });

    expect(suback.reasonCodes).toEqual([0x80, 1]);
  });

  it('lower the QoS, and greet with it', async () => {
    const { client } = await start({ controllers: [Door] });
    const subscriber = await client();

    expect((await subscriber.subscribe('rooms/cheap/#', { qos: 2 })).reasonCodes).toEqual([0]);

    await subscriber.expectPublish('rooms/cheap/hello', 'hi', { qos: 0 });
    (await client()).publish('rooms/cheap/x', { payload: 'x', qos: 1 });
    await subscriber.expectPublish('rooms/cheap/x', 'x', { qos: 0 });
  });

  it('see the filter of a shared subscription without its group', async () => {
    const { client } = await start({ controllers: [Door] });
    const subscriber = await client(5, { clientId: 'c' });

    await subscriber.subscribe('$share/g/rooms/a');
    subscriber.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['$share/g/rooms/a'] });
    await subscriber.expect({ type: PacketType.UNSUBACK, packetId: 9, reasonCodes: [0] });

    expect(heard.all.slice(1)).toEqual(['subscribe c rooms/a', 'unsubscribe rooms/a']);
  });

  it('keep an MQTT 5 client subscribed that an @OnUnsubscribe refuses, and let go an older one', async () => {
    const { client, broker } = await start({ controllers: [Door] });
    for (const [version, reasonCodes] of [
      [5, [0x87, 0]],
      [4, []],
    ] as const) {
      const subscriber = await client(version, { clientId: `c${version}` });
      await subscriber.subscribe(['rooms/kept/a', 'rooms/b']);

      subscriber.send({ type: PacketType.UNSUBSCRIBE, packetId: 9, filters: ['rooms/kept/a', 'rooms/b'] });

      await subscriber.expect({ type: PacketType.UNSUBACK, packetId: 9, reasonCodes });
    }
    expect([...broker.sessions.get('c5')!.subscriptions.keys()]).toEqual(['rooms/kept/a']);
    expect([...broker.sessions.get('c4')!.subscriptions.keys()]).toEqual([]);
  });

  it('are called in the order of the packets: a PUBLISH behind a SUBSCRIBE finds the subscription', async () => {
    const { client } = await start({ controllers: [Door] });
    const subscriber = await client();

    subscriber.send({
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter: 'rooms/a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
    });
    subscriber.publish('rooms/a', { payload: 'x' });

    await subscriber.expect({ type: PacketType.SUBACK, packetId: 1 });
    await subscriber.expectPublish('rooms/a', 'x');
  });
});

describe('guards', () => {
  const start = apps();

  it('work on @OnConnect', async () => {
    const { open, client } = await start({ controllers: [GuardedDoor] });

    expect(await (await open()).connect({ clientId: 'stranger' })).toMatchObject({ reasonCode: 0x87 });
    await client(5, { clientId: 'friend' });
  });

  it.each([
    [[OnSubscribe], { type: PacketType.SUBACK, reasonCodes: [0x87] }],
    [[OnUnsubscribe], { type: PacketType.UNSUBACK, reasonCodes: [0x87] }],
  ] as const)('work on %p', async ([decorate], answer) => {
    @Controller()
    @UseGuards(new NoStrangers())
    class Only {
      @decorate('a')
      asked(): void {}
    }
    const { client } = await start({ controllers: [Only] });
    const stranger = await client(5, { clientId: 'stranger' });
    const subscriptions = [
      { filter: 'a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
    ] as const;
    if (answer.type === PacketType.SUBACK) stranger.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });
    else stranger.send({ type: PacketType.UNSUBSCRIBE, packetId: 1, filters: ['a'] });

    await stranger.expect({ ...answer, packetId: 1 });
  });
});
