import type { Duplex } from 'node:stream';
import { expect } from '@jest/globals';
import { PacketDecoder } from '../../lib/protocol/packet-decoder.js';
import { encodePacket } from '../../lib/protocol/packet-encoder.js';
import {
  PacketType,
  type ConnackPacket,
  type ConnectPacket,
  type Packet,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
  type SubackPacket,
  type SubscriptionRequest,
} from '../../lib/protocol/packets.js';
import type { Properties } from '../../lib/protocol/properties.js';

/** What `connect` sends unless told otherwise. */
export type ConnectOptions = Partial<Omit<ConnectPacket, 'type' | 'protocolVersion'>>;
/** A filter alone, or with options. */
export type Requested = string | (Partial<SubscriptionRequest> & { filter: string });
export type PublishOptions = Partial<Omit<PublishPacket, 'type' | 'payload'>> & { payload?: string | Buffer };

/**
 * A client that does only what it is told: sends packets or bytes, and waits for packets or bytes.
 *
 * Nothing is answered by itself, so a test sees every packet. Each wait fails after `timeoutMs`, naming what came.
 */
export class WireClient {
  private readonly decoder: PacketDecoder;
  private readonly packets: { packet: Packet; bytes: Buffer }[] = [];
  private unread: Buffer = Buffer.alloc(0);
  private isClosed = false;
  private wake: (() => void) | undefined;
  private nextPacketId = 1;

  constructor(
    readonly stream: Duplex,
    readonly version: ProtocolVersion = 5,
    private readonly timeoutMs = 4000,
  ) {
    this.decoder = new PacketDecoder({ maximumPacketSize: 0x1000_0000, protocolVersion: version });
    stream.on('data', (chunk: Buffer) => this.onData(chunk));
    for (const event of ['end', 'close', 'error']) {
      stream.on(event, () => {
        this.isClosed = true;
        this.wake?.();
      });
    }
  }

  /** Sends a packet, bytes, or bytes written as hex (blanks do not count). */
  send(what: Packet | Buffer | string): this {
    if (typeof what === 'string') this.stream.write(Buffer.from(what.replaceAll(/\s/g, ''), 'hex'));
    else this.stream.write(Buffer.isBuffer(what) ? what : encodePacket(what, this.version));
    return this;
  }

  /** Sends CONNECT and gives the CONNACK. */
  async connect(options: ConnectOptions = {}): Promise<ConnackPacket> {
    this.sendConnect(options);
    return (await this.next()) as ConnackPacket;
  }

  sendConnect(options: ConnectOptions = {}): this {
    const defaults = { type: PacketType.CONNECT, cleanStart: true, keepAlive: 0, clientId: '' } as const;
    return this.send({ ...defaults, ...options, protocolVersion: this.version });
  }

