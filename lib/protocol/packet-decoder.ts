import { ByteReader } from './byte-reader.js';
import { MqttError } from './mqtt-error.js';
import {
  PacketType,
  packetName,
  type AcknowledgePacket,
  type ConnectPacket,
  type Packet,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
  type SubscriptionRequest,
  type WillFields,
} from './packets.js';
import { WILL, readProperties, type Properties } from './properties.js';
import { ReasonCode, legalReasonCodes } from './reason-codes.js';
import { SeenTopics } from './seen-topics.js';

export interface PacketDecoderOptions {
  /** Bytes of the largest packet, fixed header included (MQTT 5, 3.1.2.11.4). */
  maximumPacketSize: number;
  /** Known from the start on the client's side; absent, the first packet must be a CONNECT, which tells. */
  protocolVersion?: ProtocolVersion;
  /** Shared by the decoders of one broker. */
  seenTopics?: SeenTopics;
}

/**
 * Splits received bytes into packets; one per connection.
 *
 * `push(chunk)`, then `next()` until it gives undefined. Packets are decoded in place: payloads and binary
 * properties are views into the pushed chunk, copy what you keep. Only an unfinished tail is copied, into a buffer
 * that grows with the bytes that really came, whatever length the peer announced.
 * @throws MqttError from `next()`; the decoder is unusable afterwards
 */
export class PacketDecoder {
  maximumPacketSize: number;
  protocolVersion: ProtocolVersion | undefined;
  private readonly seenTopics: SeenTopics;
  private readonly reader = new ByteReader();
  private chunk: Buffer = empty;
  private position = 0;
  /** The unfinished packet at the end of the chunks so far. */
  private tail: Buffer = empty;
  private tailLength = 0;

  constructor(options: PacketDecoderOptions) {
    this.maximumPacketSize = options.maximumPacketSize;
    this.protocolVersion = options.protocolVersion;
    this.seenTopics = options.seenTopics ?? new SeenTopics();
  }

  /** Hands over received bytes; what was pushed before must have been drained by `next()`. */
  push(chunk: Buffer): void {
    this.chunk = chunk;
    this.position = 0;
  }

  /** Bytes pushed and not yet returned as packets. */
  get pendingBytes(): number {
    return this.tailLength + this.chunk.length - this.position;
  }

  /** The next complete packet, or undefined when more bytes are needed. */
  next(): Packet | undefined {
    if (this.tailLength > 0) return this.nextFromTail();
    const { chunk, position } = this;
    if (position >= chunk.length) return this.drained();
    const size = this.packetSize(chunk, position, chunk.length);
    if (size === 0 || position + size > chunk.length) {
      this.keepTail(chunk.length - position, size);
      return this.drained();
    }
    this.position = position + size;
    return this.decode(chunk, position, position + size);
  }

  /** Completes the packet that began in an earlier chunk; only its own bytes are copied out of this one. */
  private nextFromTail(): Packet | undefined {
    while (this.position < this.chunk.length) {
      const size = this.packetSize(this.tail, 0, this.tailLength);
      // A header is completed byte by byte: how far it reaches shows only as it comes.
      const missing = size === 0 ? 1 : size - this.tailLength;
      this.keepTail(Math.min(missing, this.chunk.length - this.position), size);
      const whole = size === 0 ? this.packetSize(this.tail, 0, this.tailLength) : size;
      if (whole !== 0 && this.tailLength === whole) {
        const packet = this.tail;
        this.tail = empty;
        this.tailLength = 0;
        return this.decode(packet, 0, whole);
      }
    }
    return this.drained();
  }

  private drained(): undefined {
    this.chunk = empty;
    this.position = 0;
    return undefined;
  }

  private keepTail(count: number, size: number): void {
    const needed = this.tailLength + count;
    if (needed > this.tail.length) {
      const doubled = Math.max(needed, this.tail.length * 2, smallestTail);
      const grown = Buffer.allocUnsafe(size === 0 ? doubled : Math.max(needed, Math.min(doubled, size)));
      grown.set(this.tail.subarray(0, this.tailLength));
      this.tail = grown;
    }
    this.chunk.copy(this.tail, this.tailLength, this.position, this.position + count);
    this.tailLength = needed;
    this.position += count;
  }

