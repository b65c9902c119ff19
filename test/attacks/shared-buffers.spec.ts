import { expect, it, jest } from '@jest/globals';
import { describeOverTransports } from '../support/test-broker.js';

const flushes = 300;

describeOverTransports('the buffer that all connections share', (start) => {
  it('[A17] is not left behind with every flush, whatever the transport keeps of it', async () => {
    const broker = await start();
    const client = await broker.client();
    await client.subscribe('a', { qos: 1 });
    const allocated = jest.spyOn(Buffer, 'allocUnsafeSlow');

    // Acknowledgements and patched frames are put together, so each of these goes through such a buffer.
    for (let flush = 0; flush < flushes; flush++) {
      client.publish('a', { qos: 1, payload: 'x' });
      for (let packet = 0; packet < 2; packet++) await client.next();
    }
    const large = allocated.mock.calls.filter(([size]) => size >= 100_000);
    allocated.mockRestore();

    expect(large.length).toBeLessThan(flushes / 10);
  });
});
