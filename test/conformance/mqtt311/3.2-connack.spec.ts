import { it } from '@jest/globals';
import { hex } from '../../support/bytes.js';
import { connectBytes311 } from '../../support/connect-bytes-311.js';
import { publishWhole } from '../../support/exchanges.js';
import { leave } from '../../support/scenario.js';
import { VerdictAuth } from '../../support/test-auths.js';
import { describeOverTransports } from '../../support/test-broker.js';

const persistent = { clientId: 'dev', cleanStart: false };

describeOverTransports('MQTT 3.1.1, 3.2 CONNACK', (start) => {
  it('[MQTT-3.2.0-1] goes before everything else, also what came behind the CONNECT', async () => {
    const client = await (await start()).open(4);

    client.send(Buffer.concat([connectBytes311(), hex(`82 06 0001 0001'a' 00 30 04 0001'a' "x" c000`)]));

    await client.expectHex('20 02 00 00');
  });

  it('[MQTT-3.2.0-1] goes before what waited for the client', async () => {
    const broker = await start();
    const publisher = await broker.client(4);
    const before = await broker.client(4, persistent);
    await before.subscribe('a', { qos: 1 });
    await leave(before);
    await publishWhole(publisher, 'a', { payload: 'queued', qos: 1 });

    const client = await broker.open(4);
    client.sendConnect(persistent);

    await client.expectHex('20 02 01 00');
    await client.expectPublish('a', 'queued');
  });

  it('[MQTT-3.2.0-1] goes before the session’s messages while a slow login is decided', async () => {
    let admit: (verdict: boolean) => void = () => {};
    const verdict = new Promise<boolean>((resolve) => (admit = resolve));
    const broker = await start({ auth: new VerdictAuth('dev', verdict) });
    const publisher = await broker.client(4);
    const client = await broker.open(4);
    client.send(Buffer.concat([connectBytes311(), hex("82 06 0001 0001'a' 01")]));
    await publishWhole(publisher, 'a', { payload: 'kept', qos: 1, retain: true });

    admit(true);

    await client.expectHex('20 02 00 00');
    await client.expectHex('90 03 0001 01');
    await client.expectPublish('a', 'kept', { retain: true });
  });

  it('[MQTT-3.2.2-1] has Session Present 0 with Clean Session 1', async () => {
    const broker = await start();
    await leave(await broker.client(4, persistent));

    const client = await broker.open(4);
    client.send(connectBytes311({ flags: '02' }));

    await client.expectHex('20 02 00 00');
  });

  it('[MQTT-3.2.2-2] [MQTT-3.2.2-3] has Session Present as there is a session or not', async () => {
    const broker = await start();
    const first = await broker.open(4);
    first.send(connectBytes311({ flags: '00' }));
    await first.expectHex('20 02 00 00');
    await leave(first);

    const second = await broker.open(4);
    second.send(connectBytes311({ flags: '00' }));

    await second.expectHex('20 02 01 00');
  });

  it.each([
    ['identifier rejected', 0x85, '02'],
    ['server unavailable', 0x88, '03'],
    ['server busy', 0x89, '03'],
    ['bad user name or password', false, '04'],
    ['not authorized', 0x87, '05'],
    ['banned', 0x8a, '05'],
  ] as const)('[MQTT-3.2.2-4] [MQTT-3.2.2-5] closes behind a refusal: %s', async (_what, verdict, returnCode) => {
    const broker = await start({ auth: new VerdictAuth('dev', verdict) });
    const client = await broker.open(4);

    client.send(connectBytes311({ flags: '00' }));

    await client.expectHex(`20 02 00 ${returnCode}`);
    await client.expectClosed();
  });

  it('[MQTT-3.2.2-4] has Session Present 0 in a refusal, although there is a session', async () => {
    let verdict: boolean | number = true;
    const auth = new VerdictAuth('', true);
    auth.authenticate = () => verdict;
    const broker = await start({ auth });
    await leave(await broker.client(4, persistent));
    verdict = 0x87;

    const client = await broker.open(4);
    client.send(connectBytes311({ flags: '00' }));

    await client.expectHex('20 02 00 05');
    await client.expectClosed();
  });

  it.each([0x80, 0x83, 0x99])('[MQTT-3.2.2-6] closes without CONNACK where no code fits: %d', async (verdict) => {
    const broker = await start({ auth: new VerdictAuth('dev', verdict) });
    const client = await broker.open(4);

    client.send(connectBytes311());

    await client.expectClosed();
  });
});
