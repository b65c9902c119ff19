import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { ConnectedClient, OnPublish, type MQTTdClient, type MQTTdOptions, type MQTTdTlsOptions } from 'nestjs-mqttd';
import { certificates } from '../support/certificates.js';
import { Inbox } from '../support/inbox.js';
import { mqttJs } from '../support/mqttjs.js';
import { apps } from '../support/nest-app.js';
import { programs } from '../support/programs.js';

const { ca, server, client: device, stranger, foreign, expired } = certificates();

@Controller()
class Sensors {
  readonly heard = new Inbox<MQTTdClient>();

  @OnPublish('sensors/#')
  hear(@ConnectedClient() client: MQTTdClient): void {
    this.heard.push(client);
  }
}

describe('TLS', () => {
  const start = apps();
  const run = programs();
  const connectTo = mqttJs();

  const startWith = async (tls: MQTTdTlsOptions = {}, options: MQTTdOptions = {}) => {
    const own = { key: server.key, cert: server.cert };
    const mqttd = { port: 0, tls: { ...own, ...tls }, ...options };
    const { app, broker, port } = await start({ controllers: [Sensors], mqttd });
    const mosquitto = (...args: readonly string[]) =>
      run('mosquitto_pub', '-h', 'localhost', '-p', port, '-t', 'sensors/7', '-m', 'x', '-q', 1, ...args).finished;
    return { broker, port, mosquitto, heard: app.get(Sensors).heard };
  };

  it('serves mosquitto_pub --cafile', async () => {
    const { mosquitto, heard, port } = await startWith();

    const { code } = await mosquitto('--cafile', ca.certFile);

    expect(code).toBe(0);
    expect(await heard.next()).toMatchObject({
      tls: true,
      listener: `mqtts://127.0.0.1:${port}`,
      certificateName: undefined,
    });
  });

  it.each(['4', '5'])('serves mqtt.js, protocol version %s', async (version) => {
    const { port, heard } = await startWith();
    const options = { protocol: 'mqtts', ca: ca.cert, host: 'localhost' } as const;
    const { client } = await connectTo(port, { ...options, protocolVersion: version === '4' ? 4 : 5 });

    await client.publishAsync('sensors/7', 'x'.repeat(100_000), { qos: 1 });

    expect((await heard.next()).tls).toBe(true);
  });

  it('is not believed by a client that trusts another authority', async () => {
    const { mosquitto, broker } = await startWith();

    const { code } = await mosquitto('--cafile', stranger.certFile);

    expect(code).not.toBe(0);
    expect(broker.counters.connectionsOpened).toBe(0);
  });

  it('goes on after a client that speaks plain MQTT to its port', async () => {
    const { mosquitto, heard } = await startWith();

    const plain = await mosquitto();
    const encrypted = await mosquitto('--cafile', ca.certFile);

    expect(plain.code).not.toBe(0);
    expect(encrypted.code).toBe(0);
    await heard.next();
  });

  it('agrees on the protocol `mqtt` with a client that offers it', async () => {
    const { port } = await startWith();

    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: ca.cert,
      ALPNProtocols: ['x', 'mqtt'],
    });
    await once(socket, 'secureConnect');

    expect(socket.alpnProtocol).toBe('mqtt');
    socket.destroy();
  });

  describe('that asks for client certificates', () => {
    const mutual = { ca: ca.cert, requestCert: true, rejectUnauthorized: true };

    /** Resolves when the server has ended the connection; with TLS 1.3 that comes after the client's handshake. */
    const ended = (socket: TLSSocket): Promise<void> =>
      new Promise((resolve) => {
        socket.on('error', () => {}); // the alert, or a reset: the end is what counts
        socket.on('close', () => resolve());
        socket.resume();
      });

    it('knows the client by the name in its certificate', async () => {
      const { mosquitto, heard } = await startWith(mutual);

      const { code } = await mosquitto('--cafile', ca.certFile, '--cert', device.certFile, '--key', device.keyFile);

      expect(code).toBe(0);
      expect((await heard.next()).certificateName).toBe('device-7');
    });

    it.each([
      ['no certificate', {}],
      ['a certificate of its own making', { key: stranger.key, cert: stranger.cert }],
      ['a certificate of another authority', { key: foreign.key, cert: foreign.cert }],
      ['a certificate that has expired', { key: expired.key, cert: expired.cert }],
    ])('A20: ends a connection with %s before the broker sees it, and serves the next', async (_title, pair) => {
      const { mosquitto, broker, port, heard } = await startWith(mutual);

      const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: ca.cert, ...pair });
      await ended(socket);

      expect(broker.counters.connectionsOpened).toBe(0);
      await mosquitto('--cafile', ca.certFile, '--cert', device.certFile, '--key', device.keyFile);
      expect((await heard.next()).certificateName).toBe('device-7');
    });

    it('A20: refuses mosquitto_pub without a certificate', async () => {
      const { mosquitto, broker } = await startWith(mutual);

      const { code } = await mosquitto('--cafile', ca.certFile);

      expect(code).not.toBe(0);
      expect(broker.counters.connectionsOpened).toBe(0);
    });

    it('lets a client in as the user that its certificate names, under the rules of that user', async () => {
      const users = { 'device-7': { password: 'unguessable', publish: ['sensors/%u'] } };
      const { mosquitto, heard } = await startWith(
        { ...mutual, rejectUnauthorized: false },
        {
          host: '127.0.0.1',
          auth: { users, certificates: true },
        },
      );
      const own = ['--cafile', ca.certFile, '--cert', device.certFile, '--key', device.keyFile, '-V', '5'];

      expect(await mosquitto(...own, '-u', 'somebody else')).toMatchObject({
        stderr: expect.stringMatching('ot authorized'),
      });
      expect((await mosquitto(...own, '-t', 'sensors/device-7')).stderr).toBe('');
      // Neither a certificate that nobody has verified nor none is anybody's password.
      const foreigner = ['--cafile', ca.certFile, '--cert', foreign.certFile, '--key', foreign.keyFile];
      expect((await mosquitto(...foreigner, '-u', 'device-7')).code).not.toBe(0);
      expect((await mosquitto('--cafile', ca.certFile, '-u', 'device-7')).code).not.toBe(0);

      expect(await heard.next()).toMatchObject({ username: 'device-7', certificateName: 'device-7' });
      expect(heard.all).toHaveLength(1);
    });

    it('but rejects nobody takes no name from a certificate that it cannot verify', async () => {
      const { mosquitto, heard } = await startWith({ ...mutual, rejectUnauthorized: false });

      await mosquitto('--cafile', ca.certFile, '--cert', foreign.certFile, '--key', foreign.keyFile);
      await mosquitto('--cafile', ca.certFile);
      await mosquitto('--cafile', ca.certFile, '--cert', device.certFile, '--key', device.keyFile);

      const names = [await heard.next(), await heard.next(), await heard.next()].map((one) => one.certificateName);
      expect(names).toEqual([undefined, undefined, 'device-7']);
    });
  });
});