  /** Size of the packet that starts at `at`, header included; 0 when the header is not complete. */
  private packetSize(bytes: Buffer, at: number, end: number): number {
    this.checkFirstByte(bytes[at]);
    let remainingLength = 0;
    for (let index = 1; index <= 4; index++) {
      if (at + index >= end) return 0;
      const byte = bytes[at + index];
      remainingLength |= (byte & 0x7f) << (7 * (index - 1));
      if (byte < 0x80) {
        // [MQTT-1.5.5-1] the shortest encoding
        if (byte === 0 && index > 1) throw malformed('the remaining length is longer than it needs to be', '1.5.5-1');
        const size = 1 + index + remainingLength;
        if (size > this.maximumPacketSize) throw tooLarge(size, this.maximumPacketSize);
        return size;
      }
    }
    throw malformed('the remaining length has more than four bytes', '1.5.5-1');
  }

  /** What one byte can tell is refused at once, without waiting for the rest. */
  private checkFirstByte(first: number): void {
    const type = first >> 4;
    if (this.protocolVersion === undefined && type !== PacketType.CONNECT) {
      throw new MqttError(ReasonCode.ProtocolError, 'the first packet is not a CONNECT', 'MQTT-3.1.0-1');
    }
    if (type === PacketType.PUBLISH) return;
    if (type === 0 || (type === PacketType.AUTH && this.protocolVersion !== 5)) {
      throw malformed(`packet type ${type} does not exist in this version`);
    }
    // [MQTT-2.1.3-1] the reserved flags: 0010 for three packets, 0000 for the others
    const prescribed = flagged.has(type) ? 2 : 0;
    // 3.1: those three are sent again with DUP.
    const mask = prescribed === 2 && this.protocolVersion === 3 ? 0x07 : 0x0f;
    if ((first & mask) !== prescribed) {
      throw malformed(`reserved flags are set in ${packetName(type)}`, '2.1.3-1');
    }
  }

  private decode(bytes: Buffer, start: number, end: number): Packet {
    const first = bytes[start];
    let body = start + 1;
    while (bytes[body] >= 0x80) body++;
    body++;
    if (first >> 4 === PacketType.PUBLISH) return this.decodePublish(first, bytes, start, body, end);
    const reader = this.reader.over(bytes, body, end);
    const packet = this.decodeBody(first >> 4, reader);
    if (reader.remaining > 0) throw malformed(`${packetName(packet.type)} goes on behind its end`);
    return packet;
  }

  private decodeBody(type: number, reader: ByteReader): Packet {
    const version = this.protocolVersion ?? 4;
    switch (type) {
      case PacketType.CONNECT: {
        // Known before the rest is read, so that a malformed CONNECT can be answered in its own version.
        this.protocolVersion = decodeProtocolVersion(reader);
        return decodeConnect(reader, this.protocolVersion);
      }
      case PacketType.CONNACK:
        return decodeConnack(reader, version);
      case PacketType.PUBACK:
      case PacketType.PUBREC:
      case PacketType.PUBREL:
      case PacketType.PUBCOMP:
        return decodeAcknowledge(type, reader, version);
      case PacketType.SUBSCRIBE:
        return decodeSubscribe(reader, version);
      case PacketType.SUBACK:
      case PacketType.UNSUBACK:
        return decodeSuback(type, reader, version);
      case PacketType.UNSUBSCRIBE:
        return decodeUnsubscribe(reader, version);
      case PacketType.DISCONNECT:
      case PacketType.AUTH:
        return { type, ...decodeReason(reader, version, type) };
      default:
        return { type: type as 12 | 13 };
    }
  }

  private decodePublish(first: number, bytes: Buffer, start: number, body: number, end: number): ReceivedPublish {
    const qos = (first >> 1) & 3;
    // [MQTT-3.3.1-4]
    if (qos === 3) throw malformed('a PUBLISH has QoS 3', '3.3.1-4');
    // [MQTT-3.3.1-2]
    if (qos === 0 && (first & 8) !== 0) throw malformed('DUP is set at QoS 0', '3.3.1-2');
    const topicStart = body + 2;
    const topicEnd = topicStart + ((bytes[body] << 8) | bytes[body + 1]);
    let position = qos === 0 ? topicEnd : topicEnd + 2;
    if (topicStart > end || position > end)
      throw malformed('a PUBLISH ends inside its topic name or packet identifier');
    const topic = this.seenTopics.decode(bytes, topicStart, topicEnd);
    let packetId = 0;
    if (qos !== 0) {
      packetId = (bytes[topicEnd] << 8) | bytes[topicEnd + 1];
      if (packetId === 0) throw zeroPacketId('PUBLISH');
    }
    let properties: Properties | undefined;
    if (this.protocolVersion === 5) {
      if (position < end && bytes[position] === 0) position++;
      else {
        const reader = this.reader.over(bytes, position, end);
        properties = readProperties(reader, PacketType.PUBLISH);
        position = reader.position;
      }
    }
    // [MQTT-4.7.3-1] at least one character, but for MQTT 5 with a Topic Alias
    if (topicStart === topicEnd && properties?.topicAlias === undefined) {
      throw this.protocolVersion === 5
        ? new MqttError(ReasonCode.ProtocolError, 'a PUBLISH has neither topic name nor topic alias', 'MQTT-4.7.3-1')
        : malformed('a topic name is empty', '4.7.3-1');
    }
    return new ReceivedPublish(first, topic, packetId, properties, bytes, start, topicEnd, position, end);
  }
}

