import type { ProtocolVersion } from '../../lib/protocol/packets.js';

/** A point in which our decoder and `mqtt-packet` disagree, and bytes that show it. */
export interface Difference {
  readonly because: string;
  /** The error of the side that refuses. */
  readonly message: RegExp;
  readonly version: ProtocolVersion;
  /** In the notation of `bytes.ts`. */
  readonly notation: string;
}

const row = (because: string, message: RegExp, version: ProtocolVersion, notation: string): Difference => ({
  because,
  message,
  version,
  notation,
});

/** What `mqtt-packet` takes and we refuse: it checks less. */
export const laxerPoints: readonly Difference[] = [
  row('it decodes any bytes as UTF-8', /not well-formed UTF-8/, 4, '30 03 0001[ff]'),
  row('it takes U+0000 in a string', /U\+0000/, 4, '30 03 0001[00]'),
  row('it takes integers longer than they need to be', /longer than it needs to be/, 4, 'c0 80 00'),
  row('it takes packet identifier 0', /packet identifier of a \w+ is 0/, 4, '40 02 0000'),
  row('it takes a will at QoS 3', /the will has QoS 3/, 4, "10 11 0004'MQTT' 04 1e 003c 0000'' 0001'w' 0000[]"),
  row('it does not hold level and name together', /protocol level/, 4, "10 0c 0004'MQTT' 03 02 003c 0000''"),
  row('it takes an UNSUBSCRIBE without a filter', /has no topic filter/, 4, 'a2 02 0007'),
  row('it takes DUP at QoS 0', /DUP is set at QoS 0/, 4, "38 03 0001't'"),
  row('it takes a wildcard in a topic name', /wildcard/, 4, "30 03 0001'#'"),
  row('it takes an empty topic name', /topic name is empty|neither topic name/, 4, "30 02 0000''"),
  row('it skips what is left of a packet', /goes on behind its end/, 4, 'c0 01 00'),
  row('it reads numbers that are not there', /beyond the end of the packet|ends inside/, 4, '40 01 00'),
  row('it takes any byte as a boolean', /can be 0 or 1/, 5, "30 06 0001't' 02{01 02}"),
  row('it takes 0 where none is allowed', /may not be 0/, 5, "82 09 0007 02{0b 00} 0001'f' 00"),
  row('it takes any property in any packet', /may not stand in/, 5, "30 07 0001't' 03{21 0001}"),
  row('it makes a list of a property that stands twice', /stands twice/, 5, "30 08 0001't' 04{01 00 01 01}"),
  row(
    'it takes authentication data without a method',
    /authentication data without a method/,
    5,
    "10 10 0004'MQTT' 05 02 003c 03{16 0000[]} 0000''",
  ),
  row('it takes a password without a user name', /password without/, 4, "10 0e 0004'MQTT' 04 42 003c 0000'' 0000[]"),
];

/** What we take and `mqtt-packet` refuses; the points of version 3 are of no other version. */
export const stricterPoints: readonly Difference[] = [
  row('[MQTT 5, 3.15.2.1] AUTH may leave out Success', /Invalid auth reason code/, 5, 'f0 00'),
  row('[MQTT 3.1, 2.1] PUBREL, SUBSCRIBE and UNSUBSCRIBE may have DUP', /header flag bits/, 3, '6a 02 0007'),
  row(
    '[MQTT 3.1, 3.1] a promised user name or password may be missing',
    /Cannot parse (username|password)/,
    3,
    "10 12 0006'MQIsdp' 03 c2 003c 0004'dev1'",
  ),
  // The broker sends these and never receives them.
  row('reason codes of SUBACK are not checked', /Invalid suback/, 4, '90 03 0007 03'),
  row('reason codes of UNSUBACK are not checked', /Invalid unsuback code/, 5, 'b0 04 0007 00{} 01'),
];
