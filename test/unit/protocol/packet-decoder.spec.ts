import { describe, expect, it } from '@jest/globals';
import { MqttError, UnsupportedProtocolError } from '../../../lib/protocol/mqtt-error.js';
import { PacketDecoder } from '../../../lib/protocol/packet-decoder.js';
import { PacketType } from '../../../lib/protocol/packets.js';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { ReceivedPublish } from '../../../lib/protocol/received-publish.js';
import { hex, readNotation } from '../../support/bytes.js';
import { decodeChunks, decoderFor, drain, thrownBy } from '../../support/decoding.js';
import { malformedCases } from '../../support/malformed-cases.js';
import { packetCases } from '../../support/packet-cases.js';

describe('PacketDecoder', () => {
  describe('decodes', () => {
    it.each(packetCases)('$name', ({ notation, version, packet }) => {
      const packets = decodeChunks(version, [hex(notation)]);

      expect(packets).toEqual([packet]);
    });
  });

  describe('refuses', () => {
    const titled = malformedCases.map((row) => ({
      ...row,
      title: [row.attack && `[${row.attack}]`, row.rule && `[${row.rule}]`, `${row.name} (version ${row.version})`]
        .filter(Boolean)
        .join(' '),
    }));

    it.each(titled)('$title', ({ notation, version, reasonCode, rule }) => {
      const decoder = decoderFor(version);
      decoder.push(hex(notation));

      const error = thrownBy(() => decoder.next());

      expect(error).toBeInstanceOf(MqttError);
      expect(error).toMatchObject({ reasonCode, ...(rule !== undefined && { rule }) });
    });
  });

  it('learns the version from the CONNECT', () => {
    const decoder = decoderFor();
    decoder.push(Buffer.concat([hex("10 10 0004'MQTT' 05 02 003c 00{} 0003'dev'"), hex('e0 01 04')]));

    const packets = drain(decoder);

    expect(decoder.protocolVersion).toBe(5);
    expect(packets[1]).toEqual({ type: PacketType.DISCONNECT, reasonCode: 4 });
  });

  it('knows the version of a malformed CONNECT, so that it can be answered', () => {
    const decoder = decoderFor();
    decoder.push(hex("10 10 0004'MQTT' 05 03 003c 00{} 0003'dev'"));

    expect(() => decoder.next()).toThrow(MqttError);
    expect(decoder.protocolVersion).toBe(5);
  });

  it('[v3: MQTT-3.1.2-2] tells which protocol level it does not support', () => {
    const decoder = decoderFor();
    decoder.push(hex("10 0c 0004'MQTT' 06 02 003c 0000''"));

    const error = thrownBy(() => decoder.next());

    expect(error).toBeInstanceOf(UnsupportedProtocolError);
    expect((error as UnsupportedProtocolError).level).toBe(6);
  });

  it('gives the packets of one chunk in their order', () => {
    const packets = decodeChunks(4, [hex(`c0 00  30 05 0001't' "hi"  40 02 0007  e0 00`)]);

    expect(packets.map(({ type }) => type)).toEqual([
      PacketType.PINGREQ,
      PacketType.PUBLISH,
      PacketType.PUBACK,
      PacketType.DISCONNECT,
    ]);
  });

  it('gives the packets before a malformed one', () => {
    const decoder = decoderFor(4);
    decoder.push(hex('c0 00 c1 00'));

    expect(decoder.next()).toEqual({ type: PacketType.PINGREQ });
    expect(() => decoder.next()).toThrow(MqttError);
  });

  it('refuses a wrong first byte without waiting for the second', () => {
    const decoder = decoderFor(4);
    decoder.push(hex('c0 00 c1'));
    decoder.next();

    expect(() => decoder.next()).toThrow('reserved flags are set in PINGREQ');
  });

  it('[MQTT-3.3.2-8] leaves a topic alias of 0 to the server, which answers Topic Alias invalid', () => {
    const packets = decodeChunks(5, [hex("30 06 0000'' 03{23 0000}")]);

    expect(packets[0]).toMatchObject({ properties: { topicAlias: 0 } });
  });

  it('[MQTT-1.5.4-3] keeps a byte order mark in a string', () => {
    const packets = decodeChunks(4, [hex('30 06 0004[efbbbf61]')]);

    expect(packets[0]).toMatchObject({ topic: '\ufeffa' });
  });

  it('takes DUP in the PUBREL, SUBSCRIBE and UNSUBSCRIBE of MQTT 3.1, which sends them again', () => {
    const packets = decodeChunks(3, [hex("6a 02 0007  8a 06 0007 0001'f' 00  aa 05 0007 0001'f'")]);

    expect(packets.map(({ type }) => type)).toEqual([PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE]);
  });

  describe('maximumPacketSize', () => {
    const { bytes } = readNotation("30 05 0001't' 6869");

    it('[MQTT-3.2.2-15] takes a packet of exactly that size, fixed header included', () => {
      const decoder = new PacketDecoder({ maximumPacketSize: bytes.length, protocolVersion: 4 });
      decoder.push(bytes);

      expect(drain(decoder)).toHaveLength(1);
    });

    it('[MQTT-3.2.2-15] refuses a larger packet as soon as its header is there', () => {
      const decoder = new PacketDecoder({ maximumPacketSize: bytes.length - 1, protocolVersion: 4 });
      decoder.push(bytes.subarray(0, 2));

      expect(thrownBy(() => decoder.next())).toMatchObject({ reasonCode: ReasonCode.PacketTooLarge });
    });
  });

  describe('ReceivedPublish', () => {
    it('knows where in the chunk its parts are, so that it can be forwarded as it is', () => {
      const chunk = hex(`c0 00  32 0a 0003'a/b' 0007 00{} "hi"  c0 00`);
      const decoder = decoderFor(5);
      decoder.push(chunk);
      decoder.next();

      const packet = decoder.next() as ReceivedPublish;

      expect(packet.bytes).toBe(chunk);
      expect(chunk.subarray(packet.start, packet.end)).toEqual(hex(`32 0a 0003'a/b' 0007 00{} "hi"`));
      expect(chunk.readUInt16BE(packet.packetIdAt)).toBe(7);
      expect(packet.payloadStart).toBe(packet.end - 2);
    });

    it('has a payload that is a view into the chunk', () => {
      const chunk = hex(`30 05 0001't' "hi"`);
      const decoder = decoderFor(4);
      decoder.push(chunk);

      const { payload } = decoder.next() as ReceivedPublish;
      chunk.write('ho', chunk.length - 2);

      expect(payload.toString()).toBe('ho');
    });
  });
});
