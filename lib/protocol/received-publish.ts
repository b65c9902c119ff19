import type { ByteReader } from './byte-reader.js';
import { MqttError, malformed, zeroPacketId } from './mqtt-error.js';
import { PacketType, type ProtocolVersion, type PublishPacket, type QoS } from './packets.js';
import { readProperties, type Properties } from './properties.js';
import { ReasonCode } from './reason-codes.js';
import type { SeenTopics } from './seen-topics.js';

/** A PUBLISH that still knows the bytes it came in, so that they can be forwarded as they are. */
export class ReceivedPublish implements PublishPacket {
  readonly type = PacketType.PUBLISH;

  constructor(
    private readonly firstByte: number,
    readonly topic: string,
    /** 0: not known. */
    readonly topicHash: number,
    readonly packetId: number,
    readonly properties: Properties | undefined,
    /** The chunk; the packet is `bytes[start, end)`. */
    readonly bytes: Buffer,
    readonly start: number,
    readonly end: number,
    /** Where the packet identifier stands; 0 at QoS 0. */
    readonly packetIdAt: number,
    readonly payloadStart: number,
  ) {}

  get dup(): boolean {
    return (this.firstByte & 8) !== 0;
  }

  get qos(): QoS {
    return ((this.firstByte >> 1) & 3) as QoS;
  }

  get retain(): boolean {
    return (this.firstByte & 1) !== 0;
  }

  /** A view, made anew at each call. */
  get payload(): Buffer {
    return this.bytes.subarray(this.payloadStart, this.end);
  }
}

/**
 * The PUBLISH in `bytes[start, end)`, whose variable header begins at `body`.
 * @throws MqttError MalformedPacket | ProtocolError | TopicNameInvalid
 */
export function decodePublish(
  bytes: Buffer,
  start: number,
  body: number,
  end: number,
  version: ProtocolVersion | undefined,
  { reader, seenTopics }: { readonly reader: ByteReader; readonly seenTopics: SeenTopics },
): ReceivedPublish {
  const first = bytes[start];
  const qos = (first >> 1) & 3;
  // [MQTT-3.3.1-4]
  if (qos === 3) throw malformed('a PUBLISH has QoS 3', '3.3.1-4');
  // [MQTT-3.3.1-2]
  if (qos === 0 && (first & 8) !== 0) throw malformed('DUP is set at QoS 0', '3.3.1-2');
  const topicStart = body + 2;
  const topicEnd = topicStart + ((bytes[body] << 8) | bytes[body + 1]);
  let position = qos === 0 ? topicEnd : topicEnd + 2;
  if (topicStart > end || position > end) throw malformed('a PUBLISH ends inside its topic name or packet identifier');
  const topic = seenTopics.decode(bytes, topicStart, topicEnd);
  const topicHash = seenTopics.lastHash;
  let packetId = 0;
  if (qos !== 0) {
    packetId = (bytes[topicEnd] << 8) | bytes[topicEnd + 1];
    if (packetId === 0) throw zeroPacketId('PUBLISH');
  }
  let properties: Properties | undefined;
  if (version === 5) {
    if (position < end && bytes[position] === 0) position++;
    else {
      reader.over(bytes, position, end);
      properties = readProperties(reader, PacketType.PUBLISH);
      position = reader.position;
    }
  }
  // [MQTT-4.7.3-1] at least one character, but for MQTT 5 with a Topic Alias
  if (topicStart === topicEnd && properties?.topicAlias === undefined) {
    throw version === 5
      ? new MqttError(ReasonCode.ProtocolError, 'a PUBLISH has neither topic name nor topic alias', 'MQTT-4.7.3-1')
      : malformed('a topic name is empty', '4.7.3-1');
  }
  const packetIdAt = qos === 0 ? 0 : topicEnd;
  return new ReceivedPublish(first, topic, topicHash, packetId, properties, bytes, start, end, packetIdAt, position);
}
