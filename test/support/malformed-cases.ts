import type { ProtocolVersion } from '../../lib/protocol/packets.js';
import { ReasonCode } from '../../lib/protocol/reason-codes.js';
import { framed } from './bytes.js';
import { packetWith, type Place } from './property-cases.js';

/** Bytes that no decoder may take for a packet, and what the sender is told. */
export interface MalformedCase {
  /** Number in the list of attack cases, where it has one. */
  readonly attack?: string;
  readonly name: string;
  /** Undefined on a connection that has not sent its CONNECT yet. */
  readonly version: ProtocolVersion | undefined;
  /** In the notation of `bytes.ts`. */
  readonly notation: string;
  readonly reasonCode: number;
  /** Normative id that the error names. */
  readonly rule?: string;
}

type Version = MalformedCase['version'];
type Row = readonly [name: string, version: Version, notation: string, reasonCode: number, rule?: string];

const malformed = ReasonCode.MalformedPacket;
const protocolError = ReasonCode.ProtocolError;
const unsupported = ReasonCode.UnsupportedProtocolVersion;
const invalidTopic = ReasonCode.TopicNameInvalid;

const rows = (attack: string | undefined, ...list: Row[]): MalformedCase[] =>
  list.map(([name, version, notation, reasonCode, rule]) => ({
    ...(attack !== undefined && { attack }),
    name,
    version,
    notation,
    reasonCode,
    ...(rule !== undefined && { rule: `MQTT-${rule}` }),
  }));

const connect = (levelAndFlags: string, rest = "0003'dev'") => framed(0x10, `0004'MQTT' ${levelAndFlags} 003c ${rest}`);
const withProperty = (place: Place, property: string): [Version, string] => [5, packetWith(place, property)];
const publishTo = (topic: string): [Version, string] => [4, framed(0x30, topic)];

const longIntegers = rows(
  'A2',
  ['a remaining length of five bytes', 4, 'c0 80 80 80 80 01', malformed, '1.5.5-1'],
  ['a remaining length of five bytes in the CONNECT', undefined, '10 ff ff ff ff 7f', malformed, '1.5.5-1'],
  ['a remaining length that is longer than it needs to be', 4, 'c0 80 00', malformed, '1.5.5-1'],
  ['a property length of five bytes', 5, framed(0x82, "0007 80 80 80 80 01 0001'f' 00"), malformed, '1.5.5-1'],
  ['a property length that is longer than it needs to be', 5, framed(0x30, "0001't' 80 00"), malformed, '1.5.5-1'],
  ['a property identifier of five bytes', ...withProperty('PUBLISH', 'a6 80 80 80 00'), malformed, '1.5.5-1'],
  ['a property identifier of two bytes', ...withProperty('PUBLISH', '81 00 01'), malformed, '1.5.5-1'],
  ['a subscription identifier of five bytes', ...withProperty('SUBSCRIBE', '0b 80 80 80 80 01'), malformed, '1.5.5-1'],
);

const firstPackets = rows(
  'A4',
  ['a PUBLISH before the CONNECT', undefined, "30 03 0001't'", protocolError, '3.1.0-1'],
  ['a PINGREQ before the CONNECT', undefined, 'c0', protocolError, '3.1.0-1'],
  ['a CONNACK before the CONNECT', undefined, '20', protocolError, '3.1.0-1'],
  ['a TLS handshake', undefined, '16 03 01', malformed, '2.1.3-1'],
);

const properties = rows(
  'A6',
  ['a property that does not exist', ...withProperty('PUBLISH', '04 00'), malformed],
  ['a property with the identifier 0', ...withProperty('PUBLISH', '00 00'), malformed],
  ['a property identifier beyond the table', ...withProperty('PUBLISH', 'ff ff ff 7f'), malformed],
  ['a second Subscription Identifier in a SUBSCRIBE', ...withProperty('SUBSCRIBE', '0b 01 0b 02'), protocolError],
  ['a Receive Maximum of 0', ...withProperty('CONNECT', '21 0000'), protocolError],
  ['a Maximum Packet Size of 0', ...withProperty('CONNECT', '27 0000 0000'), protocolError],
  ['a Subscription Identifier of 0', ...withProperty('SUBSCRIBE', '0b 00'), protocolError],
  ['a second Subscription Identifier of 0', ...withProperty('PUBLISH', '0b 01 0b 00'), protocolError],
  ['a Payload Format Indicator of 2', ...withProperty('PUBLISH', '01 02'), protocolError],
  ['a Request Problem Information of 2', ...withProperty('CONNECT', '17 02'), protocolError],
  ['a Maximum QoS of 2', ...withProperty('CONNACK', '24 02'), protocolError],
  ['authentication data without a method', ...withProperty('CONNECT', '16 0001[00]'), protocolError],
);

