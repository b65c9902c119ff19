import { expect, it } from '@jest/globals';
import { PacketType, type AuthPacket, type DisconnectPacket } from '../../../lib/protocol/packets.js';
import { hex } from '../../support/bytes.js';
import { connectBytes, expectConnectRefused } from '../../support/connection-steps.js';
import { ChallengeAuth, challenged, method } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('3.15 AUTH', (start) => {
  it.each(['f1', 'f2', 'f4', 'f8'])('[MQTT-3.15.1-1] with the first byte %s is malformed', async (first) => {
    const client = await (await start()).client();

    client.send(`${first} 00`);

    await client.expectDisconnect(0x81);
  });

  it('[MQTT-3.15.1-1] with flags is malformed during the login too', async () => {
    const { client } = await challenged(await start({ auth: new ChallengeAuth() }));

    client.send(hex("f1 0e 18 0c{15 0009'CHALLENGE'}"));

    await expectConnectRefused(client, 0x81);
  });

  it.each(['01', '17', '1a', '80', '87', 'ff'])(
    '[MQTT-3.15.2-1] with the reason code %s, which it does not have, is refused',
    async (code) => {
      const broker = await start({ auth: new ChallengeAuth() });
      const client = await broker.client(5, { properties: { authenticationMethod: undefined } });

      client.send(hex(`f0 0e ${code} 0c{15 0009'CHALLENGE'}`));

      const { reasonCode } = (await client.next(PacketType.DISCONNECT)) as DisconnectPacket;
      expect([0x81, 0x82]).toContain(reasonCode);
      await client.expectClosed();
    },
  );

  it('[MQTT-3.15.2-1] carries 0x18 in a login, and 0x18 and 0x00 in a re-authentication', async () => {
    const { client, auth } = await challenged(await start({ auth: new ChallengeAuth() }));
    client.send({ type: PacketType.AUTH, reasonCode: 0x18, properties: { ...method, authenticationData: answer } });
    await client.expect({ type: PacketType.CONNACK, reasonCode: 0 });

    client.send({ type: PacketType.AUTH, reasonCode: 0x19, properties: method });
    const again = await client.next(PacketType.AUTH);
    client.send({ type: PacketType.AUTH, reasonCode: 0x18, properties: { ...method, authenticationData: answer } });
    const done = await client.next(PacketType.AUTH);

    expect([auth, again, done].map((packet) => (packet as AuthPacket).reasonCode)).toEqual([0x18, 0x18, 0x00]);
  });

  it('[MQTT-3.15.2-2] [MQTT-3.15.2-3] has nothing that makes it larger than Maximum Packet Size', async () => {
    const client = await (await start({ auth: new ChallengeAuth() })).open();

    client.send(connectBytes({ properties: "15 0009'CHALLENGE' 27 0000001c" }));

    await client.expectHex(hex("f0 1a 18 18{15 0009'CHALLENGE' 16 0009'challenge'}").toString('hex'));
  });
});

const answer = Buffer.from('answer');
