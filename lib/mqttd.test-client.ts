import type { Duplex } from 'node:stream';
import { encodePayload } from './mqttd.payload.js';
import type { MQTTdPublishOptions } from './mqttd.publisher.js';
import { PacketDecoder } from './protocol/packet-decoder.js';
import { encodePacket } from './protocol/packet-encoder.js';
import {
  PacketType,
  type AcknowledgePacket,
  type ConnackPacket,
  type DisconnectPacket,
  type Packet,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
  type SubackPacket,
  type UnsubackPacket,
} from './protocol/packets.js';
import type { Properties } from './protocol/properties.js';

/** How a test's client connects. */
export interface MQTTdTestConnectOptions {
  /** Default empty: the broker assigns one. */
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string | Buffer;
  /** Default 5. */
  readonly version?: ProtocolVersion;
  /** Default true. */
  readonly cleanStart?: boolean;
  /** Seconds. Default 0: off. */
  readonly keepAlive?: number;
  /** Of the CONNECT, such as `sessionExpiryInterval` (MQTT 5). */
  readonly properties?: Properties;
  readonly will?: { readonly topic: string; readonly payload: unknown; readonly qos?: QoS; readonly retain?: boolean };
}

/** What the broker has answered. */
export interface MQTTdTestAnswer {
  /** 0 where the version has none. */
  readonly reasonCode: number;
  readonly reasonString: string | undefined;
}

/** A message that a test's client has received. */
export interface MQTTdTestMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** The payload as UTF-8. */
  readonly text: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: Properties;
}

/**
 * A device of a test: connects without a port, acknowledges what it gets, and tells what it is told.
 *
 * Every wait fails after `timeoutMs` with what had come by then, so that a test says what is wrong.
 */
export class MQTTdTestClient {
  /** Everything received so far. */
  readonly messages: MQTTdTestMessage[] = [];
  /** Whether the broker had a session for it. */
  sessionPresent = false;
  /** Assigned by the broker where it had none. */
  clientId = '';
  private readonly decoder: PacketDecoder;
  private readonly answers: Packet[] = [];
  private taken = 0;
  private packetId = 0;
  private isClosed = false;
  private readonly wakers = new Set<() => void>();

  private constructor(
    private readonly stream: Duplex,
    private readonly version: ProtocolVersion,
    private readonly timeoutMs: number,
  ) {
    this.decoder = new PacketDecoder({ maximumPacketSize: 0x1000_0000, protocolVersion: version });
    stream.on('data', (chunk: Buffer) => this.onData(chunk));
    for (const event of ['end', 'close', 'error']) {
      stream.on(event, () => {
        this.isClosed = true;
        this.wake();
      });
    }
  }

  /** @throws MQTTdRefusedError when the CONNACK says no */
  static async connect(stream: Duplex, options: MQTTdTestConnectOptions, timeoutMs: number): Promise<MQTTdTestClient> {
    const {
      version = 5,
      clientId = '',
      cleanStart = true,
      keepAlive = 0,
      username,
      password,
      properties,
      will,
    } = options;
    const client = new MQTTdTestClient(stream, version, timeoutMs);
    client.send({
      type: PacketType.CONNECT,
      protocolVersion: version,
      clientId,
      cleanStart,
      keepAlive,
      username,
      password: typeof password === 'string' ? Buffer.from(password) : password,
      properties,
      will: will && { qos: 0, retain: false, ...will, payload: encodePayload(will.payload) },
    });
    const connack = (await client.answer(PacketType.CONNACK)) as ConnackPacket;
    if (connack.reasonCode !== 0) throw new MQTTdRefusedError(answerOf(connack));
    client.sessionPresent = connack.sessionPresent;
    client.clientId = connack.properties?.assignedClientIdentifier ?? clientId;
    return client;
  }

  /**
   * Publishes; resolves with the PUBACK or PUBREC, at QoS 0 when the broker has handled the message.
   * @param payload as for `MQTTdPublisher.publish`
   */
  async publish(topic: string, payload: unknown = '', options: MQTTdPublishOptions = {}): Promise<MQTTdTestAnswer> {
    const { qos = 0, retain = false, ...given } = options;
    const properties = this.version === 5 ? given : undefined;
    const packetId = qos === 0 ? 0 : this.nextId();
    const bytes = encodePayload(payload);
    this.send({ type: PacketType.PUBLISH, topic, payload: bytes, qos, retain, dup: false, packetId, properties });
    if (qos === 0) {
      await this.settled();
      return { reasonCode: 0, reasonString: undefined };
    }
    const answer = (await this.answer(
      qos === 1 ? PacketType.PUBACK : PacketType.PUBREC,
      packetId,
    )) as AcknowledgePacket;
    if (qos === 2 && answer.reasonCode < 0x80) {
      this.acknowledge(PacketType.PUBREL, packetId);
      await this.answer(PacketType.PUBCOMP, packetId);
    }
    return answerOf(answer);
  }