  /** Sends SUBSCRIBE and gives the SUBACK. */
  async subscribe(
    filters: Requested | readonly Requested[],
    options: { qos?: QoS; properties?: Properties } = {},
  ): Promise<SubackPacket> {
    const list = (Array.isArray(filters) ? filters : [filters]).map((one) =>
      typeof one === 'string' ? { filter: one } : one,
    );
    const defaults = { qos: options.qos ?? 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = list.map((one) => ({ ...defaults, ...one }));
    this.send({
      type: PacketType.SUBSCRIBE,
      packetId: this.takePacketId(),
      subscriptions,
      properties: options.properties,
    });
    return (await this.next(PacketType.SUBACK)) as SubackPacket;
  }

  /** Sends PUBLISH; at QoS 1 and 2 with the next packet identifier, which is returned. Waits for nothing. */
  publish(topic: string, options: PublishOptions = {}): number {
    const { qos = 0, dup = false, retain = false, properties } = options;
    const packetId = options.packetId ?? (qos === 0 ? 0 : this.takePacketId());
    const payload = Buffer.from(options.payload ?? '');
    this.send({ type: PacketType.PUBLISH, topic, payload, qos, dup, retain, packetId, properties });
    return packetId;
  }

  acknowledge(type: 4 | 5 | 6 | 7, packetId: number, reasonCode = 0): this {
    return this.send({ type, packetId, reasonCode });
  }

  disconnect(reasonCode = 0, properties?: Properties): this {
    return this.send({ type: PacketType.DISCONNECT, reasonCode, properties });
  }

  /** The next packet, of whatever type unless one is named. */
  async next(type?: number): Promise<Packet> {
    const { packet } = await this.take();
    if (type !== undefined) expect(packet.type).toBe(type);
    return packet;
  }

  /** Expects the next packet to have these fields; payloads may be given as strings. */
  async expect(fields: object): Promise<Packet> {
    const { packet } = await this.take();
    expect(readable(packet)).toMatchObject(readable(fields));
    return packet;
  }

  /** Expects a PUBLISH and gives it; fields as in `expect`. */
  async expectPublish(topic: string, payload: string, fields: object = {}): Promise<PublishPacket> {
    return (await this.expect({ type: PacketType.PUBLISH, topic, payload, ...fields })) as PublishPacket;
  }

  /** Expects the next packet to be exactly these bytes. */
  async expectHex(hex: string): Promise<void> {
    const { bytes } = await this.take();
    expect(bytes.toString('hex')).toBe(hex.replaceAll(/\s/g, '').toLowerCase());
  }

  /** Expects that everything sent so far has been handled and nothing (more) came of it: PINGRESP is next. */
  async expectNothing(): Promise<void> {
    this.send({ type: PacketType.PINGREQ });
    await this.expect({ type: PacketType.PINGRESP });
  }

  /** Waits until the broker has handled everything sent so far; packets that came meanwhile stay to be read. */
  async settled(): Promise<void> {
    this.send({ type: PacketType.PINGREQ });
    await this.until(() => this.packets.some(({ packet }) => packet.type === PacketType.PINGRESP));
    const index = this.packets.findIndex(({ packet }) => packet.type === PacketType.PINGRESP);
    this.packets.splice(index, 1);
  }

  /** Expects the connection to be closed without another packet. */
  async expectClosed(): Promise<void> {
    await this.until(() => this.isClosed || this.packets.length > 0);
    expect(this.packets.map(({ packet }) => readable(packet))).toEqual([]);
  }

  /** MQTT 5: expects DISCONNECT with this reason and then the end; 3.1 and 3.1.1: just the end. */
  async expectDisconnect(reasonCode: number): Promise<void> {
    if (this.version === 5) await this.expect({ type: PacketType.DISCONNECT, reasonCode });
    await this.expectClosed();
  }

  /** Breaks the connection without DISCONNECT. */
  drop(): void {
    this.stream.destroy();
  }

  private takePacketId(): number {
    const packetId = this.nextPacketId;
    this.nextPacketId = (packetId % 65_535) + 1;
    return packetId;
  }

  private async take(): Promise<{ packet: Packet; bytes: Buffer }> {
    await this.until(() => this.packets.length > 0 || this.isClosed);
    const taken = this.packets.shift();
    if (!taken) throw new Error('a packet was expected, the connection was closed');
    return taken;
  }

  private async until(isSo: () => boolean): Promise<void> {
    const deadline = Date.now() + this.timeoutMs;
    while (!isSo()) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('nothing came from the broker')), deadline - Date.now());
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  private onData(chunk: Buffer): void {
    this.unread = Buffer.concat([this.unread, chunk]);
    this.decoder.push(chunk);
    for (let packet = this.decoder.next(); packet; packet = this.decoder.next()) {
      const size = packetSize(this.unread);
      this.packets.push({ packet, bytes: this.unread.subarray(0, size) });
      this.unread = this.unread.subarray(size);
    }
    this.wake?.();
  }
}

function packetSize(bytes: Buffer): number {
  let length = 0;
  let index = 1;
  do length |= (bytes[index] & 0x7f) << (7 * (index - 1));
  while (bytes[index++] >= 0x80);
  return index + length;
}

/** Payloads and other binary fields as text, getters as fields: for comparing and for messages. */
function readable(packet: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const names =
    'bytes' in packet
      ? ['type', 'dup', 'qos', 'retain', 'topic', 'packetId', 'payload', 'properties']
      : Object.keys(packet);
  for (const name of names) fields[name] = readableValue((packet as Record<string, unknown>)[name]);
  return fields;
}

function readableValue(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (
    value !== null &&
    typeof value === 'object' &&
    !Array.isArray(value) &&
    'constructor' in value &&
    value.constructor === Object
  ) {
    return readable(value);
  }
  return value;
}
