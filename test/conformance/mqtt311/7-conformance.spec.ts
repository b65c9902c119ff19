import { it } from '@jest/globals';
import { hex } from '../../support/bytes.js';
import { describeOverTransports } from '../../support/test-broker.js';

describeOverTransports('MQTT 3.1.1, 7 Conformance', (start) => {
  it('[MQTT-7.0.0-2] needs no extension: a client talks by the text of the standard alone', async () => {
    const broker = await start();
    const subscriber = await broker.open(4);
    const publisher = await broker.open(4);

    subscriber.send(hex("10 0f 0004'MQTT' 04 02 003c 0003'sub'"));
    await subscriber.expectHex('20 02 00 00');
    subscriber.send(hex("82 08 0001 0003'a/+' 02"));
    await subscriber.expectHex('90 03 0001 02');
    publisher.send(hex("10 0f 0004'MQTT' 04 02 003c 0003'pub'"));
    await publisher.expectHex('20 02 00 00');

    publisher.send(hex(`30 0a 0003'a/b' "hello"`));
    await subscriber.expectHex('30 0a 0003 612f62 68656c6c6f');
    publisher.send(hex(`32 09 0003'a/b' 0001 "hi"`));
    await publisher.expectHex('40 02 0001');
    await subscriber.expectHex('32 09 0003 612f62 0001 6869');
    subscriber.send('40 02 0001');
    publisher.send(hex(`34 09 0003'a/b' 0002 "hi"`));
    await publisher.expectHex('50 02 0002');
    publisher.send('62 02 0002');
    await publisher.expectHex('70 02 0002');
    await subscriber.expectHex('34 09 0003 612f62 0002 6869');
    subscriber.send('50 02 0002');
    await subscriber.expectHex('62 02 0002');
    subscriber.send('70 02 0002');
    subscriber.send(hex("a2 07 0002 0003'a/+'"));
    await subscriber.expectHex('b0 02 0002');
    subscriber.send('c0 00');
    await subscriber.expectHex('d0 00');
    subscriber.send('e0 00');
    await subscriber.expectClosed();
  });
});