  /** Resolves with the Reason Code for each filter: the granted QoS, or 0x80 and above. */
  async subscribe(filters: string | readonly string[], { qos = 0 }: { readonly qos?: QoS } = {}): Promise<number[]> {
    const packetId = this.nextId();
    const options = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = [filters].flat().map((filter: string) => ({ filter, ...options }));
    this.send({ type: PacketType.SUBSCRIBE, packetId, subscriptions });
    return [...((await this.answer(PacketType.SUBACK, packetId)) as SubackPacket).reasonCodes];
  }

  /** Resolves with the Reason Code for each filter; none where the version has none. */
  async unsubscribe(filters: string | readonly string[]): Promise<number[]> {
    const packetId = this.nextId();
    this.send({ type: PacketType.UNSUBSCRIBE, packetId, filters: [filters].flat() });
    return [...((await this.answer(PacketType.UNSUBACK, packetId)) as UnsubackPacket).reasonCodes];
  }

  /** The next message that no `next` has given yet. */
  async next(): Promise<MQTTdTestMessage> {
    await this.until(() => this.messages.length > this.taken, 'a message');
    return this.messages[this.taken++];
  }

  /** Resolves when the broker has handled all that was sent: what it has sent by then is in `messages`. */
  async settled(): Promise<void> {
    this.send({ type: PacketType.PINGREQ });
    await this.answer(PacketType.PINGRESP);
  }

  /** Resolves when the broker has closed the connection, with the Reason Code of its DISCONNECT if it gave one. */
  async closed(): Promise<number | undefined> {
    await this.until(() => this.isClosed, 'the end of the connection');
    const last = this.answers.find(({ type }) => type === PacketType.DISCONNECT) as DisconnectPacket | undefined;
    return last?.reasonCode;
  }

  /** Leaves; with 0x04 its will is published. */
  async disconnect(reasonCode = 0): Promise<void> {
    this.send({ type: PacketType.DISCONNECT, reasonCode });
    await this.closed();
  }

  /** Breaks the connection, as a power cut does. */
  drop(): void {
    this.stream.destroy();
  }

  private onData(chunk: Buffer): void {
    this.decoder.push(Buffer.from(chunk));
    for (let packet = this.decoder.next(); packet; packet = this.decoder.next()) this.onPacket(packet);
    this.wake();
  }

  private onPacket(packet: Packet): void {
    if (packet.type === PacketType.PUBLISH) {
      this.messages.push(messageOf(packet));
      if (packet.qos === 1) this.acknowledge(PacketType.PUBACK, packet.packetId);
      if (packet.qos === 2) this.acknowledge(PacketType.PUBREC, packet.packetId);
    } else if (packet.type === PacketType.PUBREL) this.acknowledge(PacketType.PUBCOMP, packet.packetId);
    else this.answers.push(packet);
  }

  private send(packet: Packet): void {
    if (!this.isClosed) this.stream.write(encodePacket(packet, this.version));
  }

  private acknowledge(type: 4 | 5 | 6 | 7, packetId: number): void {
    this.send({ type, packetId, reasonCode: 0 });
  }

  private nextId(): number {
    return (this.packetId = (this.packetId % 65_535) + 1);
  }

  private async answer(type: number, packetId?: number): Promise<Packet> {
    const isMeant = (packet: Packet): boolean =>
      packet.type === type && (packetId === undefined || ('packetId' in packet && packet.packetId === packetId));
    await this.until(() => this.answers.some(isMeant), 'an answer');
    const [found] = this.answers.splice(this.answers.findIndex(isMeant), 1);
    return found;
  }

  private async until(isSo: () => boolean, wanted: string): Promise<void> {
    const deadline = performance.now() + this.timeoutMs;
    while (!isSo()) {
      if (this.isClosed) throw new Error(`${wanted} was awaited, and the connection ended; ${this.soFar()}`);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`${wanted} was awaited for ${this.timeoutMs} ms; ${this.soFar()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wakers.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  private soFar(): string {
    return `it has got ${this.messages.map(({ topic }) => JSON.stringify(topic)).join(', ') || 'no message'}`;
  }

  private wake(): void {
    for (const waker of this.wakers) waker();
    this.wakers.clear();
  }
}

/** The CONNACK says no. */
export class MQTTdRefusedError extends Error {
  override readonly name = 'MQTTdRefusedError';
  /** Of MQTT 5, or the return code of 3.1.1 and 3.1. */
  readonly reasonCode: number;
  readonly reasonString: string | undefined;

  constructor({ reasonCode, reasonString }: MQTTdTestAnswer) {
    super(
      `the client was refused: 0x${reasonCode.toString(16)}${reasonString === undefined ? '' : `, ${reasonString}`}`,
    );
    this.reasonCode = reasonCode;
    this.reasonString = reasonString;
  }
}

const answerOf = ({ reasonCode, properties }: ConnackPacket | AcknowledgePacket): MQTTdTestAnswer => ({
  reasonCode,
  reasonString: properties?.reasonString,
});

const messageOf = ({ topic, payload, qos, retain, properties = {} }: PublishPacket): MQTTdTestMessage => ({
  topic,
  payload,
  text: payload.toString(),
  qos,
  retain,
  properties,
});
