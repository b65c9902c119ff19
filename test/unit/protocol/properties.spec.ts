import { describe, expect, it } from '@jest/globals';
import { ByteReader } from '../../../lib/protocol/byte-reader.js';
import { ByteWriter } from '../../../lib/protocol/byte-writer.js';
import { MqttError } from '../../../lib/protocol/mqtt-error.js';
import { PacketType } from '../../../lib/protocol/packets.js';
import { propertyTable, readProperties, writeProperties } from '../../../lib/protocol/properties.js';
import { ReasonCode } from '../../../lib/protocol/reason-codes.js';
import { hex, propertyBlock } from '../../support/bytes.js';
import { thrownBy } from '../../support/decoding.js';
import { placeNames, places, propertyCases, type Place } from '../../support/property-cases.js';

const readerOver = (bytes: Buffer) => new ByteReader().over(bytes, 0, bytes.length);
const read = (place: Place, properties: string) =>
  readProperties(readerOver(hex(propertyBlock(properties))), places[place].type);

/** Counts what is read: work, and not time. */
class CountingReader extends ByteReader {
  strings = 0;

  override string(): string {
    this.strings++;
    return super.string();
  }
}

describe('propertyTable', () => {
  it('has the 27 properties of MQTT 5', () => {
    expect(propertyTable.map(({ name }) => name)).toEqual(propertyCases.map(({ name }) => name));
    expect(propertyTable).toHaveLength(27);
  });
});

describe('readProperties', () => {
  const combinations = placeNames.flatMap((place) =>
    propertyCases.map((property) => ({ place, ...property, allowed: property.places.includes(place) })),
  );

  it.each(combinations.filter(({ allowed }) => allowed))(
    'reads $name in $place',
    ({ place, hex: bytes, properties }) => {
      expect(read(place, bytes)).toEqual(properties);
    },
  );

  it.each(combinations.filter(({ allowed }) => !allowed))('[A6] refuses $name in $place', ({ place, hex: bytes }) => {
    const error = thrownBy(() => read(place, bytes));

    expect(error).toBeInstanceOf(MqttError);
    expect(error).toMatchObject({ reasonCode: ReasonCode.ProtocolError });
  });

  const single = combinations.filter(
    ({ name, place, allowed }) =>
      allowed && name !== 'userProperties' && !(name === 'subscriptionIdentifiers' && place === 'PUBLISH'),
  );
  it.each(single)('[A6] refuses $name twice in $place', ({ place, hex: bytes }) => {
    const error = thrownBy(() => read(place, `${bytes} ${bytes}`));

    expect(error).toBeInstanceOf(MqttError);
    expect(error).toMatchObject({ reasonCode: ReasonCode.ProtocolError });
  });

  it('reads several Subscription Identifiers in a PUBLISH', () => {
    expect(read('PUBLISH', '0b 01 0b 80 01 0b 01')).toEqual({ subscriptionIdentifiers: [1, 128, 1] });
  });

  it('[MQTT-3.3.2-18] keeps user properties in their order, other properties between them', () => {
    expect(read('PUBLISH', "26 0001'b' 0001'1' 01 00 26 0001'a' 0001'2' 26 0001'b' 0001'3'")).toEqual({
      payloadFormatIndicator: 0,
      userProperties: [
        ['b', '1'],
        ['a', '2'],
        ['b', '3'],
      ],
    });
  });

  it('gives undefined for a property length of 0', () => {
    expect(read('PUBLISH', '')).toBeUndefined();
  });

  it('leaves the reader behind the properties and ending where it ended', () => {
    const reader = readerOver(hex("02{01 01} 0001'x'"));

    readProperties(reader, PacketType.PUBLISH);

    expect(reader.string()).toBe('x');
  });

  it('[A5] refuses a property that goes on behind the property length, though the packet has the bytes', () => {
    const reader = readerOver(hex('02 02 00 00 00 00 00 00'));

    expect(thrownBy(() => readProperties(reader, PacketType.PUBLISH))).toMatchObject({
      reasonCode: ReasonCode.MalformedPacket,
    });
  });

  it('[A9] reads 10,000 user properties once each', () => {
    const count = 10_000;
    const pairs = Buffer.concat(Array.from({ length: count }, () => hex("26 0001'k' 0001'v'")));
    const bytes = Buffer.concat([hex('f0 a2 04'), pairs]);
    const reader = new CountingReader().over(bytes, 0, bytes.length);

    const properties = readProperties(reader, PacketType.PUBLISH);

    expect(properties?.userProperties).toHaveLength(count);
    expect(reader.strings).toBe(2 * count);
  });
});

describe('writeProperties', () => {
  it.each(propertyCases)('writes $name', ({ hex: bytes, properties }) => {
    const writer = new ByteWriter().begin();

    writeProperties(writer, properties);

    expect(writer.body()).toEqual(hex(propertyBlock(bytes)));
  });

  it('writes a property length of two bytes, shifting what is behind it', () => {
    const writer = new ByteWriter().begin().byte(0xaa);

    writeProperties(writer, { reasonString: 'x'.repeat(197) });

    expect(writer.body()).toEqual(Buffer.concat([hex('aa c8 01 1f 00 c5'), Buffer.from('x'.repeat(197))]));
  });
});