const strings = rows(
  'A7',
  ['U+0000 in a topic name', ...publishTo("0003'a\0b'"), malformed, '1.5.4-2'],
  ['U+0000 in a client id', undefined, connect('04 02', '0001[00]'), malformed, '1.5.4-2'],
  ['U+0000 in a user name', undefined, connect('04 82', "0003'dev' 0002[6100]"), malformed, '1.5.4-2'],
  ['U+0000 in a topic filter', 4, framed(0x82, '0007 0001[00] 00'), malformed, '1.5.4-2'],
  ['U+0000 in the name of a user property', ...withProperty('PUBLISH', "26 0001[00] 0001'v'"), malformed, '1.5.4-2'],
  ['U+0000 in the value of a user property', ...withProperty('PUBLISH', "26 0001'k' 0001[00]"), malformed, '1.5.4-2'],
  ['a byte that UTF-8 does not have', ...publishTo('0001[ff]'), malformed, '1.5.4-1'],
  ['a lone continuation byte', ...publishTo('0002[6180]'), malformed, '1.5.4-1'],
  ['a UTF-8 sequence that is cut off', ...publishTo('0001[c3]'), malformed, '1.5.4-1'],
  ['an overlong U+0000', ...publishTo('0002[c080]'), malformed, '1.5.4-1'],
  ['an overlong slash', ...publishTo('0002[c0af]'), malformed, '1.5.4-1'],
  ['a high surrogate', ...publishTo('0003[eda080]'), malformed, '1.5.4-1'],
  ['a pair of surrogates', ...publishTo('0006[eda0bdedb880]'), malformed, '1.5.4-1'],
  ['a code point above U+10FFFF', ...publishTo('0004[f4908080]'), malformed, '1.5.4-1'],
  ['ill-formed UTF-8 in a will topic', undefined, connect('04 06', "0003'dev' 0001[ff] 0000[]"), malformed, '1.5.4-1'],
  ['ill-formed UTF-8 in a reason string', ...withProperty('DISCONNECT', '1f 0001[ff]'), malformed, '1.5.4-1'],
);

const flags = rows(
  'A8',
  ...['11', '21', '41', '51', '60', '71', '80', '91', 'a0', 'b1', 'c1', 'd1', 'e1'].map((first): Row => [
    `reserved flags in the first byte ${first}`,
    4,
    first,
    malformed,
    '2.1.3-1',
  ]),
  ['reserved flags in AUTH', 5, 'f1', malformed, '2.1.3-1'],
  ['QoS 3', 4, framed(0x36, "0001't' 0007"), malformed, '3.3.1-4'],
  ['DUP at QoS 0', 4, framed(0x38, "0001't'"), malformed, '3.3.1-2'],
  ['a SUBSCRIBE without a filter', 4, '82 02 0007', protocolError, '3.8.3-2'],
  ['a SUBSCRIBE without a filter', 5, '82 03 0007 00{}', protocolError, '3.8.3-2'],
  ['a SUBSCRIBE without its options byte', 4, "82 05 0007 0001'f'", malformed],
  ['a SUBSCRIBE without its second options byte', 5, "82 0a 0007 00{} 0001'f' 00 0001'g'", malformed],
  ['reserved subscription options', 4, "82 06 0007 0001'f' 04", malformed, '3.8.3-5'],
  ['reserved subscription options', 5, "82 07 0007 00{} 0001'f' 40", malformed, '3.8.3-5'],
  ['a subscription at QoS 3', 5, "82 07 0007 00{} 0001'f' 03", protocolError, '3.8.3-5'],
  ['retain handling 3', 5, "82 07 0007 00{} 0001'f' 30", protocolError],
  ['an UNSUBSCRIBE without a filter', 4, 'a2 02 0007', protocolError, '3.10.3-2'],
);

