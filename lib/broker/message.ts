import { encodePacket } from '../protocol/packet-encoder.js';
import type { ReceivedPublish } from '../protocol/received-publish.js';
import { PacketType, type ProtocolVersion, type PublishPacket, type QoS } from '../protocol/packets.js';
import type { Properties } from '../protocol/properties.js';
import type { Client } from './client.js';
import { copyBytes } from './copy-bytes.js';
import type { Delivery } from './deliveries.js';

/**
 * The bytes of a PUBLISH; the first byte and the packet identifier are patched while copying.
 *
 * A class: of object literals V8 keeps count, and makes those of which many live long in its old space from then on, dead
 * ones included, and young bytes hang on to them. That took a quarter of the messages per CPU-second at QoS 1.
 */
export class Frame {
  /**
   * @param bytes the packet is `bytes[start, end)`
   * @param packetIdAt where the packet identifier stands; 0 when the frame has none (QoS 0)
   */
  constructor(
    readonly bytes: Buffer,
    readonly start: number,
    readonly end: number,
    readonly packetIdAt: number,
  ) {}
}

export interface MessageFields {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Those that go to subscribers (MQTT 5, 3.3.2.3). */
  readonly properties?: Properties | undefined;
  /** Absent when the application itself publishes. */
  readonly publisher?: Client | undefined;
  /** The node that it came from; absent where it entered. */
  readonly fromNode?: string | undefined;
}

/**
 * A published application message on its way through the broker.
 *
 * It remembers its encoded frames, one for each of (version 5 or not) x (with packet identifier or not), whatever the
 * number of subscribers. Where the bytes that came in are already such a frame, they are it. They lie in the chunk
 * that the socket gave: `keep()` copies them out for whoever holds the message longer than the tick.
 */
export class Message {
  /** Milliseconds since the epoch; Infinity without a Message Expiry Interval. */
  readonly expiresAt: number;
  /** Names this message where it may be routed twice, and must reach nobody twice. */
  publishId: string | undefined = undefined;
  /** As it went to its last receiver at QoS 1 or 2. */
  delivery: Delivery | undefined = undefined;
  private payloadBytes: Buffer;
  private payloadStart: number;
  private payloadEnd: number;
  private isKept: boolean;
  private received: Frame | undefined;
  private plain: Frame | undefined;
  private identified: Frame | undefined;
  private plain5: Frame | undefined;
  private identified5: Frame | undefined;

  private constructor(
    readonly topic: string,
    readonly qos: QoS,
    readonly retain: boolean,
    public properties: Properties | undefined,
    readonly publisher: Client | undefined,
    receivedAt: number,
    bytes: Buffer,
    start: number,
    end: number,
    isKept: boolean,
    /** The node that it came from; undefined where it entered. Who stands for other nodes leaves it alone then. */
    readonly fromNode: string | undefined,
  ) {
    this.payloadBytes = bytes;
    this.payloadStart = start;
    this.payloadEnd = end;
    this.isKept = isKept;
    const expiry = properties?.messageExpiryInterval;
    // An interval of 0 is for who is there at this moment.
    this.expiresAt = expiry === undefined ? Infinity : receivedAt + (expiry * 1000 || 1);
  }

  /** A message made on this side: by the application, or a client's will. The payload must not change any more. */
  static of(fields: MessageFields, now: number): Message {
    const { topic, qos, retain, properties, publisher, payload, fromNode } = fields;
    return new Message(topic, qos, retain, properties, publisher, now, payload, 0, payload.length, true, fromNode);
  }

  /**
   * The message of a PUBLISH; `topic` is the packet's own or what its alias stands for.
   * @param mountPoint stands in front of the publisher's topics
   */
  static received(packet: ReceivedPublish, topic: string, publisher: Client, now: number, mountPoint: string): Message {
    const { qos, bytes, start, end, topicEnd, payloadStart, retain } = packet;
    const properties = mountPoint === '' ? packet.properties : mounted(packet.properties, mountPoint);
    const forwarded = properties === undefined ? undefined : withoutAlias(properties);
    const from = undefined;
    const message = new Message(topic, qos, retain, forwarded, publisher, now, bytes, payloadStart, end, false, from);
    if (forwarded === packet.properties && mountPoint === '')
      message.receive(new Frame(bytes, start, end, qos === 0 ? 0 : topicEnd));
    return message;
  }

  /** A view of the payload, made anew at each call. */
  get payload(): Buffer {
    return this.payloadBytes.subarray(this.payloadStart, this.payloadEnd);
  }

  get hasPayload(): boolean {
    return this.payloadEnd > this.payloadStart;
  }

  /** Bytes that holding this message takes, roughly. */
  get size(): number {
    const bytes = this.received ? this.received.end - this.received.start : this.payloadEnd - this.payloadStart;
    return bytes + this.topic.length + messageOverhead + (this.properties ? propertiesSize(this.properties) : 0);
  }