/** A PUBLISH that still knows the bytes it came in, so that they can be forwarded as they are. */
export class ReceivedPublish implements PublishPacket {
  readonly type = PacketType.PUBLISH;

  constructor(
    private readonly firstByte: number,
    readonly topic: string,
    readonly packetId: number,
    readonly properties: Properties | undefined,
    /** The chunk; the packet is `bytes[start, end)`. */
    readonly bytes: Buffer,
    readonly start: number,
    /** Where the packet identifier stands at QoS 1 and 2. */
    readonly topicEnd: number,
    readonly payloadStart: number,
    readonly end: number,
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

const empty = Buffer.alloc(0);
const smallestTail = 64;
const flagged: ReadonlySet<number> = new Set([PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE]);

function decodeConnect(reader: ByteReader, protocolVersion: ProtocolVersion): ConnectPacket {
  const flags = reader.byte();
  checkConnectFlags(flags, protocolVersion);
  const keepAlive = reader.uint16();
  const properties = protocolVersion === 5 ? readProperties(reader, PacketType.CONNECT) : undefined;
  if (properties?.authenticationData && properties.authenticationMethod === undefined) {
    throw new MqttError(ReasonCode.ProtocolError, 'a CONNECT has authentication data without a method');
  }
  const clientId = reader.string();
  const will = (flags & 0x04) !== 0 ? decodeWill(reader, flags, protocolVersion) : undefined;
  // 3.1: the Remaining Length goes before the flags, a promised user name or password may be missing.
  const isPresent = (flag: number) => (flags & flag) !== 0 && !(protocolVersion === 3 && reader.remaining === 0);
  const username = isPresent(0x80) ? reader.string() : undefined;
  const password = isPresent(0x40) ? reader.binary() : undefined;
  return {
    type: PacketType.CONNECT,
    protocolVersion,
    cleanStart: (flags & 0x02) !== 0,
    keepAlive,
    clientId,
    username,
    password,
    will,
    properties,
  };
}

function decodeProtocolVersion(reader: ByteReader): ProtocolVersion {
  const name = reader.string();
  const level = reader.byte();
  if (name === 'MQTT' && (level === 4 || level === 5)) return level;
  if (name === 'MQIsdp' && level === 3) return level;
  // [MQTT-3.1.2-1] [MQTT-3.1.2-2]
  const known = name === 'MQTT' || name === 'MQIsdp';
  throw new UnsupportedProtocolError(known ? level : undefined);
}

/** The CONNECT names a protocol or a level that is not one of the three; `level` is undefined for a foreign name. */
export class UnsupportedProtocolError extends MqttError {
  constructor(readonly level: number | undefined) {
    super(
      ReasonCode.UnsupportedProtocolVersion,
      level === undefined ? 'the protocol name is not MQTT' : `protocol level ${level} is not supported`,
      level === undefined ? 'MQTT-3.1.2-1' : 'MQTT-3.1.2-2',
    );
  }
}

function checkConnectFlags(flags: number, protocolVersion: ProtocolVersion): void {
  if ((flags & 0x01) !== 0) throw malformed('the reserved flag of CONNECT is set', '3.1.2-3');
  const willQoS = (flags >> 3) & 3;
  if (willQoS === 3) throw malformed('the will has QoS 3', '3.1.2-12');
  if ((flags & 0x04) === 0) {
    if (willQoS !== 0) throw malformed('there is a will QoS without a will', '3.1.2-11');
    if ((flags & 0x20) !== 0) throw malformed('there is a will retain flag without a will', '3.1.2-13');
  }
  // [v3: MQTT-3.1.2-22]
  if (protocolVersion < 5 && (flags & 0xc0) === 0x40) {
    throw malformed('there is a password without a user name', '3.1.2-22');
  }
}

function decodeWill(reader: ByteReader, flags: number, protocolVersion: ProtocolVersion): WillFields {
  const properties = protocolVersion === 5 ? readProperties(reader, WILL) : undefined;
  const topic = reader.string();
  if (topic === '' || topic.includes('+') || topic.includes('#')) {
    throw new MqttError(ReasonCode.TopicNameInvalid, 'the will topic is empty or holds a wildcard', 'MQTT-4.7.0-1');
  }
  const payload = reader.binary();
  return { topic, payload, qos: ((flags >> 3) & 3) as QoS, retain: (flags & 0x20) !== 0, properties };
}

function decodeConnack(reader: ByteReader, version: ProtocolVersion): Packet {
  const flags = reader.byte();
  if (flags > 1) throw malformed('reserved flags are set in CONNACK', '3.2.2-1');
  const reasonCode = reader.byte();
  const properties = version === 5 ? readProperties(reader, PacketType.CONNACK) : undefined;
  return { type: PacketType.CONNACK, sessionPresent: flags === 1, reasonCode, properties };
}

function decodeAcknowledge(type: AcknowledgePacket['type'], reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, type);
  return { type, packetId, ...decodeReason(reader, version, type) };
}

/** The Reason Code and properties at the end of a packet, both of which MQTT 5 lets a sender leave out. */
function decodeReason(
  reader: ByteReader,
  version: ProtocolVersion,
  type: number,
): { reasonCode: number; properties: Properties | undefined } {
  if (version !== 5 || reader.remaining === 0) return { reasonCode: 0, properties: undefined };
  const reasonCode = reader.byte();
  if (!legalReasonCodes[type].has(reasonCode)) {
    throw new MqttError(
      ReasonCode.ProtocolError,
      `${packetName(type)} may not carry the reason code 0x${reasonCode.toString(16)}`,
    );
  }
  return { reasonCode, properties: reader.remaining === 0 ? undefined : readProperties(reader, type) };
}

function decodeSubscribe(reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, PacketType.SUBSCRIBE);
  const properties = version === 5 ? readProperties(reader, PacketType.SUBSCRIBE) : undefined;
  const subscriptions: SubscriptionRequest[] = [];
  while (reader.remaining > 0) subscriptions.push(decodeSubscriptionRequest(reader, version));
  if (subscriptions.length === 0) {
    throw new MqttError(ReasonCode.ProtocolError, 'a SUBSCRIBE has no topic filter', 'MQTT-3.8.3-2');
  }
  return { type: PacketType.SUBSCRIBE, packetId, subscriptions, properties };
}