const connects = rows(
  undefined,
  ['a foreign protocol name', undefined, "10 0c 0004'HTTP' 04 02 003c 0000''", unsupported, '3.1.2-1'],
  ['a protocol name in small letters', undefined, "10 0c 0004'mqtt' 04 02 003c 0000''", unsupported, '3.1.2-1'],
  ['protocol level 6', undefined, connect('06 02'), unsupported, '3.1.2-2'],
  ['protocol level 3 under the new name', undefined, connect('03 02'), unsupported, '3.1.2-2'],
  ['the level of a mosquitto bridge', undefined, connect('84 02'), unsupported, '3.1.2-2'],
  ['the reserved flag of CONNECT', undefined, connect('04 03'), malformed, '3.1.2-3'],
  ['a will QoS without a will', undefined, connect('04 0a'), malformed, '3.1.2-11'],
  ['a will at QoS 3', undefined, connect('04 1e', "0003'dev' 0001'w' 0000[]"), malformed, '3.1.2-12'],
  ['a will retain flag without a will', undefined, connect('04 22'), malformed, '3.1.2-13'],
  ['a password without a user name', undefined, connect('04 42', "0003'dev' 0002'pw'"), malformed, '3.1.2-22'],
  ['a promised user name that is missing', undefined, connect('04 82'), malformed],
  ['bytes behind the client id', undefined, connect('04 02', "0003'dev' 00"), malformed],
  ['a will topic with a wildcard', undefined, connect('04 06', "0003'dev' 0001'#' 0000[]"), invalidTopic, '4.7.0-1'],
  ['an empty will topic', undefined, connect('04 06', "0003'dev' 0000'' 0000[]"), invalidTopic, '4.7.0-1'],
);

const identified = [
  "32 05 0001't' 0000",
  '40 02 0000',
  '50 02 0000',
  '62 02 0000',
  '70 02 0000',
  "82 06 0000 0001'f' 00",
  '90 03 0000 00',
  "a2 05 0000 0001'f'",
  'b0 02 0000',
];

const others = rows(
  undefined,
  ['packet type 0', 4, '00', malformed],
  ['AUTH before version 5', 4, 'f0', malformed],
  ['flags in CONNACK', 4, '20 02 02 00', malformed, '3.2.2-1'],
  ['an empty topic name', ...publishTo("0000''"), malformed, '4.7.3-1'],
  ['neither topic name nor topic alias', 5, "30 03 0000'' 00{}", protocolError, '4.7.3-1'],
  ['a topic name with #', ...publishTo("0003'a/#'"), invalidTopic, '3.3.2-2'],
  ['a topic name with +', ...publishTo("0003'+/b'"), invalidTopic, '3.3.2-2'],
  ['a PINGREQ with a body', 4, 'c0 01 00', malformed],
  ['a PUBACK with a reason before version 5', 4, '40 03 0007 00', malformed],
  ['an UNSUBACK with reasons before version 5', 4, 'b0 03 0007 00', malformed],
  ['a DISCONNECT with a reason before version 5', 4, 'e0 01 00', malformed],
  ['a reason code that PUBACK does not have', 5, '40 03 0007 01', protocolError],
  ['a reason code that PUBREL does not have', 5, '62 03 0007 10', protocolError],
  ['a reason code that DISCONNECT does not have', 5, 'e0 01 86', protocolError],
  ['a reason code that AUTH does not have', 5, 'f0 01 80', protocolError],
  ...identified.map((notation): Row => [`packet identifier 0 in ${notation}`, 4, notation, protocolError, '2.2.1-3']),
);

export const malformedCases: readonly MalformedCase[] = [
  ...longIntegers,
  ...firstPackets,
  ...properties,
  ...strings,
  ...flags,
  ...connects,
  ...others,
];
