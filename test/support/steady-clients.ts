import { PacketType, type AcknowledgePacket, type Packet, type PublishPacket } from '../../lib/protocol/packets.js';
import { openClient } from './nest-app.js';
import type { WireClient } from './wire-client.js';

const { PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, PINGREQ } = PacketType;

/** A port to connect to: another one each time, or the same. */
export type Ports = () => number;

/**
 * A client with a session that goes on until `stop`: it connects wherever it is told to, again and again, and keeps what
 * the protocol wants a client to keep. Who hears nothing for a while goes elsewhere.
 */
abstract class SteadyClient {
  /** What must not happen. */
  readonly faults: string[] = [];
  connections = 0;
  /** Connections that have ended, and attempts that came to nothing. */
  ends = 0;
  private isStopped = false;
  private running: Promise<void> | undefined;

  constructor(
    readonly clientId: string,
    private readonly ports: Ports,
    private readonly patienceMs = 1000,
  ) {}

  /** Also again, after `stop`: with the session that it had. */
  start(): this {
    this.isStopped = false;
    this.running = this.run();
    return this;
  }

  /** Resolves when its last connection is closed. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.running;
  }

  protected get goesOn(): boolean {
    return !this.isStopped;
  }

  /** Says what has to be said again on a new connection. */
  protected abstract resume(client: WireClient, isPresent: boolean): Promise<void>;
  /** Once in a while; before each packet that is awaited. */
  protected abstract say(client: WireClient): void;
  protected abstract hear(client: WireClient, packet: Packet): void;

  private async run(): Promise<void> {
    while (this.goesOn) {
      let client: WireClient | undefined;
      try {
        client = await this.connect();
        if (client) await this.talk(client);
      } catch {
        // Refused, closed, or nothing came: the next connection may be a better one.
      } finally {
        this.ends++;
        client?.drop();
      }
      // As clients do: not at once.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  private async connect(): Promise<WireClient | undefined> {
    const client = await openClient(this.ports(), 5, this.patienceMs);
    const properties = { sessionExpiryInterval: 3600 };
    const connack = await client.connect({ clientId: this.clientId, cleanStart: false, properties });
    if (connack.reasonCode !== 0) {
      client.drop();
      return undefined;
    }
    if (this.connections++ > 0 && !connack.sessionPresent) this.faults.push(`${this.clientId}: the session is gone`);
    await this.resume(client, connack.sessionPresent);
    return client;
  }

  private async talk(client: WireClient): Promise<void> {
    while (this.goesOn) {
      this.say(client);
      this.hear(client, await client.next());
    }
  }
}

/** Publishes numbers at one QoS to `topic`, some in flight at once, in order; again where it does not know. */
export class SteadyPublisher extends SteadyClient {
  /** How many were acknowledged, all of them from 0 on. */
  acknowledged = 0;
  /** None from this one on is published. */
  goal = Infinity;
  private next = 0;
  private readonly inFlight = new Map<number, { readonly number: number; isReceived: boolean; isDone: boolean }>();

  constructor(
    clientId: string,
    ports: Ports,
    readonly topic: string,
    private readonly qos: 1 | 2,
    /** From which number on it has to wait: who hears it may be behind, and queues have their bounds. */
    private readonly limit: () => number = () => Infinity,
  ) {
    super(clientId, ports);
  }

  protected async resume(client: WireClient): Promise<void> {
    for (const [packetId, { number, isReceived, isDone }] of this.inFlight) {
      if (isDone) continue;
      // [MQTT-4.4.0-1] [MQTT-4.6.0-1]
      if (isReceived) client.acknowledge(PUBREL, packetId);
      else this.publish(client, packetId, number, true);
    }
  }

  protected say(client: WireClient): void {
    while (this.inFlight.size < mostInFlight && this.next < Math.min(this.goal, this.limit())) {
      const number = this.next++;
      const packetId = (number % 65_535) + 1;
      this.inFlight.set(packetId, { number, isReceived: false, isDone: false });
      this.publish(client, packetId, number, false);
    }
    if (this.inFlight.size === 0) client.send({ type: PINGREQ });
  }

  protected hear(client: WireClient, packet: Packet): void {
    const { type, packetId, reasonCode } = packet as AcknowledgePacket;
    if (type !== PUBACK && type !== PUBREC && type !== PUBCOMP) return;
    // A packet identifier that is not known any more was released before.
    if (reasonCode >= 0x80 && type !== PUBCOMP) this.faults.push(`${this.clientId}: 0x${reasonCode.toString(16)}`);
    const message = this.inFlight.get(packetId);
    if (!message) return;
    if (type === PUBREC) {
      message.isReceived = true;
      client.acknowledge(PUBREL, packetId);
      return;
    }
    message.isDone = true;
    for (const [first, { isDone }] of this.inFlight) {
      if (!isDone) break;
      this.inFlight.delete(first);
      this.acknowledged++;
    }
  }

  private publish(client: WireClient, packetId: number, number: number, dup: boolean): void {
    client.publish(this.topic, { payload: String(number), qos: this.qos, packetId, dup });
  }
}

/** Hears what is published, and notes for each topic what is missing, out of order, or at QoS 2 comes twice. */
export class SteadySubscriber extends SteadyClient {
  /** By topic: the number that comes next. */
  readonly next = new Map<string, number>();
  private readonly unreleased = new Set<number>();
  private isSubscribed = false;

  constructor(
    clientId: string,
    ports: Ports,
    private readonly filter: string,
  ) {
    super(clientId, ports);
  }

  protected async resume(client: WireClient): Promise<void> {
    if (this.isSubscribed) return;
    await client.subscribe(this.filter, { qos: 2 });
    this.isSubscribed = true;
  }

  /** Whether it has subscribed. */
  get isThere(): boolean {
    return this.isSubscribed;
  }

  protected say(): void {}

  protected hear(client: WireClient, packet: Packet): void {
    if (packet.type === PUBREL) {
      const { packetId } = packet;
      this.unreleased.delete(packetId);
      client.acknowledge(PUBCOMP, packetId);
    }
    if (packet.type !== PUBLISH) return;
    const { qos, packetId } = packet;
    // [MQTT-4.3.3-10]
    if (qos === 1 || !this.unreleased.has(packetId)) this.note(packet);
    if (qos === 2) this.unreleased.add(packetId);
    client.acknowledge(qos === 1 ? PUBACK : PUBREC, packetId);
  }

  private note({ topic, payload, qos }: PublishPacket): void {
    const next = this.next.get(topic) ?? 0;
    const number = Number(payload.toString());
    if (number > next || (qos === 2 && number < next)) {
      this.faults.push(`${this.clientId}: ${topic} ${number} where ${next} was to come`);
    }
    this.next.set(topic, Math.max(next, number + 1));
  }
}

const mostInFlight = 8;

/** Waits until this is so; other processes need their turns. */
export async function until(isSo: () => boolean, patienceMs = 25_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`did not come true: ${String(isSo)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
