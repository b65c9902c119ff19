import type { Client } from './client.js';
import type { Connection } from './connection.js';
import { NotKeptError } from './router.js';
import type { Session } from './session.js';

/**
 * What waits for the commit of one tick: packets, in the order of the packets they answer, and QoS 2 messages on both sides,
 * those that came in and those that go out.
 *
 * Arrays with room that stays: growing new ones for each tick would be a good part of what a message at QoS 1 allocates.
 */
export class Tick {
  private readonly connections: (Connection | undefined)[] = [];
  private readonly packets: (Buffer | undefined)[] = [];
  private readonly numbers: number[] = [];
  private count = 0;
  private readonly received: Received[] = [];
  private readonly receivers = new Set<Session>();

  /** @param number they follow each other */
  constructor(public number: number) {}

  /** @param packet undefined for an acknowledgement of `number`, or, where that is 0, for the end of the connection */
  hold(connection: Connection, packet: Buffer | undefined, number: number): void {
    connection.owe();
    const { count } = this;
    this.connections[count] = connection;
    this.packets[count] = packet;
    this.numbers[count] = number;
    this.count = count + 1;
  }

  /** A QoS 2 message came in, and is not routed again when it comes again. */
  receive(received: Received): void {
    this.received.push(received);
  }

  /** A QoS 2 message must not go out to a session before it is known to be kept. */
  holdBack(session: Session): void {
    this.receivers.add(session);
  }

  /** All of it is kept. */
  release(): void {
    this.settle(release);
    this.received.length = 0;
    for (const { connection } of this.receivers) connection?.sendOn();
    this.receivers.clear();
  }

  /**
   * Some of it is not kept: never a lie on the wire. Its publishers find out by the end of their streams, and what they send
   * again must neither count as a duplicate nor reach anybody twice.
   */
  withhold(error: unknown): void {
    for (const { session, publisher, packetId } of this.received.splice(0)) {
      if (!concerns(error, publisher) || !session.received.delete(packetId)) continue;
      session.broker.store.withheld(session, packetId);
      session.connection?.destroy();
    }
    this.settle((connection, packet, number) => {
      if (isWithheld(error, connection)) connection.destroy();
      else release(connection, packet, number);
    });
    for (const session of this.receivers) session.withdraw(this.number, (publisher) => concerns(error, publisher));
    this.receivers.clear();
  }

  private settle(done: (connection: Connection, packet: Buffer | undefined, number: number) => void): void {
    const { connections, packets, numbers, count } = this;
    for (let index = 0; index < count; index++) {
      const connection = connections[index]!;
      done(connection, packets[index], numbers[index]);
      connection.answered();
      connections[index] = packets[index] = undefined;
    }
    this.count = 0;
    if (count > keptRoom) connections.length = packets.length = numbers.length = 0;
  }
}

/** A QoS 2 message that came in. */
interface Received {
  readonly session: Session;
  readonly publisher: Client | undefined;
  readonly packetId: number;
}

/** Room that stays after a burst. */
const keptRoom = 16_384;

/** As in `Tick.hold`. */
export function release(connection: Connection, packet: Buffer | undefined, number: number): void {
  if (packet !== undefined) connection.outbox.packet(packet);
  else if (number !== 0) connection.sendAcknowledgement(number >>> 16, number & 0xffff);
  else connection.end();
}

/** Whether the messages of a publisher are among what was not kept; undefined is the application. */
export const concerns = (error: unknown, publisher: Client | undefined): boolean =>
  !(error instanceof NotKeptError) || error.publishers.has(publisher);

function isWithheld(error: unknown, { client }: Connection): boolean {
  // A connection without a client has published nothing.
  if (error instanceof NotKeptError && client === undefined) return false;
  return concerns(error, client);
}
