import { expect } from '@jest/globals';
import { PacketType, type Packet, type PublishPacket } from '../../lib/protocol/packets.js';
import { readAll, resume, untilAway } from './scenario.js';
import type { TestBroker } from './test-broker.js';
import type { WireClient } from './wire-client.js';

const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** A message as its publisher knows it. */
export interface Sent {
  readonly number: number;
  readonly qos: 1 | 2;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What the client has received under one packet identifier and not finished. */
interface Open {
  readonly number: number;
  readonly qos: 1 | 2;
  /** `released`: the PUBREC went and the PUBREL came; `received`: neither did; `recorded`: the PUBREC went. */
  state: 'received' | 'recorded' | 'released';
  /** Whether its PUBLISH came on this connection. */
  isOfThisConnection: boolean;
}

/**
 * The receiving end of one persistent session, and what MQTT 5 promises it.
 *
 * It acknowledges what it is told to, and checks each packet against what came before: that is the reference model.
 */
export class ModelSubscriber {
  readonly sent: Sent[] = [];
  /** How often each message was taken for new, by number. */
  readonly taken = new Map<number, number>();
  /** By packet identifier. */
  readonly open = new Map<number, Open>();
  client: WireClient | undefined;
  private receiveMaximum = 0;
  /** The last message that came first at each QoS, and the last that was sent again on this connection. */
  private readonly newest = { 1: -1, 2: -1 };
  private resent = { 1: -1, 2: -1 };

  constructor(
    private readonly broker: TestBroker,
    private readonly publisher: WireClient,
  ) {}

  async publish(qos: 1 | 2, expirySeconds: number | undefined): Promise<void> {
    const number = this.sent.length;
    const expiresAt = expirySeconds === undefined ? Infinity : this.broker.clock.now() + expirySeconds * 1000;
    this.sent.push({ number, qos, expiresAt });
    const properties = expirySeconds === undefined ? undefined : { messageExpiryInterval: expirySeconds };
    const packetId = this.publisher.publish('a', { qos, payload: `${number}`, properties });
    await this.publisher.expect({ type: qos === 1 ? PUBACK : PUBREC, packetId, reasonCode: 0 });
    if (qos === 1) return;
    this.publisher.acknowledge(PUBREL, packetId);
    await this.publisher.expect({ type: PUBCOMP, packetId, reasonCode: 0 });
  }

  async connect(receiveMaximum: number): Promise<void> {
    this.client = await resume(this.broker, 'sub', { receiveMaximum });
    this.receiveMaximum = receiveMaximum;
    this.resent = { 1: -1, 2: -1 };
    for (const open of this.open.values()) {
      open.isOfThisConnection = false;
      if (open.state === 'released') open.state = 'recorded';
    }
    await this.read();
    // [MQTT-4.4.0-1] the PUBREL of each comes again
    expect([...this.open.values()].filter(({ state }) => state === 'recorded')).toEqual([]);
  }

  /** Cuts the connection; what was sent meanwhile may never have been read. */
  async drop(): Promise<void> {
    this.client?.drop();
    this.client = undefined;
    await untilAway(this.broker, 'sub');
  }

  /** Reads all that has come, checks it, and that nothing stays back which could be sent. */
  async read(): Promise<void> {
    if (!this.client) return;
    for (const packet of await readAll(this.client)) this.receive(packet);
    this.expectNothingHeldBack();
  }

  /** Sends the next acknowledgement for the open message at `pick`. */
  async acknowledge(pick: number): Promise<void> {
    const ready = [...this.open].filter(([, { state }]) => state !== 'recorded');
    if (!this.client || ready.length === 0) return;
    const [packetId, open] = ready[pick % ready.length];
    if (open.qos === 1) this.finish(packetId, PUBACK);
    else if (open.state === 'released') this.finish(packetId, PUBCOMP);
    else {
      this.client.acknowledge(PUBREC, packetId);
      open.state = 'recorded';
    }
    await this.read();
  }

  /** Connects, acknowledges until nothing is left, and checks the sum of it all. */
  async finishAll(): Promise<void> {
    if (!this.client) await this.connect(65_535);
    await this.read();
    while (this.open.size > 0) await this.acknowledge(0);
    await this.read();
    for (const { number, qos, expiresAt } of this.sent) {
      const times = this.taken.get(number) ?? 0;
      if (expiresAt > this.broker.clock.now()) expect({ number, times }).not.toEqual({ number, times: 0 });
      // [MQTT-4.3.3-10] exactly once, or not at all when it expired
      if (qos === 2) expect(times).toBeLessThanOrEqual(1);
    }
    expect(this.broker.broker.sessions.get('sub')!.deliveries.all()).toEqual([]);
  }

  private finish(packetId: number, type: 4 | 7): void {
    this.client!.acknowledge(type, packetId);
    this.open.delete(packetId);
  }

  private receive(packet: Packet): void {
    if (packet.type === PUBLISH) this.receivePublish(packet);
    else {
      expect(packet).toMatchObject({ type: PUBREL, reasonCode: 0 });
      const { packetId } = packet as { packetId: number };
      const open = this.open.get(packetId);
      // [MQTT-4.3.3-4] a PUBREL belongs to a message whose PUBREC went
      expect(open?.state === 'recorded' || open?.state === 'released').toBe(true);
      open!.state = 'released';
    }
  }

  private receivePublish({ packetId, payload, qos, dup }: PublishPacket): void {
    const number = Number(payload.toString());
    const sent = this.sent[number];
    expect(qos).toBe(sent.qos);
    // [MQTT-3.3.2-5]
    if (!dup) expect(sent.expiresAt).toBeGreaterThan(this.broker.clock.now());
    const open = this.open.get(packetId);
    if (open) {
      // [MQTT-4.4.0-1] [MQTT-4.3.2-1] an identifier in use comes again with its own message, on another connection
      expect({ number, dup, again: open.isOfThisConnection }).toEqual({ number: open.number, dup: true, again: false });
      expect(open.state).toBe('received');
      open.isOfThisConnection = true;
    } else {
      this.open.set(packetId, { number, qos: sent.qos, state: 'received', isOfThisConnection: true });
      this.take(number, sent.qos);
    }
    // [MQTT-4.6.0-1]
    if (dup) {
      expect(number).toBeGreaterThan(this.resent[sent.qos]);
      this.resent[sent.qos] = number;
    }
    // [MQTT-3.3.4-9]
    const unfinished = [...this.open.values()].filter(({ isOfThisConnection }) => isOfThisConnection);
    expect(unfinished.length).toBeLessThanOrEqual(this.receiveMaximum);
  }

  private take(number: number, qos: 1 | 2): void {
    this.taken.set(number, (this.taken.get(number) ?? 0) + 1);
    if (this.taken.get(number) === 1) {
      // [MQTT-4.6.0-5]
      expect(number).toBeGreaterThan(this.newest[qos]);
      this.newest[qos] = number;
    }
    // Acknowledged messages do not come again: only QoS 1 whose PUBACK was lost may.
    if (qos === 2) expect(this.taken.get(number)).toBe(1);
  }

  /** With room in the Receive Maximum nothing waits: all that has not expired is here. */
  private expectNothingHeldBack(): void {
    if (this.open.size >= this.receiveMaximum) return;
    const now = this.broker.clock.now();
    const missing = this.sent.filter(({ number, expiresAt }) => expiresAt > now && !this.taken.has(number));
    expect(missing).toEqual([]);
  }
}
