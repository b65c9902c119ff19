import { expect, it } from '@jest/globals';
import type { AuthExchange, Login } from '../../lib/broker/auth.js';
import { PacketType } from '../../lib/protocol/packets.js';
import { describeInMemory } from '../support/scenario.js';
import { ChallengeAuth, method } from '../support/test-auths.js';

const { AUTH, CONNACK } = PacketType;
const answer = { ...method, authenticationData: Buffer.from('answer') };

/** Remembers whether each exchange was shown a password. */
class LoginAuth extends ChallengeAuth {
  readonly passwords: (string | undefined)[] = [];

  override exchange(name: string, login?: Login): AuthExchange | undefined {
    this.passwords.push(login?.password?.toString());
    return super.exchange(name);
  }
}

describeInMemory('what a connection keeps of its login', (start) => {
  it.each([
    ['at once', false],
    ['later', true],
  ])('[A27] neither password nor CONNECT once enhanced authentication succeeds, %s', async (_title, isAsync) => {
    const auth = new LoginAuth({ isAsync });
    const broker = await start({ auth });
    const client = await broker.open();
    client.sendConnect({ username: 'ann', password: Buffer.from('hunter2'), properties: method });
    await client.next(AUTH);
    const [{ authentication }] = broker.broker.connections;
    const { onSuccess } = authentication!;
    expect(authentication!.login.password?.toString()).toBe('hunter2');

    client.send({ type: AUTH, reasonCode: 0x18, properties: answer });
    await client.next(CONNACK);

    expect(authentication!.login).toMatchObject({ username: 'ann', password: undefined });
    // It would lead to CONNACK, and hold on to the CONNECT for that.
    expect(authentication!.onSuccess).not.toBe(onSuccess);

    // The next exchange is told who it is, and asks again for what proves it.
    client.send({ type: AUTH, reasonCode: 0x19, properties: method });
    await client.expect({ type: AUTH, reasonCode: 0x18 });
    client.send({ type: AUTH, reasonCode: 0x18, properties: answer });
    await client.expect({ type: AUTH, reasonCode: 0 });
    expect(auth.passwords).toEqual(['hunter2', undefined]);
  });
});
