import { describe, expect, it } from '@jest/globals';
import { isDirect } from '../../../lib/broker/direct-stream.js';
import type { TcpListener } from '../../../lib/listeners/tcp.listener.js';
import { startBroker } from '../../support/test-broker.js';

describe('TcpListener', () => {
  it.each([
    ['tcp', true],
    ['tls', false],
  ] as const)(
    'has sockets that are read directly on this version of Node, over %s: %p',
    async (transport, expected) => {
      const broker = await startBroker({}, transport);
      await broker.client();

      const [{ stream }] = [...broker.broker.connections];
      expect(isDirect(stream)).toBe(expected);
      await broker.stop();
    },
  );

  it.each(['tcp', 'tls'] as const)(
    'logs what goes wrong while it listens over %s, and goes on to accept',
    async (transport) => {
      const broker = await startBroker({}, transport);
      const [listener] = broker.broker.listeners as TcpListener[];

      // As Node does for each connection when there are too many open files.
      for (let time = 0; time < 2; time++) listener['server']!.emit('error', new Error('accept EMFILE'));

      const line = `warn ${listener.name} could not accept a connection: accept EMFILE`;
      expect(broker.logged.filter((one) => one.startsWith('warn'))).toEqual([line, line]);
      await (await broker.client()).expectNothing();
      await broker.stop();
    },
  );
});