function decodeSubscriptionRequest(reader: ByteReader, version: ProtocolVersion): SubscriptionRequest {
  const filter = reader.string();
  const options = reader.byte();
  // [MQTT-3.8.3-5]
  if ((options & (version === 5 ? 0xc0 : 0xfc)) !== 0)
    throw malformed('reserved subscription options are set', '3.8.3-5');
  const qos = options & 3;
  const retainHandling = (options >> 4) & 3;
  if (qos === 3) throw new MqttError(ReasonCode.ProtocolError, 'a subscription has QoS 3', 'MQTT-3.8.3-5');
  if (retainHandling === 3) throw new MqttError(ReasonCode.ProtocolError, 'a subscription has retain handling 3');
  return {
    filter,
    qos: qos as QoS,
    noLocal: (options & 0x04) !== 0,
    retainAsPublished: (options & 0x08) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

function decodeSuback(type: 9 | 11, reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, type);
  const properties = version === 5 ? readProperties(reader, type) : undefined;
  return { type, packetId, reasonCodes: [...reader.rest()], properties };
}

function decodeUnsubscribe(reader: ByteReader, version: ProtocolVersion): Packet {
  const packetId = readPacketId(reader, PacketType.UNSUBSCRIBE);
  const properties = version === 5 ? readProperties(reader, PacketType.UNSUBSCRIBE) : undefined;
  const filters: string[] = [];
  while (reader.remaining > 0) filters.push(reader.string());
  if (filters.length === 0) {
    throw new MqttError(ReasonCode.ProtocolError, 'an UNSUBSCRIBE has no topic filter', 'MQTT-3.10.3-2');
  }
  return { type: PacketType.UNSUBSCRIBE, packetId, filters, properties };
}

function readPacketId(reader: ByteReader, type: number): number {
  const packetId = reader.uint16();
  // [MQTT-2.2.1-3]
  if (packetId === 0) throw zeroPacketId(packetName(type));
  return packetId;
}

const malformed = (message: string, rule?: string) =>
  new MqttError(ReasonCode.MalformedPacket, message, rule === undefined ? undefined : `MQTT-${rule}`);

const zeroPacketId = (name: string) =>
  new MqttError(ReasonCode.ProtocolError, `the packet identifier of a ${name} is 0`, 'MQTT-2.2.1-3');

const tooLarge = (size: number, maximum: number) =>
  new MqttError(ReasonCode.PacketTooLarge, `a packet of ${size} bytes; the maximum is ${maximum}`, 'MQTT-3.2.2-15');
