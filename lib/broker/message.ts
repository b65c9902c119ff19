import { keptBytes } from '../protocol/kept-bytes.js';
import { encodePacket } from '../protocol/packet-encoder.js';
import type { ReceivedPublish } from '../protocol/received-publish.js';
import { PacketType, type ProtocolVersion, type PublishPacket, type QoS } from '../protocol/packets.js';
import { ownProperties, type Properties } from '../protocol/properties.js';
import type { Client } from './client.js';
import type { Delivery } from './delivery.js';

/** The bytes of a PUBLISH; the first byte and the packet identifier are patched while copying. */
export interface Frame {
  /** The packet is `bytes[start, end)`. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Where the packet identifier stands; 0 when the frame has none (QoS 0). */
  readonly packetIdAt: number;
}

/**
 * One that did not come in like this.
 *
 * A class: of object literals V8 keeps count, and makes those of which many live long in its old space from then on, dead
 * ones included, and young bytes hang on to them. That took a quarter of the messages per CPU-second at QoS 1.
 */
export class OwnFrame implements Frame {
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
 * The bytes that came in are mostly those that go out, whatever the number of subscribers; what has to be encoded (for another
 * version, or with or without packet identifier) is remembered. What came in lies in the chunk that the socket gave: `keep()`
 * copies it out for whoever holds the message longer than that may live.
 */
export class Message {
  /** Names this message where it may be routed twice, and must reach nobody twice. */
  publishId: string | undefined = undefined;
  /** At QoS 2 the tick of the barrier that it came in: before that is kept, nobody may get it. */
  tick = 0;
  /** As it went to its last receiver at QoS 1 or 2. */
  delivery: Delivery | undefined = undefined;
  /** False while it lies in a chunk. */
  private isKept = true;
  /** What came in, where that is what goes out to those of the same version and kind. */
  private received: Frame | undefined = undefined;
  /** What was encoded, by version and kind. */
  private made: (Frame | undefined)[] | undefined = undefined;

  private constructor(
    readonly topic: string,
    readonly qos: QoS,
    readonly retain: boolean,
    public properties: Properties | undefined,
    readonly publisher: Client | undefined,
    /** Undefined where it never is: a number that is no small integer would be an object of its own in each message. */
    private readonly expiry: number | undefined,
    /** The payload is `bytes[payloadStart, payloadEnd)`. */
    private bytes: Buffer,
    private payloadStart: number,
    private payloadEnd: number,
    /** The node that it came from; undefined where it entered. Who stands for other nodes leaves it alone then. */
    readonly fromNode: string | undefined,
  ) {}

  /** A message made on this side: by the application, or a client's will. The payload must not change any more. */
  static of(fields: MessageFields, now: number): Message {
    const { topic, qos, retain, properties, publisher, payload, fromNode } = fields;
    const expiry = expiryOf(properties, now);
    return new Message(topic, qos, retain, properties, publisher, expiry, payload, 0, payload.length, fromNode);
  }

  /**
   * The message of a PUBLISH.
   * @param topic the packet's own, or what it stands for by its alias or behind a mount point
   * @param properties the same of the packet's
   */
  static received(
    packet: ReceivedPublish,
    topic: string,
    properties: Properties | undefined,
    publisher: Client,
    now: number,
  ): Message {
    const { qos, bytes, end, payloadStart, retain } = packet;
    const forwarded = properties === undefined ? undefined : withoutAlias(properties);
    const expiry = expiryOf(forwarded, now);
    const message = new Message(topic, qos, retain, forwarded, publisher, expiry, bytes, payloadStart, end, undefined);
    message.isKept = false;
    if (forwarded === packet.properties && topic === packet.topic) message.received = packet;
    return message;
  }

  /** Milliseconds since the epoch; Infinity without a Message Expiry Interval. */
  get expiresAt(): number {
    return this.expiry ?? Infinity;
  }

  /** A view of the payload, made anew at each call. */
  get payload(): Buffer {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
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
    const { received } = this;
    this.properties = ownProperties(this.properties);
    const from = received?.start ?? this.payloadStart;
    // Copy: a 20-byte view would keep the whole 64 KiB read buffer alive.
    const copy = keptBytes(this.bytes, from, this.payloadEnd);
    this.bytes = copy;
    this.payloadStart -= from;
    this.payloadEnd -= from;
    if (received) {
      const packetIdAt = received.packetIdAt === 0 ? 0 : received.packetIdAt - from;
      this.received = new OwnFrame(copy, 0, this.payloadEnd, packetIdAt);
    }
    return this;
  }

  /** The same for who may change its bytes, or hold on to them as long as it likes: the application. */
  copy(): Message {
    const { topic, qos, retain, publisher, expiry, fromNode } = this;
    const properties = ownProperties(this.properties);
    const payload = Buffer.from(this.payload);
    return new Message(topic, qos, retain, properties, publisher, expiry, payload, 0, payload.length, fromNode);
  }

  /** The frame for every subscriber of that version, with or without a packet identifier. */
  frame(version: ProtocolVersion, isIdentified: boolean): Frame {
    const { received } = this;
    if (
      received !== undefined &&
      isIdentified === this.qos > 0 &&
      (version === 5) === (this.publisher!.protocolVersion === 5)
    ) {
      return received;
    }
    const kind = (version === 5 ? 2 : 0) + (isIdentified ? 1 : 0);
    this.made ??= [undefined, undefined, undefined, undefined];
    return (this.made[kind] ??= this.encode(version, isIdentified, version === 5 ? this.properties : undefined));
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

  /** Gives back the frames that were made of it: they are made anew when asked for. For who holds many messages. */
  forgetFrames(): void {
    this.made = undefined;
  }

  private encode(
    version: ProtocolVersion,
    isIdentified: boolean,
    properties: Properties | undefined,
    topic = this.topic,
  ): Frame {
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
    return new OwnFrame(bytes, 0, bytes.length, packetIdAt);
  }
}

/** Milliseconds since the epoch. */
function expiryOf(properties: Properties | undefined, receivedAt: number): number | undefined {
  const interval = properties?.messageExpiryInterval;
  // An interval of 0 is for who is there at this moment.
  return interval === undefined ? undefined : receivedAt + (interval * 1000 || 1);
}

/** Objects and headers of a message that is held: an estimate, so that many empty messages count too. */
export const messageOverhead = 256;

/** [MQTT-3.3.2-7] an alias ends with its connection; all else is forwarded unaltered. */
function withoutAlias(properties: Properties): Properties | undefined {
  if (properties.topicAlias === undefined) return properties;
  const { topicAlias: _, ...forwarded } = properties;
  return Object.keys(forwarded).length === 0 ? undefined : forwarded;
}

/** Strings and pairs of properties in memory, roughly. */
function propertiesSize({ userProperties = [], contentType, responseTopic, correlationData }: Properties): number {
  let size = (contentType?.length ?? 0) + (responseTopic?.length ?? 0) + (correlationData?.length ?? 0);
  for (const [name, value] of userProperties) size += pairOverhead + name.length + value.length;
  return size;
}

const pairOverhead = 128;
