import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { ScramAuth, hashScramPassword } from '../../../lib/auth/scram.auth.js';
import { PacketType, type AuthPacket } from '../../../lib/protocol/packets.js';
import { startBroker, type TestBroker } from '../../support/test-broker.js';
import type { WireClient } from '../../support/wire-client.js';

const method = 'SCRAM-SHA-256';
const loginWith = (data: string) => ({
  properties: { authenticationMethod: method, authenticationData: Buffer.from(data) },
});

describe('ScramAuth', () => {
  let broker: TestBroker;
  let client: WireClient;

  beforeEach(async () => {
    broker = await startBroker({ auth: new ScramAuth({ user: await hashScramPassword('pencil') }) });
    client = await broker.open();
  });
  afterEach(() => broker.stop());

  it('answers the exchange of RFC 7677, 3, to the byte', async () => {
    class KnownNonce extends ScramAuth {
      protected override makeNonce(): string {
        return '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
      }
    }
    // StoredKey and ServerKey of the password 'pencil' with the salt of the RFC.
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const salted = pbkdf2Sync('pencil', salt, 4096, 32, 'sha256');
    const keys = [sha256(hmac(salted, 'Client Key')), hmac(salted, 'Server Key')];
    const entry = ['scram', 4096, ...[salt, ...keys].map((bytes) => bytes.toString('base64'))].join('$');
    const exchange = new KnownNonce({ user: entry }).exchange(method)!;

    const first = await exchange.step(Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'));
    const final = await exchange.step(
      Buffer.from(
        'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
      ),
    );

    expect(first).toEqual({
      type: 'continue',
      data: Buffer.from('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'),
    });
    expect(final).toEqual({
      type: 'success',
      data: Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='),
      username: 'user',
    });
  });

  it('lets a client in that knows the password, and proves that the broker does', async () => {
    client.sendConnect(loginWith('n,,n=user,r=abc'));
    const { proof, verifier } = prove('n=user,r=abc', await challenge(client), 'pencil');

    sendAuth(client, proof);

    const properties = { authenticationMethod: method, authenticationData: Buffer.from(verifier) };
    await client.expect({ type: PacketType.CONNACK, reasonCode: 0, properties });
    const connection = [...broker.broker.connections][0];
    expect(connection.client?.username).toBe('user');
  });

  it.each([
    ['a wrong password', 'n=user,r=abc', 'pen'],
    ['a user who does not exist', 'n=nobody,r=abc', 'pencil'],
  ])('refuses %s only at the end of the exchange', async (_, bare, password) => {
    client.sendConnect(loginWith(`n,,${bare}`));
    const { proof } = prove(bare, await challenge(client), password);

    sendAuth(client, proof);

    await client.expect({ type: PacketType.CONNACK, reasonCode: 0x87 });
    await client.expectClosed();
  });

  it('gives a user who does not exist the same salt each time', async () => {
    const other = await broker.open();
    client.sendConnect(loginWith('n,,n=nobody,r=a'));
    other.sendConnect(loginWith('n,,n=nobody,r=a'));

    expect(saltOf(await challenge(client))).toBe(saltOf(await challenge(other)));
  });

  it('refuses a proof for another nonce', async () => {
    client.sendConnect(loginWith('n,,n=user,r=abc'));
    const serverFirst = await challenge(client);
    const { proof } = prove('n=user,r=abc', serverFirst.replace('r=abc', 'r=abd'), 'pencil');

    sendAuth(client, proof);

    await client.expect({ type: PacketType.CONNACK, reasonCode: 0x87 });
  });

  it('refuses a login without the method', async () => {
    expect(await client.connect({ username: 'user', password: Buffer.from('pencil') })).toMatchObject({
      reasonCode: 0x8c,
    });
  });

  it('says which entry is neither a hash nor a password, without quoting it', () => {
    expect(() => new ScramAuth({ user: 'pencil' })).toThrow(/the entry of "user" is neither/);
    expect(() => new ScramAuth({ user: 'pencil' })).not.toThrow(/pencil/);
  });
});

async function challenge(client: WireClient): Promise<string> {
  const packet = (await client.expect({ type: PacketType.AUTH, reasonCode: 0x18 })) as AuthPacket;
  return packet.properties!.authenticationData!.toString();
}

function sendAuth(client: WireClient, data: string): void {
  const properties = { authenticationMethod: method, authenticationData: Buffer.from(data) };
  client.send({ type: PacketType.AUTH, reasonCode: 0x18, properties });
}

/** The client's side of RFC 5802, 3. */
function prove(bare: string, serverFirst: string, password: string): { proof: string; verifier: string } {
  const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst)!;
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const authMessage = `${bare},${serverFirst},c=biws,r=${nonce}`;
  const signature = hmac(sha256(clientKey), authMessage);
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index])).toString('base64');
  const verifier = hmac(hmac(salted, 'Server Key'), authMessage).toString('base64');
  return { proof: `c=biws,r=${nonce},p=${proof}`, verifier: `v=${verifier}` };
}

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
const saltOf = (serverFirst: string) => /s=([^,]+)/.exec(serverFirst)![1];