  isExpired(now: number): boolean {
    return this.expiresAt <= now;
  }

  /** Copies what was received out of its chunk, once. */
  keep(): this {
    if (this.isKept) return this;
    this.isKept = true;
    const { received, properties } = this;
    if (properties?.correlationData) {
      this.properties = { ...properties, correlationData: Buffer.from(properties.correlationData) };
    }
    const from = received?.start ?? this.payloadStart;
    // Copy: a 20-byte view would keep the whole 64 KiB read buffer alive.
    const copy = Buffer.allocUnsafe(this.payloadEnd - from);
    copyBytes(this.payloadBytes, copy, 0, from, this.payloadEnd);
    this.payloadBytes = copy;
    this.payloadStart -= from;
    this.payloadEnd -= from;
    if (received) {
      const packetIdAt = received.packetIdAt === 0 ? 0 : received.packetIdAt - from;
      this.receive(new Frame(this.payloadBytes, 0, this.payloadEnd, packetIdAt));
    }
    return this;
  }

  /** The frame for every subscriber of that version, with or without a packet identifier. */
  frame(version: ProtocolVersion, isIdentified: boolean): Frame {
    if (version === 5) {
      if (isIdentified) return (this.identified5 ??= this.encode(5, true, this.properties));
      return (this.plain5 ??= this.encode(5, false, this.properties));
    }
    if (isIdentified) return (this.identified ??= this.encode(4, true, undefined));
    return (this.plain ??= this.encode(4, false, undefined));
  }

  /**
   * A frame for one subscriber.
   * @param topic as it sees it; empty where an alias stands for it
   * @param own MQTT 5: what differs from other subscribers' properties
   */
  ownFrame(version: ProtocolVersion, isIdentified: boolean, topic: string, own: Properties, now: number): Frame {
    const { expiresAt } = this;
    if (version < 5) return this.encode(4, isIdentified, undefined, topic);
    // [MQTT-3.3.2-6] the received value minus the time spent here
    const expiry =
      expiresAt === Infinity ? undefined : { messageExpiryInterval: Math.max(0, Math.ceil((expiresAt - now) / 1000)) };
    return this.encode(5, isIdentified, { ...this.properties, ...expiry, ...own }, topic);
  }

  /** What came in is what goes out: the received bytes are the frame of their own version and kind. */
  private receive(frame: Frame): void {
    this.received = frame;
    if (this.publisher?.protocolVersion === 5) {
      if (this.qos > 0) this.identified5 = frame;
      else this.plain5 = frame;
    } else if (this.qos > 0) this.identified = frame;
    else this.plain = frame;
  }

  /** Gives back the frames that were made of it: they are made anew when asked for. For who holds many messages. */
  forgetFrames(): void {
    this.plain = this.identified = this.plain5 = this.identified5 = undefined;
    if (this.received) this.receive(this.received);
  }

  private encode(version: 4 | 5, isIdentified: boolean, properties: Properties | undefined, topic = this.topic): Frame {
    const qos = isIdentified ? 1 : 0;
    const { payload } = this;
    const packet: PublishPacket = {
      type: PacketType.PUBLISH,
      dup: false,
      qos,
      retain: false,
      topic,
      packetId: 0,
      payload,
      properties,
    };
    const bytes = encodePacket(packet, version);
    let packetIdAt = 0;
    if (isIdentified) {
      let body = 1;
      while (bytes[body] >= 0x80) body++;
      packetIdAt = body + 3 + ((bytes[body + 1] << 8) | bytes[body + 2]);
    }
    return new Frame(bytes, 0, bytes.length, packetIdAt);
  }
}

/** Objects and headers of a message that is held: an estimate, so that many empty messages count too. */
const messageOverhead = 256;

/** [MQTT-3.3.2-7] an alias ends with its connection; all else is forwarded unaltered. */
function withoutAlias(properties: Properties): Properties | undefined {
  if (properties.topicAlias === undefined) return properties;
  const { topicAlias: _, ...forwarded } = properties;
  return Object.keys(forwarded).length === 0 ? undefined : forwarded;
}

const mounted = (properties: Properties | undefined, mountPoint: string): Properties | undefined =>
  properties?.responseTopic === undefined
    ? properties
    : { ...properties, responseTopic: mountPoint + properties.responseTopic };

/** Strings and pairs of properties in memory, roughly. */
function propertiesSize({ userProperties = [], contentType, responseTopic, correlationData }: Properties): number {
  let size = (contentType?.length ?? 0) + (responseTopic?.length ?? 0) + (correlationData?.length ?? 0);
  for (const [name, value] of userProperties) size += pairOverhead + name.length + value.length;
  return size;
}

const pairOverhead = 128;
